/**
 * Virtual time: events in the order of their instants, each in a turn of its own. Between two of them
 * everything that promises have ready runs to its end, so that the order of a run is that of the events.
 */
import type { CancelTimer } from '../../../src/core/ports/runtime.ts'
import { EventHeap, type Timed } from '../event-heap.ts'

interface Event extends Timed {
  run: (() => void) | undefined
}

/** More events than any run needs: something goes round in circles. */
const MAX_EVENTS = 40_000

export class Scheduler {
  #nowMs = 0
  #order = 0
  #events = 0
  readonly #heap = new EventHeap<Event>()

  /** Milliseconds since the run began, with fractions. */
  nowMs(): number {
    return this.#nowMs
  }

  /** Events that have run. */
  events(): number {
    return this.#events
  }

  /** Runs `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): CancelTimer {
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run,
    }
    this.#heap.push(event)
    return () => {
      event.run = undefined
    }
  }

  /** Resolves `delayMs` from now. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /**
   * Lets events run until `isDone` or until `limitMs` from now; resolves to whether it was done. What
   * is scheduled beyond stays.
   *
   * @throws Error where the run has had more events than any needs
   */
  async runUntil(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#nowMs + limitMs
    await drained()
    while (!isDone()) {
      const next = this.#heap.first()
      if (next === undefined || next.atMs > endMs) return false
      this.#heap.removeFirst()
      if (next.run === undefined) continue
      this.#nowMs = next.atMs
      this.#events += 1
      if (this.#events > MAX_EVENTS) throw new Error(`more than ${MAX_EVENTS} events`)
      next.run()
      await drained()
    }
    return true
  }
}

/** Microtasks are over before an immediate runs; nothing of a run waits for anything else. */
function drained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
