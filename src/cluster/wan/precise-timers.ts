/**
 * Timers of a thread that does nothing but carry bytes. The event loop's timers count whole
 * milliseconds, which would add up to a millisecond to every way; these wait the last stretch in
 * short sleeps, between which the loop looks for bytes. Never early.
 */
import type { CancelTimer, Clock, Timers } from '../../core/ports/runtime.ts'

/** What is due sooner is waited for in short sleeps. */
const FINE_FROM_MS = 2
/** The longest that bytes wait unread because the thread sleeps. */
const SLEEP_MS = 0.1

interface Due {
  readonly atMs: number
  readonly callback: () => void
}

/** Timers for the thread that calls. They keep it alive while something is due. */
export function preciseTimers(clock: Pick<Clock, 'monotonicMs'>): Timers {
  return new PreciseTimers(clock)
}

class PreciseTimers implements Timers {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** In the order in which they are due. */
  readonly #queue: Due[] = []
  readonly #never = new Int32Array(new SharedArrayBuffer(4))
  #coarse: { readonly timer: NodeJS.Timeout; readonly forMs: number } | undefined
  #isFine = false

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    const due = { atMs: this.#clock.monotonicMs() + delayMs, callback }
    this.#queue.splice(this.#placeOf(due.atMs), 0, due)
    this.#arm()
    return () => {
      const at = this.#queue.indexOf(due)
      if (at >= 0) this.#queue.splice(at, 1)
    }
  }

  defer(callback: () => void): void {
    setImmediate(callback)
  }

  /** After those that are due at the same time. */
  #placeOf(atMs: number): number {
    let [low, high] = [0, this.#queue.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#queue[middle]?.atMs ?? 0) <= atMs) low = middle + 1
      else high = middle
    }
    return low
  }

  #arm(): void {
    const [first] = this.#queue
    if (first === undefined || this.#isFine) return
    const remainingMs = first.atMs - this.#clock.monotonicMs()
    if (remainingMs < FINE_FROM_MS) {
      this.#isFine = true
      setImmediate(() => this.#turn())
      return
    }
    if (this.#coarse !== undefined && this.#coarse.forMs <= first.atMs) return
    clearTimeout(this.#coarse?.timer)
    const wake = (): void => {
      this.#coarse = undefined
      this.#arm()
    }
    // It may come a millisecond late.
    const timer = setTimeout(wake, Math.floor(remainingMs) - 1)
    this.#coarse = { timer, forMs: first.atMs }
  }

  #turn(): void {
    this.#isFine = false
    this.#runDue()
    const [next] = this.#queue
    if (next === undefined) return
    const remainingMs = next.atMs - this.#clock.monotonicMs()
    if (remainingMs < FINE_FROM_MS) {
      Atomics.wait(this.#never, 0, 0, Math.min(Math.max(remainingMs, 0), SLEEP_MS))
      this.#runDue()
    }
    this.#arm()
  }

  #runDue(): void {
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      if (first.atMs > this.#clock.monotonicMs()) return
      this.#queue.shift()
      first.callback()
    }
  }
}
