/**
 * The calling side of the protocol: headers, deadlines, cancellation, retries. A retry repeats the
 * same bytes, so a write keeps its idempotency key.
 */
import { fromWireError, isErrorCode, MeridianError } from '../core/errors.ts'
import { DEFAULT_DEADLINE_MS } from '../core/limits.ts'
import type { Principal } from '../core/principal.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Transport } from '../core/ports/transport.ts'
import { decodeResponse, encodeRequest } from '../protocol/codec.ts'
import {
  PROTOCOL_VERSION,
  type BodyOf,
  type FailedReceipt,
  type RequestHeader,
  type ResponseValues,
  type WireReceipt,
} from '../protocol/messages.ts'
import type { Session } from '../session/session.ts'

const FIRST_RETRY_MS = 5
const LAST_RETRY_MS = 500

/** What bounds a call: its deadline on the monotonic clock, its signal, its session. */
export interface CallContext {
  /** What the caller called, for errors. */
  readonly name: string
  readonly deadlineAtMs: number
  readonly signal: AbortSignal | undefined
  readonly session: Session
  /** Set while a write of the call is under way, or was and never got its answer. */
  mayHaveWritten: boolean
  /** What the latest attempt failed with, where it was worth another. */
  lastFailure: MeridianError | undefined
}

/** What a caller may say of a call. */
export interface CallBounds {
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
}

/** An answer with its receipt. */
export interface Answer<K extends keyof ResponseValues> {
  readonly value: ResponseValues[K]
  readonly receipt: WireReceipt
}

/** What a connection needs. */
export interface ConnectionOptions {
  readonly region: string
  readonly transport: Transport
  readonly runtime: Runtime
  readonly schemaVersion: number
  readonly principal: Principal | null
  /** Deadline of calls that name none. Default `DEFAULT_DEADLINE_MS`. */
  readonly deadlineMs?: number
}

/** Speaks with the nodes of all regions, from one region. */
export class Connection {
  readonly region: string
  readonly runtime: Runtime
  readonly #options: ConnectionOptions
  /** How each call in flight ends when the client closes. */
  readonly #inFlight = new Set<() => void>()
  #closed = false

  constructor(options: ConnectionOptions) {
    this.region = options.region
    this.runtime = options.runtime
    this.#options = options
  }

  /** Begins a call. @throws MeridianError `INVALID_ARGUMENT` for a deadline that is not > 0 */
  begin(name: string, session: Session, bounds: CallBounds | undefined): CallContext {
    const deadlineMs = bounds?.deadlineMs ?? this.#options.deadlineMs ?? DEFAULT_DEADLINE_MS
    if (!Number.isFinite(deadlineMs) || deadlineMs <= 0) {
      throw new MeridianError('INVALID_ARGUMENT', 'The option `deadlineMs` is not a time.', {
        fix: 'Give `deadlineMs` as a finite number of milliseconds above 0.',
      })
    }
    const deadlineAtMs = this.runtime.clock.monotonicMs() + deadlineMs
    return {
      name,
      deadlineAtMs,
      signal: bounds?.signal,
      session,
      mayHaveWritten: false,
      lastFailure: undefined,
    }
  }

  /** The same call with less time. */
  within(call: CallContext, timeoutMs: number): CallContext {
    return { ...call, deadlineAtMs: this.runtime.clock.monotonicMs() + timeoutMs }
  }

  /** What is left of a call's time, in ms. */
  timeLeftMs(call: CallContext): number {
    return call.deadlineAtMs - this.runtime.clock.monotonicMs()
  }

