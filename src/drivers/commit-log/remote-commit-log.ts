/**
 * Driver: a commit log that another node keeps, over one channel. What holds is written in
 * docs/spec/remote-log.md; the other side is commit-log-server.ts.
 */
import { asMeridianError, fromWireError, MeridianError } from '../../core/errors.ts'
import type { CommitLog, LogTail, LogTailHandlers } from '../../core/ports/commit-log.ts'
import type { MachineSupport } from '../../core/ports/machine-support.ts'
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import type { Channel } from '../../core/ports/transport.ts'
import {
  decodeFromLog,
  encodeLogMessage,
  MAX_GROUP_LENGTH,
  MAX_ID_LENGTH,
  MAX_PAYLOAD_BYTES,
  type FromLog,
  type LogRequest,
  type ToLog,
} from './remote-log-codec.ts'
import { LogLink } from './remote-log-link.ts'
import { RemoteTail } from './remote-log-tail.ts'

/** How the log is reached. */
export interface RemoteCommitLogOptions {
  /** Opens a channel to the log; called again whenever one broke. */
  readonly connect: () => Promise<Channel>
  readonly runtime: Runtime
  /** How long a call is repeated over new channels until it fails. Default 10,000. */
  readonly requestTimeoutMs?: number
}

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000
/** Calls and bytes of theirs under way; more wait here. Below what the server bears. */
const MAX_CALLS_UNDER_WAY = 512
const MAX_BYTES_UNDER_WAY = 32 * 1024 * 1024

/** A log that is elsewhere, and what its process knows of the regions. */
export interface RemoteLog extends CommitLog {
  readonly support: MachineSupport
}

/** Makes the log; nothing is connected before the first call. */
export function createRemoteCommitLog(options: RemoteCommitLogOptions): RemoteLog {
  return new RemoteCommitLog(options)
}

/** A request as it is before it has a number. */
type Unnumbered<T> = T extends unknown ? Omit<T, 'call'> : never

type Answer = Extract<FromLog, { kind: 'done' }>

/** A request that waits for its answer, whatever channels break meanwhile. */
interface Call {
  readonly request: LogRequest
  readonly message: Uint8Array
  /** Whether it is under way on the present channel. */
  isUnderWay: boolean
  /** Whether it was ever. */
  wasSent: boolean
  readonly stopTimer: CancelTimer
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: MeridianError) => void
}

class RemoteCommitLog implements RemoteLog {
  readonly #runtime: Runtime
  readonly #requestTimeoutMs: number
  readonly #link: LogLink
  /** In the order of their numbers, which is the order in which they are sent. */
  readonly #calls = new Map<number, Call>()
  readonly #tails = new Map<number, RemoteTail>()
  #lastNumber = 0
  #callsUnderWay = 0
  #bytesUnderWay = 0
  #isClosed = false

