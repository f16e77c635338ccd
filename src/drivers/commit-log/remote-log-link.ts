/** Keeps a channel open while there is use for it: opens it again, ever later, when it breaks. */
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import type { Channel } from '../../core/ports/transport.ts'

/** What uses the link. */
export interface LinkUser {
  /** Whether a broken channel is to be opened again. */
  isNeeded(): boolean
  onOpen(): void
  onMessage(message: Uint8Array): void
  /** What was sent and not answered may be lost. */
  onLost(): void
}

const MIN_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 2000

export class LogLink {
  readonly #connect: () => Promise<Channel>
  readonly #runtime: Runtime
  readonly #user: LinkUser
  #state: 'idle' | 'busy' | 'closed' = 'idle'
  #channel: Channel | undefined
  #stopBackoff: CancelTimer | undefined
  /** Channels that broke, or did not open, since one was of use. */
  #failures = 0
  #lastFailure: unknown

  constructor(connect: () => Promise<Channel>, runtime: Runtime, user: LinkUser) {
    this.#connect = connect
    this.#runtime = runtime
    this.#user = user
  }

  /** Why there is no channel, where that is known. */
  get lastFailure(): unknown {
    return this.#lastFailure
  }

  get isOpen(): boolean {
    return this.#channel !== undefined
  }

  /** Opens the channel unless it is open, or about to be. */
  need(): void {
    if (this.#state !== 'idle') return
    this.#state = 'busy'
    void this.#open()
  }

  send(message: Uint8Array): void {
    this.#channel?.send(message)
  }

  /** The channel works: the next one is opened soon after it breaks. */
  noteUse(): void {
    this.#failures = 0
    this.#lastFailure = undefined
  }

  /** Gives the channel up, for what its peer sent. */
  drop(failure: unknown): void {
    const channel = this.#channel
    this.#lose(failure)
    channel?.close()
  }

  close(): void {
    this.#state = 'closed'
    this.#stopBackoff?.()
    const channel = this.#channel
    this.#channel = undefined
    channel?.close()
  }

  async #open(): Promise<void> {
    let channel: Channel
    try {
      channel = await this.#connect()
    } catch (error) {
      this.#openLater(error)
      return
    }
    if (this.#state === 'closed') {
      channel.close()
      return
    }
    this.#channel = channel
    channel.onMessage((message) => {
      if (this.#channel === channel) this.#user.onMessage(message)
    })
    channel.onClose(() => {
      if (this.#channel === channel) this.#lose()
    })
    this.#user.onOpen()
  }

  #lose(failure?: unknown): void {
    if (this.#channel === undefined) return
    this.#channel = undefined
    this.#user.onLost()
    this.#openLater(failure ?? this.#lastFailure)
  }

  /** Anywhere within a time that doubles: regions that lost the same log do not come at once. */
  #openLater(failure: unknown): void {
    if (this.#state === 'closed') return
    this.#lastFailure = failure
    const { random, timers } = this.#runtime
    const backoffMs = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures)
    this.#failures++
    this.#stopBackoff = timers.after(backoffMs * random.fraction(), () => {
      this.#state = 'idle'
      if (this.#user.isNeeded()) this.need()
    })
  }
}
