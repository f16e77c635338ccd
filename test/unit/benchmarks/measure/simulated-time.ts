/** Time that passes from event to event, as an event loop of its own: no test of loops waits. */
import type { LoopTime } from '../../../../benchmarks/measure/loop-time.ts'

interface SimulatedEvent {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
}

export class SimulatedTime implements LoopTime {
  /** What a turn of the event loop takes. */
  readonly turnMs: number
  /** Turns that were asked for. */
  turns = 0
  #nowMs = 1000
  #order = 0
  #events: SimulatedEvent[] = []
  #stalls: { readonly fromMs: number; readonly untilMs: number }[] = []

  constructor(turnMs = 0.05) {
    this.turnMs = turnMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    // As of Node: whole milliseconds, at least one.
    const event = this.#add(this.#nowMs + Math.max(1, Math.trunc(delayMs)), callback)
    return () => {
      this.#events = this.#events.filter((one) => one !== event)
    }
  }

  nextTurn(callback: () => void): void {
    this.turns++
    this.#add(this.#nowMs + this.turnMs, callback)
  }

  /** Resolves at an exact time, as an answer from elsewhere arrives. */
  arrival(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#add(this.#nowMs + delayMs, resolve))
  }

  /** Something computes for so long; called within an event. */
  compute(durationMs: number): void {
    this.#nowMs += durationMs
  }

  /** The whole process stands still for a while: nothing happens in it, whatever is due. */
  stall(inMs: number, durationMs: number): void {
    const fromMs = this.#nowMs + inMs
    this.#stalls.push({ fromMs, untilMs: fromMs + durationMs })
  }

  /** Lets time pass until the promise has settled. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    work.then(settle, settle)
    for (;;) {
      // Once all promises that can go on have done so; a turn of the real event loop takes longer.
      await new Promise((resolve) => process.nextTick(resolve))
      if (isSettled) return work
      const next = this.#takeNext()
      if (next === undefined) throw new Error('Nothing is left to happen, and it has not settled.')
      this.#nowMs = this.#afterStalls(Math.max(this.#nowMs, next.atMs))
      next.callback()
    }
  }

  #afterStalls(atMs: number): number {
    const stall = this.#stalls.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs)
    return stall === undefined ? atMs : stall.untilMs
  }

  #takeNext(): SimulatedEvent | undefined {
    let next: SimulatedEvent | undefined
    for (const event of this.#events) {
      if (next === undefined || event.atMs < next.atMs) next = event
      else if (event.atMs === next.atMs && event.order < next.order) next = event
    }
    this.#events = this.#events.filter((event) => event !== next)
    return next
  }

  #add(atMs: number, callback: () => void): SimulatedEvent {
    const event = { atMs, order: this.#order++, callback }
    this.#events.push(event)
    return event
  }
}
