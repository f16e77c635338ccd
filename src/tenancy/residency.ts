/**
 * Where the data of a class of tenants may be. Default deny: a class that is not configured is
 * allowed nowhere. One bit a region, so that the check costs nothing on the write and export paths.
 */
import { MeridianError } from '../core/errors.ts'

/** The compiled residency rules. */
export class Residency {
  readonly #regions: readonly string[]
  readonly #bitByRegion: ReadonlyMap<string, number>
  readonly #allowedByClass: ReadonlyMap<string, number>
  readonly #everywhere: number

  /** `classes`: allowed regions of each class; regions at most 31. */
  constructor(regions: readonly string[], classes: Readonly<Record<string, readonly string[]>>) {
    this.#regions = regions
    this.#bitByRegion = new Map(regions.map((region, i) => [region, 1 << i]))
    this.#everywhere = regions.reduce((set, region) => set | this.#bit(region), 0)
    this.#allowedByClass = new Map(
      Object.entries(classes).map(([tenantClass, allowed]) => [
        tenantClass,
        allowed.reduce((set, region) => set | this.#bit(region), 0),
      ]),
    )
  }

  /** Whether the region may store, receive and read data of the class. */
  allows(tenantClass: string, region: string): boolean {
    return (this.#allowed(tenantClass) & this.#bit(region)) !== 0
  }

  /** The class's regions, in the order of the configuration; none for an unknown class. */
  allowedRegions(tenantClass: string): readonly string[] {
    return this.#regions.filter((region) => this.allows(tenantClass, region))
  }

  /** Whether every region may hold the class: what strong tables need (protocol rule 22). */
  allowsEverywhere(tenantClass: string): boolean {
    return this.#allowed(tenantClass) === this.#everywhere
  }

  /** Whether `region` may hold every class that `other` may: what is read across tenants there. */
  allowsAllOf(other: string, region: string): boolean {
    const [theirs, own] = [this.#bit(other), this.#bit(region)]
    return [...this.#allowedByClass.values()].every(
      (allowed) => (allowed & theirs) === 0 || (allowed & own) !== 0,
    )
  }

  /** @throws MeridianError `RESIDENCY_DENIED` for a class that is not configured */
  requireClass(tenantClass: string): void {
    if (this.#allowedByClass.has(tenantClass)) return
    throw new MeridianError('RESIDENCY_DENIED', `The tenant class '${tenantClass}' is unknown.`, {
      fix: `Use one of: ${[...this.#allowedByClass.keys()].join(', ')}; or configure it.`,
      details: { tenantClass },
    })
  }

  /** @throws MeridianError `REGION_UNKNOWN`, `RESIDENCY_DENIED` */
  requireHome(tenantClass: string, home: string): void {
    this.requireClass(tenantClass)
    if (!this.#bitByRegion.has(home)) {
      throw new MeridianError('REGION_UNKNOWN', `There is no region '${home}'.`, {
        fix: `Use one of: ${this.#regions.join(', ')}.`,
        details: { region: home },
      })
    }
    if (this.allows(tenantClass, home)) return
    const allowed = this.allowedRegions(tenantClass)
    throw new MeridianError(
      'RESIDENCY_DENIED',
      `Region ${home} may not hold tenants of class '${tenantClass}'.`,
      {
        fix: `Choose a home among: ${allowed.join(', ')}.`,
        details: { region: home, tenantClass, regions: allowed },
      },
    )
  }

  #allowed(tenantClass: string): number {
    return this.#allowedByClass.get(tenantClass) ?? 0
  }

  #bit(region: string): number {
    return this.#bitByRegion.get(region) ?? 0
  }
}
