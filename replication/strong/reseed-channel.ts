/** The asking side of a snapshot channel: messages one after another, each within a bounded time. */
import { fromWireError, MeridianError } from '../../src/core/errors.ts'
import type { Timers } from '../../src/core/ports/runtime.ts'
import type { Channel } from '../../src/core/ports/transport.ts'
import {
  decodePeerMessage,
  encodeAskMessage,
  type AskMessage,
  type PeerMessage,
} from './snapshot-messages.ts'

/** A message, and what it took of the credit. */
export interface Received {
  readonly message: Exclude<PeerMessage, { kind: 'refuse' }>
  readonly bytes: number
}

/** Takes the channel over; do it in the turn in which it was opened. */
export class ReseedChannel {
  readonly #channel: Channel
  readonly #timers: Timers
  readonly #silenceTimeoutMs: number
  readonly #waiting: Uint8Array[] = []
  #isClosed = false
  #wake: (() => void) | undefined

  constructor(channel: Channel, timers: Timers, silenceTimeoutMs: number) {
    this.#channel = channel
    this.#timers = timers
    this.#silenceTimeoutMs = silenceTimeoutMs
    channel.onMessage((message) => {
      this.#waiting.push(message)
      this.#wake?.()
    })
    channel.onClose(() => {
      this.#isClosed = true
      this.#wake?.()
    })
  }

  send(message: AskMessage): void {
    this.#channel.send(encodeAskMessage(message))
  }

  /** @throws MeridianError what the peer refuses with, `REGION_UNREACHABLE` when it is gone or silent */
  async next(): Promise<Received> {
    if (this.#waiting.length === 0 && !this.#isClosed) await this.#arrival()
    const bytes = this.#waiting.shift()
    if (bytes === undefined) {
      throw new MeridianError('REGION_UNREACHABLE', 'The peer has ended the snapshot.')
    }
    const message = decodePeerMessage(bytes)
    if (message.kind === 'refuse') throw fromWireError(message.error)
    return { message, bytes: bytes.length }
  }

  close(): void {
    this.#channel.close()
    this.#isClosed = true
    this.#wake?.()
  }

  #arrival(): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#timers.after(this.#silenceTimeoutMs, () => {
        this.#wake = undefined
        reject(new MeridianError('REGION_UNREACHABLE', 'The peer has sent nothing for too long.'))
      })
      this.#wake = () => {
        this.#wake = undefined
        cancel()
        resolve()
      }
    })
  }
}
