/** Asks one region for its clock, over and over; one question at a time. */
import type { CancelTimer, Runtime } from '../../../src/core/ports/runtime.ts'
import type { Channel, Transport } from '../../../src/core/ports/transport.ts'
import { decodeClockAnswer, encodeClockAsk } from './clock-messages.ts'
import type { ClockReading } from './peer-clocks.ts'

/** What an asker is made of. */
export interface PeerAskerOptions {
  readonly peer: string
  readonly transport: Transport
  readonly runtime: Runtime
  readonly intervalMs: number
  /** Told after every question: what it gave, or `undefined` without an answer. */
  readonly onAsked: (reading: ClockReading | undefined) => void
}

/** Later answers say too little: they would be off by half of it. */
const ANSWER_TIMEOUT_MS = 4_000
/** Nodes do not ask in step: each interval is longer or shorter by up to this share. */
const JITTER = 0.2

export class PeerAsker {
  readonly #options: PeerAskerOptions
  #channel: Channel | undefined
  #asked = 0
  #sentMs = 0
  #answered: ((reading: ClockReading | undefined) => void) | undefined
  #cancelPause: CancelTimer = () => undefined
  #isStopped = false

  constructor(options: PeerAskerOptions) {
    this.#options = options
    void this.#run()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelPause()
    this.#channel?.close()
    this.#answered?.(undefined)
  }

  async #run(): Promise<void> {
    const { runtime, intervalMs, onAsked } = this.#options
    while (!this.#isStopped) {
      const reading = await this.#ask()
      if (this.#isStopped) return
      onAsked(reading)
      const share = 1 + JITTER * (2 * runtime.random.fraction() - 1)
      // Whatever the peer does meanwhile, it is not asked sooner.
      await new Promise<void>((resolve) => {
        this.#cancelPause = runtime.timers.after(intervalMs * share, resolve)
      })
    }
  }

  async #ask(): Promise<ClockReading | undefined> {
    const { transport, peer, runtime } = this.#options
    try {
      this.#channel ??= this.#listen(await transport.connect(peer, 'clock'))
    } catch {
      // Away, or of a version that tells nobody its clock: it says nothing.
      return undefined
    }
    const channel = this.#channel
    if (this.#isStopped) {
      channel.close()
      return undefined
    }
    return new Promise((resolve) => {
      const cancel = runtime.timers.after(ANSWER_TIMEOUT_MS, () => channel.close())
      this.#answered = (reading) => {
        this.#answered = undefined
        cancel()
        resolve(reading)
      }
      this.#sentMs = runtime.clock.bootMs()
      channel.send(encodeClockAsk(++this.#asked))
    })
  }

  #listen(channel: Channel): Channel {
    channel.onMessage((bytes) => {
      const receivedMs = this.#options.runtime.clock.bootMs()
      try {
        const { id, wallMs } = decodeClockAnswer(bytes)
        if (id !== this.#asked) return
        this.#answered?.({ peerMs: wallMs, sentMs: this.#sentMs, receivedMs })
      } catch {
        channel.close()
      }
    })
    channel.onClose(() => {
      if (this.#channel === channel) this.#channel = undefined
      this.#answered?.(undefined)
    })
    return channel
  }
}