  constructor(options: RemoteCommitLogOptions) {
    this.#runtime = options.runtime
    this.#requestTimeoutMs = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS
    this.#link = new LogLink(options.connect, options.runtime, {
      isNeeded: () => this.#calls.size > 0 || this.#tails.size > 0,
      onOpen: () => this.#resume(),
      onMessage: (bytes) => this.#receive(bytes),
      onLost: () => this.#noteLost(),
    })
  }

  async append(group: string, id: string, payload: Uint8Array): Promise<number> {
    if (id.length > MAX_ID_LENGTH) throw tooLong('The id of an entry', MAX_ID_LENGTH)
    if (payload.length > MAX_PAYLOAD_BYTES) throw tooLarge(payload.length)
    return (await this.#call({ kind: 'append', group, id, payload })).index
  }

  async readIndex(group: string): Promise<number> {
    return (await this.#call({ kind: 'read-index', group })).index
  }

  /** With a read index: a log of before would close the channel for what it does not know. */
  readonly support: MachineSupport = {
    report: async (group, region, version) => {
      await this.#call({ kind: 'read-index', group, support: { region, version } })
    },
    reported: async (group) => {
      const { supported = {} } = await this.#call({ kind: 'read-index', group, support: null })
      return new Map(Object.entries(supported))
    },
  }

  async trim(group: string, beforeIndex: number): Promise<void> {
    await this.#call({ kind: 'trim', group, beforeIndex })
  }

  tail(group: string, fromIndex: number, handlers: LogTailHandlers): LogTail {
    this.#check(group)
    const number = ++this.#lastNumber
    const tail = new RemoteTail({
      tail: number,
      group,
      fromIndex,
      handlers,
      send: (message) => this.#send(message),
      onEnd: () => this.#tails.delete(number),
    })
    this.#tails.set(number, tail)
    if (this.#link.isOpen) tail.begin()
    else this.#link.need()
    return tail
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const [number, call] of this.#calls) this.#settle(number, () => call.reject(closedError()))
    await Promise.all(Array.from(this.#tails.values(), (tail) => tail.fail(closedError())))
    this.#link.close()
  }

  async #call(unnumbered: Unnumbered<LogRequest>): Promise<Answer> {
    this.#check(unnumbered.group)
    const number = ++this.#lastNumber
    const request: LogRequest = { ...unnumbered, call: number }
    return new Promise((resolve, reject) => {
      this.#calls.set(number, {
        request,
        message: encodeLogMessage(request),
        isUnderWay: false,
        wasSent: false,
        stopTimer: this.#runtime.timers.after(this.#requestTimeoutMs, () => this.#expire(number)),
        resolve,
        reject,
      })
      if (this.#link.isOpen) this.#sendCalls()
      else this.#link.need()
    })
  }

  #check(group: string): void {
    if (this.#isClosed) throw closedError()
    if (group.length > MAX_GROUP_LENGTH) throw tooLong('The name of a log group', MAX_GROUP_LENGTH)
  }

  #send(message: ToLog): void {
    if (this.#link.isOpen) this.#link.send(encodeLogMessage(message))
  }

  /** Sends what waits, as far as the window allows. */
  #sendCalls(): void {
    if (this.#callsUnderWay === this.#calls.size) return
    for (const call of this.#calls.values()) {
      if (call.isUnderWay) continue
      const hasRoom =
        this.#callsUnderWay < MAX_CALLS_UNDER_WAY &&
        this.#bytesUnderWay + call.message.length <= MAX_BYTES_UNDER_WAY
      if (!hasRoom) return
      call.isUnderWay = true
      call.wasSent = true
      this.#callsUnderWay++
      this.#bytesUnderWay += call.message.length
      this.#link.send(call.message)
    }
  }

  /** Over a new channel everything begins again: appends are idempotent, reads ask anew. */
  #resume(): void {
    for (const tail of this.#tails.values()) tail.begin()
    this.#sendCalls()
  }

  #noteLost(): void {
    for (const call of this.#calls.values()) call.isUnderWay = false
    this.#callsUnderWay = 0
    this.#bytesUnderWay = 0
  }

  #receive(bytes: Uint8Array): void {
    try {
      this.#handle(decodeFromLog(bytes))
    } catch (error) {
      this.#link.drop(error)
    }
  }

  #handle(message: FromLog): void {
    switch (message.kind) {
      case 'done': {
        const call = this.#calls.get(message.call)
        this.#settle(message.call, () => call?.resolve(message))
        break
      }
      case 'failed': {
        const call = this.#calls.get(message.call)
        this.#settle(message.call, () => call?.reject(fromWireError(message.error)))
        break
      }
      case 'entries':
        this.#tails.get(message.tail)?.receive(message.firstIndex, message.entries)
        break
      case 'tail-failed':
        this.#tails.get(message.tail)?.failAfterAll(fromWireError(message.error))
        break
      case 'refused':
        throw fromWireError(message.error)
    }
    this.#link.noteUse()
  }

  #settle(number: number, outcome: () => void): void {
    const call = this.#calls.get(number)
    if (call === undefined) return
    this.#calls.delete(number)
    call.stopTimer()
    if (call.isUnderWay) {
      this.#callsUnderWay--
      this.#bytesUnderWay -= call.message.length
    }
    outcome()
    this.#sendCalls()
  }

  #expire(number: number): void {
    const call = this.#calls.get(number)
    if (call === undefined) return
    const mayHaveHappened = call.wasSent && call.request.kind === 'append'
    const error = new MeridianError('LOG_UNAVAILABLE', 'The commit log has not answered in time.', {
      fix: 'Repeat with the same id once the link to the log is whole.',
      retry: mayHaveHappened ? 'unknown-outcome' : 'safe',
      details: { group: call.request.group, timeoutMs: this.#requestTimeoutMs },
      ...(this.#link.lastFailure === undefined
        ? {}
        : { cause: asMeridianError(this.#link.lastFailure) }),
    })
    this.#settle(number, () => call.reject(error))
  }
}

function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The commit log is closed.')
}

function tooLong(what: string, maxLength: number): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', `${what} has more than ${maxLength} characters.`, {
    fix: 'Use a shorter one.',
  })
}

function tooLarge(payloadBytes: number): MeridianError {
  return new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The entry has ${payloadBytes} bytes; ${MAX_PAYLOAD_BYTES} are allowed.`,
    { fix: 'Split it into smaller transactions.' },
  )
}
