/** Events in simulated time; those of one instant run in the order in which they were scheduled. */
import { EventHeap, type Timed } from '../event-heap.ts'

interface Event extends Timed {
  readonly run: () => void
}

export class EventQueue {
  readonly #heap = new EventHeap<Event>()
  #order = 0
  #nowMs = 0

  get nowMs(): number {
    return this.#nowMs
  }

  /** Events run so far or waiting. */
  get scheduled(): number {
    return this.#order
  }

  at(atMs: number, run: () => void): void {
    this.#heap.push({ atMs: Math.max(atMs, this.#nowMs), order: this.#order++, run })
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run)
  }

  /** Runs what is due until `endMs`. */
  runUntil(endMs: number): void {
    for (;;) {
      const next = this.#heap.first()
      if (next === undefined || next.atMs > endMs) break
      this.#heap.removeFirst()
      this.#nowMs = next.atMs
      next.run()
    }
    this.#nowMs = endMs
  }
}
