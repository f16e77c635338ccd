/** Whether a node is ready, and what it waits for: named checks that its parts report. */

/** One thing that must be so before a node is ready. */
export interface ReadinessCheck {
  /** `store eu-west`, `log eu-west`, … */
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

/** The checks of a node. A node is ready while every one of them is met. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>()
  readonly #waiters = new Set<() => void>()

  constructor(expected: readonly string[]) {
    for (const name of expected) this.wait(name, 'the start')
  }

  meet(name: string): void {
    this.#set({ name, ok: true })
  }

  /** The check is not met (any more). */
  wait(name: string, waitsFor: string): void {
    this.#set({ name, ok: false, waitsFor })
  }

  report(): ReadinessReport {
    const checks = [...this.#checks.values()]
    return { ready: checks.every((check) => check.ok), checks }
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
