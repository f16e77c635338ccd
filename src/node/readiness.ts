/** Whether a node is ready, and what it waits for: named checks that its parts report. */

/** One thing that must be so before a node is ready. */
export interface ReadinessCheck {
  /**
   * `serving`, or of a region: `store eu-west`, `log eu-west`, `roles eu-west`; `leader eu-west`
   * where it has several nodes.
   */
  readonly name: string
  readonly ok: boolean
  /** Why it is not, or what it waits for. */
  readonly waitsFor?: string
}

/** All of them. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly checks: readonly ReadinessCheck[]
}

/** The names of a region's checks. */
export function checks(region: string): Readonly<Record<'store' | 'log' | 'roles', string>> {
  return { store: `store ${region}`, log: `log ${region}`, roles: `roles ${region}` }
}

/** The check of a region that this process has with others: that it is held, and by whom. */
export function leaderCheck(region: string): string {
  return `leader ${region}`
}

/** The check that is not met while a node's clock is too far from the others'. */
export function clockCheck(region: string): string {
  return `clock ${region}`
}

/** The check that a node which stops does not meet. */
export const SERVING = 'serving'

/** The checks of a node. A node is ready while every one of them is met. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>()
  readonly #waiters = new Set<() => void>()

  /** `shared`: those of the regions that other nodes have, too. */
  constructor(regions: readonly string[], shared: readonly string[] = []) {
    this.meet(SERVING)
    for (const region of regions) {
      if (shared.includes(region)) this.wait(leaderCheck(region), 'the start')
      else this.begin(region)
    }
  }

  /** The region is being opened here. */
  begin(region: string): void {
    for (const name of Object.values(checks(region))) this.wait(name, 'the start')
  }

  /** The region is not here any more, and nothing of it is waited for. */
  end(region: string): void {
    // Its copies of log groups, too, whose checks are there while they are seeded again.
    for (const name of this.#checks.keys()) {
      const isOfRegion = name.endsWith(` ${region}`) && name !== leaderCheck(region)
      if (isOfRegion) this.#checks.delete(name)
    }
    this.#wake()
  }

  meet(name: string): void {
    this.#set({ name, ok: true })
  }

  /** The check is not met (any more). */
  wait(name: string, waitsFor: string): void {
    this.#set({ name, ok: false, waitsFor })
  }

  report(): ReadinessReport {
    const all = [...this.#checks.values()]
    return { ready: all.every((check) => check.ok), checks: all }
  }

  /** Resolves once every check is met at the same time. */
  async ready(): Promise<void> {
    while (!this.report().ready) {
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve)
      })
    }
  }

  #set(check: ReadinessCheck): void {
    this.#checks.set(check.name, check)
    this.#wake()
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter()
  }
}
