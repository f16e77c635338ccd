/** The calls of a loop that are under way. */
import type { Operation } from './loop.ts'
import { pause, type LoopTime } from './loop-time.ts'
import { failureName, type Tally } from './tally.ts'

/** Counted for calls that had not ended when a loop stopped waiting. */
export const NO_ANSWER = 'NO_ANSWER'

/** How often the end of the last call is looked for, while it is waited for. */
const DRAIN_STEP_MS = 5
/** The weight of a call in the typical latency. */
const NEWEST = 0.1

interface RunningCall {
  readonly isCounted: boolean
}

export interface CallsOptions {
  readonly operation: Operation
  readonly time: LoopTime
  readonly tally: Tally
}

/** Makes calls and sees to their ends. */
export class Calls {
  readonly #operation: Operation
  readonly #time: LoopTime
  readonly #tally: Tally
  readonly #running = new Set<RunningCall>()
  #made = 0
  #most = 0
  #lastEndMs = -Infinity
  #typicalMs: number | undefined

  constructor({ operation, time, tally }: CallsOptions) {
    this.#operation = operation
    this.#time = time
    this.#tally = tally
  }

  /** Calls that were made, counted or not. */
  get made(): number {
    return this.#made
  }

  /** Calls under way. */
  get running(): number {
    return this.#running.size
  }

  /** The most calls that were under way at once. */
  get most(): number {
    return this.#most
  }

  /** When the last call that was counted ended. */
  get lastEndMs(): number {
    return this.#lastEndMs
  }

  /** How long calls take lately, about; `undefined` before the first has ended. */
  get typicalMs(): number | undefined {
    return this.#typicalMs
  }

  /**
   * Makes a call whose latency counts from `sinceMs`; resolves at its end, whatever that is.
   * `lateMs`: how late it begins, where there was a time that it was due.
   */
  async make(index: number, sinceMs: number, isCounted: boolean, lateMs?: number): Promise<void> {
    const call: RunningCall = { isCounted }
    this.#running.add(call)
    this.#made++
    this.#most = Math.max(this.#most, this.#running.size)
    if (isCounted) this.#tally.attempt(lateMs)
    let end: () => void
    try {
      const report = await this.#operation(index)
      const latencyMs = this.#time.nowMs() - sinceMs
      this.#typicalMs ??= latencyMs
      this.#typicalMs += NEWEST * (latencyMs - this.#typicalMs)
      end = () => this.#tally.succeed(report ?? {}, latencyMs)
    } catch (error) {
      end = () => this.#tally.fail(failureName(error))
    }
    // What was given up on has been counted.
    if (!this.#running.delete(call) || !isCounted) return
    end()
    this.#lastEndMs = this.#time.nowMs()
  }

  /** Waits for the calls under way, `drainMs` at most; what is left is given up and has failed. */
  async drain(drainMs: number, signal?: AbortSignal): Promise<void> {
    const endMs = this.#time.nowMs() + drainMs
    while (this.#running.size > 0 && this.#time.nowMs() < endMs && signal?.aborted !== true) {
      await pause(this.#time, DRAIN_STEP_MS, signal)
    }
    for (const { isCounted } of this.#running) if (isCounted) this.#tally.fail(NO_ANSWER)
    this.#running.clear()
  }
}
