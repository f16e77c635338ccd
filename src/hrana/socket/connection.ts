/**
 * One WebSocket: hello, then requests, each answered. What is no message closes the socket with a
 * code; what is one but cannot be done is answered with an error.
 *
 * A client that sends faster than it is served is read no further (`pause`), and one that does not
 * read its answers gets no more of them computed.
 */
import { isErrorCode } from '../../core/errors.ts'
import type { MessageSocket } from '../../core/ports/http.ts'
import type { CancelTimer } from '../../core/ports/runtime.ts'
import type { Caller } from '../../core/principal.ts'
import { HranaError, isUnexpected, toWireError } from '../errors.ts'
import type { ExecuteContext } from '../execute.ts'
import type { ClientMessage, HranaCodec, HranaVersion, ServerMessage } from '../model.ts'
import { callerKey, type StreamPool } from '../sql-stream.ts'
import {
  GOING_AWAY,
  INTERNAL_ERROR,
  INVALID_DATA,
  POLICY_VIOLATION,
  PROTOCOL_ERROR,
  UNSUPPORTED_DATA,
} from './close-codes.ts'
import { SocketSession } from './socket-session.ts'

/** How often a socket that is full is looked at again. */
const ROOM_POLL_MS = 10
/** How many times as much as may wait to be sent ends the socket at once. */
const MAX_UNSENT_SHARES = 8

export type Authenticate = (jwt: string | null) => Promise<Caller>

/** How a subprotocol is spoken. */
export interface Subprotocol {
  readonly codec: HranaCodec
  readonly version: HranaVersion
  readonly frames: 'text' | 'binary'
}

export interface ConnectionOptions {
  readonly socket: MessageSocket
  readonly subprotocol: Subprotocol
  readonly authenticate: Authenticate
  readonly pool: StreamPool
  readonly context: ExecuteContext
  /** Called once, when nothing of the connection is left. */
  readonly onClosed: () => void
}

type Message = string | Uint8Array

