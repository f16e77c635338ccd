/** Whether a node is ready, and what it waits for: named checks that its parts report. */

/** One thing that must be so before a node is ready. */
export interface ReadinessCheck {
  /** `serving`, or of a region: `store eu-west`, `log eu-west`, `roles eu-west`. */
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

/** The check that a node which stops does not meet. */
export const SERVING = 'serving'

/** The checks of a node. A node is ready while every one of them is met. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>()
  readonly #waiters = new Set<() => void>()

  constructor(regions: readonly string[]) {
    this.meet(SERVING)
    for (const region of regions) {
      for (const name of Object.values(checks(region))) this.wait(name, 'the start')
    }
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
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter()
  }
}
