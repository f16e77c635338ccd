import type { CancelTimer, Timers } from '../../../src/core/ports/runtime.ts'

/** Turns of the event loop in which real work (a file's) may follow from one timer. */
const TURNS_A_TIMER = 20

/** Timers whose time passes only while `run` waits: delays can be compared exactly. */
export class VirtualTimers implements Timers {
  nowMs = 0
  #due: { readonly atMs: number; readonly callback: () => void }[] = []

  after(delayMs: number, callback: () => void): CancelTimer {
    const timer = { atMs: this.nowMs + delayMs, callback }
    this.#due.push(timer)
    return () => {
      this.#due = this.#due.filter((other) => other !== timer)
    }
  }

  defer(callback: () => void): void {
    setImmediate(callback)
  }

  /** Lets time pass until the work has settled. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    work.then(settle, settle)
    for (;;) {
      for (let turn = 0; turn < TURNS_A_TIMER; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      if (isSettled) return work
      this.#passToNext()
    }
  }

  #passToNext(): void {
    const [next] = this.#due.toSorted((a, b) => a.atMs - b.atMs)
    if (next === undefined) return
    this.#due = this.#due.filter((timer) => timer !== next)
    this.nowMs = Math.max(this.nowMs, next.atMs)
    next.callback()
  }
}