export class Connection {
  readonly #options: ConnectionOptions
  #session: SocketSession | undefined
  /** `callerKey` of whoever said hello. */
  #identity: string | undefined
  #jwt: string | null = null
  /** Messages that wait, for a hello to be verified or answers to be read; else `undefined`. */
  #held: Message[] | undefined
  #requests = 0
  #requestBytes = 0
  #paused = false
  #cancelTimer: CancelTimer
  #closed: Promise<void> | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { socket, context } = options
    this.#cancelTimer = context.runtime.timers.after(context.limits.helloTimeoutMs, () => {
      void this.close(POLICY_VIOLATION, 'No hello came in time.')
    })
    socket.onMessage((message) => this.#receive(message))
    socket.onClose(() => {
      void this.close()
    })
  }

  /** Closes the socket and, after its running calls, all it has open. */
  close(code: number = GOING_AWAY, reason: string = 'The server is closing.'): Promise<void> {
    this.#closed ??= this.#close(code, reason)
    return this.#closed
  }

  async #close(code: number, reason: string): Promise<void> {
    this.#cancelTimer()
    this.#held = undefined
    this.#options.socket.close(code, reason)
    await this.#session?.close()
    this.#options.onClosed()
  }

  #receive(message: Message): void {
    if (this.#closed !== undefined) return
    if (this.#held !== undefined) {
      this.#held.push(message)
      return
    }
    if (!this.#hasRoom()) {
      this.#hold(message)
      void this.#room().then(() => this.#release())
      return
    }
    const { codec, frames } = this.#options.subprotocol
    if ((typeof message === 'string') !== (frames === 'text')) {
      void this.close(UNSUPPORTED_DATA, `Messages of this protocol are ${frames} frames.`)
      return
    }
    let decoded: ClientMessage
    try {
      decoded = codec.decodeClientMessage(message)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (decoded.type === 'hello') void this.#hello(decoded.jwt)
    else this.#request(decoded.requestId, decoded.request, message.length)
  }

  /** Only a decoder's refusal is the client's doing. */
  #fail(error: unknown): void {
    if (error instanceof HranaError) {
      void this.close(INVALID_DATA, error.message)
      return
    }
    this.#options.context.onError(error)
    void this.close(INTERNAL_ERROR, toWireError(error).message)
  }

  async #hello(jwt: string | null): Promise<void> {
    this.#hold()
    try {
      const caller = await this.#options.authenticate(jwt)
      if (this.#closed !== undefined) return
      this.#accept(caller)
      this.#jwt = jwt
      this.#scheduleReauthentication()
      this.#send({ type: 'hello_ok' })
    } catch (error) {
      this.#refuse(error)
      return
    }
    this.#release()
  }

  #hold(...messages: Message[]): void {
    this.#held = messages
    this.#adjustFlow()
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    this.#adjustFlow()
    // Any of them, a hello for one, may hold back those that follow it.
    for (const message of held) this.#receive(message)
  }

  #accept(caller: Caller): void {
    const identity = callerKey(caller)
    if (this.#identity !== undefined && this.#identity !== identity) {
      throw new HranaError(
        'IDENTITY_CHANGED',
        'A later hello may renew the token, not change who speaks or what that allows.',
      )
    }
    this.#identity = identity
    const { pool, context, subprotocol } = this.#options
    this.#session ??= new SocketSession({
      pool,
      context,
      caller,
      version: subprotocol.version,
      room: () => this.#room(),
    })
  }

  #refuse(error: unknown): void {
    if (this.#closed !== undefined) return
    if (isUnexpected(error)) this.#options.context.onError(error)
    this.#send({ type: 'hello_error', error: toWireError(error) })
    void this.close(POLICY_VIOLATION, 'Authentication failed.')
  }

  #scheduleReauthentication(): void {
    const { runtime, limits } = this.#options.context
    this.#cancelTimer()
    this.#cancelTimer = runtime.timers.after(limits.reauthenticateMs, () => {
      void this.#reauthenticate()
    })
  }

  /** A token that expires while its socket is open ends it. */
  async #reauthenticate(): Promise<void> {
    const jwt = this.#jwt
    let refusal: unknown
    try {
      this.#accept(await this.#options.authenticate(jwt))
    } catch (error) {
      // Who cannot say whether a token is good has not said that it is bad.
      if (isRefusal(error)) refusal = error
    }
    // A later hello may have brought another token by now.
    if (this.#closed !== undefined || this.#jwt !== jwt) return
    if (refusal === undefined) this.#scheduleReauthentication()
    else this.#refuse(refusal)
  }

  #request(
    requestId: number,
    request: Extract<ClientMessage, { type: 'request' }>['request'],
    bytes: number,
  ): void {
    if (this.#session === undefined) {
      void this.close(PROTOCOL_ERROR, 'The first message must be a hello.')
      return
    }
    this.#requests++
    this.#requestBytes += bytes
    this.#adjustFlow()
    this.#session
      .handle(request)
      .then(
        (response) => this.#send({ type: 'response_ok', requestId, response }),
        (error: unknown) => {
          if (isUnexpected(error)) this.#options.context.onError(error)
          this.#send({ type: 'response_error', requestId, error: toWireError(error) })
        },
      )
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#requests--
        this.#requestBytes -= bytes
        this.#adjustFlow()
      })
      // Nothing above throws; were it to, one socket's trouble must not end the process.
      .catch(() => undefined)
  }

  #send(message: ServerMessage): void {
    if (this.#closed !== undefined) return
    const { socket, subprotocol, context } = this.#options
    socket.send(subprotocol.codec.encodeServerMessage(message))
    // Every stream may have had an answer under way when the client stopped to read.
    if (socket.bufferedBytes() <= MAX_UNSENT_SHARES * context.limits.maxSocketUnsentBytes) return
    void this.close(POLICY_VIOLATION, 'Answers were not read.')
  }

  #adjustFlow(): void {
    if (this.#closed !== undefined) return
    const { limits } = this.#options.context
    const full =
      this.#held !== undefined ||
      this.#requests >= limits.maxSocketRequests ||
      this.#requestBytes >= limits.maxSocketRequestBytes
    if (full === this.#paused) return
    this.#paused = full
    if (full) this.#options.socket.pause()
    else this.#options.socket.resume()
  }

  #hasRoom(): boolean {
    const { socket, context } = this.#options
    return socket.bufferedBytes() <= context.limits.maxSocketUnsentBytes
  }

  /** Waits until the client has read enough; one that reads nothing for long is given up. */
  async #room(): Promise<void> {
    const { socket, context } = this.#options
    const { clock, timers } = context.runtime
    let lowest = Infinity
    let sinceMs = clock.monotonicMs()
    for (;;) {
      const unsent = socket.bufferedBytes()
      if (this.#closed !== undefined || this.#hasRoom()) return
      const nowMs = clock.monotonicMs()
      if (unsent < lowest) sinceMs = nowMs
      lowest = Math.min(lowest, unsent)
      if (nowMs - sinceMs >= context.limits.unreadTimeoutMs) {
        void this.close(POLICY_VIOLATION, 'Answers were not read.')
        return
      }
      await new Promise<void>((resolve) => {
        timers.after(ROOM_POLL_MS, resolve)
      })
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof HranaError || isErrorCode(error, 'UNAUTHENTICATED', 'PERMISSION_DENIED')
}