  /**
   * Resolves as `work` does, unless the call's time is over first, its signal aborts or the client
   * closes. Then nothing more is sent for the call; what is under way is left to itself.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED`, `CANCELLED`, `CLOSED`
   */
  async bound<T>(call: CallContext, work: () => Promise<T>): Promise<T> {
    this.#requireTime(call)
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancelTimer()
        call.signal?.removeEventListener('abort', onAbort)
        this.#inFlight.delete(onClose)
      }
      const fail = (error: unknown): void => {
        end()
        reject(error)
      }
      const onClose = (): void => fail(closed(call))
      const onAbort = (): void => fail(cancelled(call))
      const leftMs = this.timeLeftMs(call)
      const cancelTimer = this.runtime.timers.after(leftMs, () => fail(tooLate(call)))
      call.signal?.addEventListener('abort', onAbort)
      this.#inFlight.add(onClose)
      work().then((value) => {
        end()
        resolve(value)
      }, fail)
    })
  }

  /** One request, one answer, no retry. For calls that `bound` ends in time. */
  async send<K extends keyof ResponseValues>(
    region: string,
    body: BodyOf<K>,
    call: CallContext,
  ): Promise<Answer<K>> {
    this.#requireTime(call)
    const message = encodeRequest({ header: this.#header(call), body })
    const wroteBefore = call.mayHaveWritten
    if (isWrite(body.kind)) call.mayHaveWritten = true
    try {
      const bytes = await this.#options.transport.request(region, message, call.signal)
      const response = decodeResponse(bytes)
      if (!response.ok) {
        const error = fromWireError(response.error)
        if (response.receipt !== null)
          error.receipt = this.#countRoundTrip(response.receipt, region)
        throw error
      }
      call.session.merge(response.session)
      call.mayHaveWritten = wroteBefore
      const receipt = this.#countRoundTrip(response.receipt, region)
      return { value: response.value as ResponseValues[K], receipt }
    } catch (error) {
      // Refused, or never sent: this attempt at least did nothing.
      if (error instanceof MeridianError && error.retry !== 'unknown-outcome') {
        call.mayHaveWritten = wroteBefore
      }
      throw error
    }
  }

  /**
   * Runs `attempt` until it succeeds, fails with an error that repeating cannot cure, or the time
   * is over. `retryable` says which errors are worth another attempt.
   */
  async retry<T>(
    call: CallContext,
    retryable: (error: MeridianError) => boolean,
    attempt: () => Promise<T>,
  ): Promise<T> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(2 * delayMs, LAST_RETRY_MS)) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof MeridianError) || !retryable(error)) throw error
        call.lastFailure = error
        // Full jitter: clients that failed together do not come back together.
        const pauseMs = delayMs * this.runtime.random.fraction()
        const isOver = call.signal?.aborted === true || this.#closed
        if (isOver || this.timeLeftMs(call) <= pauseMs) throw lastFailure(call, error)
        await this.pause(pauseMs)
      }
    }
  }

  /** Resolves after `delayMs`. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.runtime.timers.after(delayMs, resolve)
    })
  }

  /** Ends calls in flight and refuses later ones, with `CLOSED`. */
  close(): void {
    this.#closed = true
    for (const end of this.#inFlight) end()
  }

  #header(call: CallContext): RequestHeader {
    return {
      version: PROTOCOL_VERSION,
      schemaVersion: this.#options.schemaVersion,
      principal: this.#options.principal,
      clientRegion: this.region,
      timeoutMs: this.timeLeftMs(call),
      session: call.session.state(),
      trace: null,
      forwarded: false,
    }
  }

  #countRoundTrip<R extends FailedReceipt>(receipt: R, region: string): R {
    if (region === this.region) return receipt
    return { ...receipt, crossRegionRoundTrips: receipt.crossRegionRoundTrips + 1 }
  }

  #requireTime(call: CallContext): void {
    if (this.#closed) throw closed(call)
    if (call.signal?.aborted === true) throw cancelled(call)
    if (this.timeLeftMs(call) <= 0) throw tooLate(call)
  }
}

/** Errors after which the same read may be sent again. */
export function isTransient(error: MeridianError): boolean {
  return isErrorCode(error, 'REGION_UNREACHABLE', 'OVERLOADED', 'LOG_UNAVAILABLE')
}

/** Errors after which the same write, under the same idempotency key, is sent again. */
export function isTransientWrite(error: MeridianError): boolean {
  return isTransient(error) || (error.retry === 'unknown-outcome' && error.code !== 'INTERNAL')
}

function isWrite(kind: string): boolean {
  return kind === 'commit' || kind === 'createTenant' || kind === 'createKeys'
}

/** An attempt that did nothing says nothing of the one before it, whose answer was lost. */
function lastFailure(call: CallContext, error: MeridianError): MeridianError {
  if (!call.mayHaveWritten || error.retry === 'unknown-outcome') return error
  const { code, details, receipt } = error
  const last = new MeridianError(code, 'An earlier attempt of the write got no answer.', {
    retry: 'unknown-outcome',
    fix: 'Repeat it with the same idempotency key: it has one effect at most.',
    details,
    cause: error,
  })
  last.receipt = receipt
  return last
}

function tooLate(call: CallContext): MeridianError {
  return new MeridianError('DEADLINE_EXCEEDED', `The deadline passed during \`${call.name}\`.`, {
    // A write that was sent may have happened: only the same idempotency key may repeat it.
    retry: call.mayHaveWritten ? 'unknown-outcome' : 'safe',
    fix: call.mayHaveWritten
      ? 'It may have happened: repeat it with the same idempotency key.'
      : 'Give the call more time with `deadlineMs`.',
    cause: call.lastFailure,
  })
}

function cancelled(call: CallContext): MeridianError {
  return new MeridianError('CANCELLED', `\`${call.name}\` was cancelled by its signal.`, {
    retry: call.mayHaveWritten ? 'unknown-outcome' : 'never',
    cause: call.signal?.reason,
  })
}

function closed(call: CallContext): MeridianError {
  return new MeridianError('CLOSED', `The client was closed before \`${call.name}\` ended.`, {
    retry: call.mayHaveWritten ? 'unknown-outcome' : 'never',
    fix: 'Connect again.',
  })
}
