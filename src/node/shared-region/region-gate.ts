/**
 * Who is inside a region of this process: requests that it serves by itself. A region that passes to
 * another node shuts its gate, and waits until all of them have their answers.
 */
import type { Timers } from '../../core/ports/runtime.ts'

export class RegionGate {
  readonly #timers: Timers
  readonly #waiters = new Set<() => void>()
  #isOpen = false
  #inside = 0

  constructor(timers: Timers) {
    this.#timers = timers
  }

  open(): void {
    this.#isOpen = true
  }

  /** Lets nobody in any more. */
  shut(): void {
    this.#isOpen = false
  }

  /** Takes a request in; the returned function ends it. `undefined`: the region is not here. */
  enter(): (() => void) | undefined {
    if (!this.#isOpen) return undefined
    this.#inside++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#inside--
      if (this.#inside === 0) for (const waiter of [...this.#waiters]) waiter()
    }
  }

  /** Resolves once nobody is inside: to false where somebody still is after `timeoutMs`. */
  async empty(timeoutMs: number): Promise<boolean> {
    if (this.#inside === 0) return true
    return new Promise((resolve) => {
      const settle = (isEmpty: boolean): void => {
        stopTimer()
        this.#waiters.delete(onEmpty)
        resolve(isEmpty)
      }
      const onEmpty = (): void => settle(true)
      const stopTimer = this.#timers.after(timeoutMs, () => settle(false))
      this.#waiters.add(onEmpty)
    })
  }
}
