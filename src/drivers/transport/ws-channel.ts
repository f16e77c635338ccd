/** A channel between two regions over a WebSocket: binary frames are its messages. */
import type { MessageSocket } from '../../core/ports/http.ts'
import type { Channel } from '../../core/ports/transport.ts'

/** The longest message: a full transaction with room for what surrounds it. */
export const MAX_CHANNEL_MESSAGE_BYTES: number = 64 * 1024 * 1024
/** A peer that lets so much wait does not read: the channel closes before memory is full. */
const MAX_BUFFERED_BYTES = 256 * 1024 * 1024
const UNSUPPORTED_DATA = 1003
const TRY_AGAIN_LATER = 1013

/** Messages that come before a listener is set wait for it. */
export class WsChannel implements Channel {
  readonly #socket: MessageSocket
  readonly #onEnd: (channel: WsChannel) => void
  #isClosed = false
  #early: Uint8Array[] = []
  #onMessage: ((message: Uint8Array) => void) | undefined
  #onClose: (() => void) | undefined

  /** `onEnd`: the network's own listener; runs at once when this side ends. */
  constructor(socket: MessageSocket, onEnd: (channel: WsChannel) => void) {
    this.#socket = socket
    this.#onEnd = onEnd
    socket.onMessage((message) => this.#receive(message))
    socket.onClose(() => this.#end())
  }

  send(message: Uint8Array): void {
    if (this.#isClosed) return
    this.#socket.send(message)
    if (this.#socket.bufferedBytes() > MAX_BUFFERED_BYTES) this.#close(TRY_AGAIN_LATER)
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
    this.#close()
  }

  #close(code?: number): void {
    if (this.#isClosed) return
    this.#socket.close(code)
    this.#end()
  }

  #receive(message: string | Uint8Array): void {
    if (this.#isClosed) return
    if (typeof message === 'string') this.#close(UNSUPPORTED_DATA)
    else if (this.#onMessage === undefined) this.#early.push(message)
    else this.#onMessage(message)
  }

  #end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#early = []
    this.#onEnd(this)
    const listener = this.#onClose
    if (listener !== undefined) queueMicrotask(listener)
  }
}
