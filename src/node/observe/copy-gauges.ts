/** The gauges of a region's copies of log groups: whether they are what they should be. */
import { Gauge, type Registry } from 'prom-client'
import type { RegionLogGroupStatus } from '../log-retention.ts'

type OfCopy = 'region' | 'group'

export class CopyGauges {
  readonly #reseeding: Gauge<OfCopy>
  readonly #differs: Gauge<OfCopy>
  readonly #divergences: Gauge<OfCopy>
  readonly #agreed: Gauge<OfCopy>
  readonly #verified: Gauge<OfCopy>

  constructor(registry: Registry) {
    const of = (name: string, help: string): Gauge<OfCopy> =>
      new Gauge({
        name: `meridian_log_copy_${name}`,
        help,
        labelNames: ['region', 'group'],
        registers: [registry],
      })
    this.#reseeding = of('reseeding', 'Whether the copy is being seeded again: 1 or 0.')
    this.#differs = of('differs', 'Whether it differs from other regions, unmended: 1 or 0.')
    this.#divergences = of('divergences', 'How often it was found wrong since the process started.')
    this.#agreed = of('agreed_index', 'The last index at which its digest was that of the others.')
    this.#verified = of('verified_index', 'The last index at which its rows gave their digest.')
  }

  set(region: string, { group, reseeding, digests }: RegionLogGroupStatus): void {
    const labels = { region, group }
    this.#reseeding.set(labels, Number(reseeding !== null))
    this.#differs.set(labels, Number(digests.differs !== null))
    this.#divergences.set(labels, digests.divergences)
    this.#agreed.set(labels, digests.agreedIndex ?? 0)
    this.#verified.set(labels, digests.verifiedIndex ?? 0)
  }
}
