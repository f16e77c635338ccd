/**
 * One life of a program: what it waits for reaches it only while it runs. A paused process gets it
 * when it goes on, one that was killed never. Its clocks have their own rate and their own error.
 */
import type { CancelTimer, Runtime } from '../../../src/core/ports/runtime.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { Scheduler } from './scheduler.ts'

/** What a clock that is right shows when a run begins. */
export const EPOCH_MS = 1_700_000_000_000

/** The clock of a machine. */
export class MachineClock {
  readonly #scheduler: Scheduler
  readonly #rate: number
  #errorMs: number

  /** `rate`: its milliseconds in one of virtual time; `errorMs`: how far its wall clock is ahead. */
  constructor(scheduler: Scheduler, rate: number, errorMs: number) {
    this.#scheduler = scheduler
    this.#rate = rate
    this.#errorMs = errorMs
  }

  nowMs(): number {
    return Math.floor(EPOCH_MS + this.#errorMs + this.elapsedMs())
  }

  elapsedMs(): number {
    return this.#scheduler.nowMs() * this.#rate
  }

  /** Milliseconds of virtual time in which this clock counts `ms`. */
  virtualMs(ms: number): number {
    return ms / this.#rate
  }

  /** Moves the wall clock. */
  jump(ms: number): void {
    this.#errorMs += ms
  }

  /** Sets the wall clock right. Its rate stays. */
  set(): void {
    this.#errorMs = this.#scheduler.nowMs() - this.elapsedMs()
  }
}

export class SimProcess {
  readonly runtime: Runtime
  readonly #scheduler: Scheduler
  #state: 'running' | 'paused' | 'killed' = 'running'
  #waiting: (() => void)[] = []

  constructor(scheduler: Scheduler, clock: MachineClock, random: SeededRandom) {
    this.#scheduler = scheduler
    this.runtime = {
      clock: {
        nowMs: () => clock.nowMs(),
        monotonicMs: () => clock.elapsedMs(),
        bootMs: () => clock.elapsedMs(),
      },
      random: {
        bytes: (length) => Uint8Array.from({ length }, () => random.below(256)),
        fraction: () => random.fraction(),
      },
      timers: {
        after: (delayMs, callback) => this.after(clock.virtualMs(delayMs), callback),
        defer: (callback) => void this.after(0, callback),
      },
    }
  }

  isRunning(): boolean {
    return this.#state === 'running'
  }

  isKilled(): boolean {
    return this.#state === 'killed'
  }

  /** Runs `run` in this process: now, when it goes on, or never. */
  enter(run: () => void): void {
    if (this.#state === 'running') run()
    else if (this.#state === 'paused') this.#waiting.push(run)
  }

  /** The same, `delayMs` of virtual time from now. */
  after(delayMs: number, run: () => void): CancelTimer {
    let isCancelled = false
    const cancelEvent = this.#scheduler.after(delayMs, () =>
      this.enter(() => {
        if (!isCancelled) run()
      }),
    )
    return () => {
      isCancelled = true
      cancelEvent()
    }
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    // Each in its own turn, and a pause meanwhile holds the rest.
    for (const run of this.#waiting.splice(0)) this.#scheduler.after(0, () => this.enter(run))
  }

  kill(): void {
    this.#state = 'killed'
    this.#waiting = []
  }
}
