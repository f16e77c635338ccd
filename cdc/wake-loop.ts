/**
 * Runs a step again and again while there is work, sleeps until it is woken, and backs off when
 * the step fails. What relay, consumer and pruner have in common.
 */
import { asMeridianError, type MeridianError } from '../src/core/errors.ts'
import type { CancelTimer, Random, Timers } from '../src/core/ports/runtime.ts'

const FIRST_BACKOFF_MS = 20
const MAX_BACKOFF_MS = 5_000
/** A follower looks by itself this often, should a wake-up have been lost. */
const FOLLOWER_POLL_MS = 1_000

/** What a loop is made of. */
export interface WakeLoopOptions {
  /** Does one piece of work; resolves to whether there may be more at once. */
  readonly step: () => Promise<boolean>
  readonly timers: Timers
  readonly random: Random
  /** Runs a step this long after the last one even if nobody woke the loop. */
  readonly pollMs: number
  /** Told of what has ended the loop for good. */
  readonly onStopped?: ((error: MeridianError) => void) | undefined
  /** Told of each step that failed and is repeated, and with null of the first that did not. */
  readonly onTrouble?: ((error: MeridianError | null) => void) | undefined
}

/** How far a follower is. */
export interface FollowerStatus {
  readonly position: number
  /** Why it does not move; a `retry: never` error has ended it. */
  readonly error: MeridianError | null
}

/** What follows an ordered log. */
export interface Follower {
  /** The position that was reached last. */
  position(): number
  status(): FollowerStatus
  /** Ends it once the step under way is over. */
  stop(): Promise<void>
}

/** Takes steps along a log: now, whenever `subscribe`'s listener is called, and now and then. */
export function follow(
  options: Omit<WakeLoopOptions, 'pollMs'> & {
    readonly position: () => number
    /** Registers what wakes the follower. Returns its removal. */
    readonly subscribe: (wake: () => void) => () => void
  },
): Follower {
  const { position, subscribe, ...rest } = options
  const loop = new WakeLoop({ ...rest, pollMs: FOLLOWER_POLL_MS })
  const unsubscribe = subscribe(() => loop.wake())
  return {
    position,
    status: () => ({ position: position(), error: loop.error() }),
    stop: async () => {
      unsubscribe()
      await loop.stop()
    },
  }
}

/** A running loop. An error that may not be repeated (`retry: never`) halts it for good. */
export class WakeLoop {
  readonly #options: WakeLoopOptions
  #running: Promise<void> | undefined
  #isWoken = false
  #isStopped = false
  #failures = 0
  #error: MeridianError | null = null
  #cancelTimer: CancelTimer | undefined

  /** Starts with a first step at once. */
  constructor(options: WakeLoopOptions) {
    this.#options = options
    this.wake()
  }

  /** There may be work. While the loop backs off, it waits for the end of that. */
  wake(): void {
    this.#isWoken = true
    if (this.#running === undefined && this.#failures === 0) this.#start()
  }

  /** Why the last step failed; null after one that did not. */
  error(): MeridianError | null {
    return this.#error
  }

  /** Ends the loop; resolves when its step, if one runs, is over. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    await this.#running
  }

  #start(): void {
    if (this.#isStopped) return
    this.#cancelTimer?.()
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // Woken after the last look, but before this turn.
      if (this.#isWoken && this.#failures === 0) this.#start()
    })
  }

  async #run(): Promise<void> {
    let hasMore = true
    while ((hasMore || this.#isWoken) && !this.#isStopped) {
      this.#isWoken = false
      try {
        hasMore = await this.#options.step()
        if (this.#failures > 0) this.#options.onTrouble?.(null)
        this.#failures = 0
        this.#error = null
      } catch (error) {
        this.#fail(asMeridianError(error))
        return
      }
    }
    this.#sleep(this.#options.pollMs)
  }

  #fail(error: MeridianError): void {
    this.#error = error
    this.#failures++
    if (error.retry === 'never') {
      const wasAsked = this.#isStopped
      this.#isStopped = true
      if (!wasAsked) this.#options.onStopped?.(error)
      return
    }
    this.#options.onTrouble?.(error)
    const ceilingMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#failures - 1))
    this.#sleep(ceilingMs * (0.5 + this.#options.random.fraction() / 2))
  }

  #sleep(delayMs: number): void {
    if (this.#isStopped) return
    this.#cancelTimer = this.#options.timers.after(delayMs, () => this.#start())
  }
}
