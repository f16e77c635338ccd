/**
 * A WebSocket as a `MessageSocket`, the same for both ends: who serves and who connects. Ends the
 * connection when its peer is dead, which TCP alone notices after minutes or never.
 */
import type { RawData, WebSocket } from 'ws'
import type { MessageSocket } from '../../core/ports/http.ts'
import type { CancelTimer, Timers } from '../../core/ports/runtime.ts'

/** How often each side proves that it lives. */
const HEARTBEAT_INTERVAL_MS = 3000
/** Intervals without any sign of life after which the peer is dead: within 9 s. */
const MAX_SILENT_INTERVALS = 2
/** How long the peer may take to answer a close. */
const CLOSE_TIMEOUT_MS = 3000
/** RFC 6455, 5.5: a control frame carries 125 bytes, two of them the code. */
const MAX_REASON_BYTES = 123
const NORMAL_CLOSURE = 1000

/** How a socket is watched. */
export interface MessageSocketOptions {
  readonly timers: Timers
  /**
   * Bytes that the connection has received so far. Any are a sign of life: a long message may take
   * longer than a heartbeat, and a peer that does not read now still sends its own pings.
   */
  readonly receivedBytes: () => number
  readonly heartbeatIntervalMs?: number
}

/** Takes over an open WebSocket. */
export function toMessageSocket(socket: WebSocket, options: MessageSocketOptions): MessageSocket {
  return new WebSocketMessages(socket, options)
}

class WebSocketMessages implements MessageSocket {
  readonly #socket: WebSocket
  readonly #timers: Timers
  readonly #receivedBytes: () => number
  readonly #heartbeatIntervalMs: number
  #isPaused = false
  #isClosing = false
  #isClosed = false
  #silentIntervals = 0
  #lastReceivedBytes = 0
  #stopTimer: CancelTimer | undefined
  #early: (string | Uint8Array)[] = []
  #onMessage: ((message: string | Uint8Array) => void) | undefined
  #onClose: (() => void) | undefined

  constructor(socket: WebSocket, options: MessageSocketOptions) {
    this.#socket = socket
    this.#timers = options.timers
    this.#receivedBytes = options.receivedBytes
    this.#heartbeatIntervalMs = options.heartbeatIntervalMs ?? HEARTBEAT_INTERVAL_MS
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    // A close follows every error.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#end())
    this.#armHeartbeat()
  }

  send(message: string | Uint8Array): void {
    if (this.#isClosing || this.#isClosed) return
    this.#socket.send(message, { binary: typeof message !== 'string' }, () => undefined)
  }

  onMessage(listener: (message: string | Uint8Array) => void): void {
    this.#onMessage = listener
    for (const message of this.#early.splice(0)) listener(message)
  }

  onClose(listener: () => void): void {
    if (this.#isClosed) queueMicrotask(listener)
    else this.#onClose = listener
  }

  bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  pause(): void {
    if (this.#isClosing || this.#isClosed) return
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#silentIntervals = 0
    this.#socket.resume()
  }

  close(code = NORMAL_CLOSURE, reason = ''): void {
    if (this.#isClosing || this.#isClosed) return
    // The peer's answer to the close must be read.
    this.resume()
    this.#isClosing = true
    this.#early = []
    this.#stopTimer?.()
    this.#stopTimer = this.#timers.after(CLOSE_TIMEOUT_MS, () => this.#socket.terminate())
    this.#socket.close(code, clipped(reason))
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#isClosing) return
    const message = isBinary ? ownBytes(data) : textOf(data)
    if (this.#onMessage === undefined) this.#early.push(message)
    else this.#onMessage(message)
  }

  #armHeartbeat(): void {
    this.#stopTimer = this.#timers.after(this.#heartbeatIntervalMs, () => {
      // After this turn: signs that came while the process was busy are read first.
      this.#timers.defer(() => this.#beat())
    })
  }

  #beat(): void {
    if (this.#isClosing || this.#isClosed) return
    const receivedBytes = this.#receivedBytes()
    if (receivedBytes !== this.#lastReceivedBytes) this.#silentIntervals = 0
    this.#lastReceivedBytes = receivedBytes
    if (!this.#isPaused && this.#silentIntervals++ >= MAX_SILENT_INTERVALS) {
      this.#socket.terminate()
      return
    }
    this.#socket.ping(undefined, undefined, () => undefined)
    this.#armHeartbeat()
  }

  #end(): void {
    this.#isClosed = true
    this.#early = []
    this.#stopTimer?.()
    const listener = this.#onClose
    this.#onClose = undefined
    listener?.()
  }
}

/** A copy: what came shares its memory with its neighbours. */
function ownBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return new Uint8Array(Buffer.concat(data))
  return data instanceof ArrayBuffer ? new Uint8Array(data.slice(0)) : new Uint8Array(data)
}

function textOf(data: RawData): string {
  return Buffer.from(ownBytes(data)).toString('utf8')
}

/** As much of the text as a close may carry. */
function clipped(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES), { stream: true })
}
