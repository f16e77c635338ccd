/** The two ends of a channel between regions of one process. */
import type { Channel } from '../../core/ports/transport.ts'
import type { DelayedPipe } from './delayed-pipe.ts'

/** One end. Messages that come before a listener is set wait for it. */
export class ChannelEnd implements Channel {
  readonly #outgoing: DelayedPipe
  readonly #onBytes: (bytes: number) => void
  #peer: ChannelEnd | undefined
  #isClosed = false
  #onMessage: ((message: Uint8Array) => void) | undefined
  #onClose: (() => void) | undefined
  #onEnd: (() => void) | undefined
  #early: Uint8Array[] = []

  /** `onBytes` is told of every message that leaves. */
  constructor(outgoing: DelayedPipe, onBytes: (bytes: number) => void = () => undefined) {
    this.#outgoing = outgoing
    this.#onBytes = onBytes
  }

  join(peer: ChannelEnd): void {
    this.#peer = peer
  }

  /** The network's own listener; runs at once when this side ends. */
  onEnd(listener: () => void): void {
    this.#onEnd = listener
  }

  send(message: Uint8Array): void {
    if (this.#isClosed) return
    const peer = this.#peer
    this.#onBytes(message.length)
    this.#outgoing.send(() => {
      if (peer !== undefined) peer.#receive(message)
    })
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
    for (const message of this.#early.splice(0)) listener(message)
  }

  onClose(listener: () => void): void {
    if (this.#isClosed) queueMicrotask(listener)
    else this.#onClose = listener
  }

  /** The peer learns of it after all that was sent before. */
  close(): void {
    if (this.#isClosed) return
    const peer = this.#peer
    this.#outgoing.send(() => peer?.end())
    this.end()
  }

  /** Ends this side at once; what is under way from here still arrives. */
  end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#early = []
    this.#onEnd?.()
    const listener = this.#onClose
    if (listener !== undefined) queueMicrotask(listener)
  }

  #receive(message: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#onMessage === undefined) this.#early.push(message)
    else this.#onMessage(message)
  }
}
