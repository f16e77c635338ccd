/**
 * The calling side of the protocol: headers, deadlines, cancellation, retries. A retry repeats the
 * same bytes, so a write keeps its idempotency key.
 */
import {
  fromWireError,
  isErrorCode,
  MeridianError,
  toWireError,
  type ErrorCode,
} from '../core/errors.ts'
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
  type Response,
  type ResponseValues,
  type WireReceipt,
} from '../protocol/messages.ts'
import type { Session } from '../session/session.ts'
import { CallEnd } from './call-end.ts'
import { firstAnswer, type HedgeOptions } from './hedge.ts'
import { traced, type Tracer } from './tracing.ts'

const FIRST_RETRY_MS = 5
const LAST_RETRY_MS = 500
/**
 * What a write itself was judged with, under its key: it holds for its earlier attempts too. Any
 * other refusal, as of a token that ran out meanwhile, says nothing of an attempt that was lost.
 */
const DECISIONS: readonly ErrorCode[] = [
  'INVALID_ARGUMENT',
  'INVALID_VALUE',
  'UNKNOWN_TABLE',
  'UNKNOWN_COLUMN',
  'TENANT_REQUIRED',
  'TENANT_EXISTS',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'CONSTRAINT_VIOLATED',
  'CONDITION_FAILED',
  'CONFLICT',
  'MODE_MISMATCH',
  'TRANSACTION_TOO_LARGE',
  'IDEMPOTENCY_REUSED',
]

/** What bounds a call: its deadline on the monotonic clock, its signal, its session. */
export interface CallContext {
  /** What the caller called, for errors. */
  readonly name: string
  readonly deadlineAtMs: number
  readonly signal: AbortSignal | undefined
  readonly session: Session
  /** Aborted when the call fails: nobody waits any more for what is under way for it. */
  readonly end: CallEnd
  /** The call's trace context (`traceparent`). */
  trace: string | null
  /** Requests that were sent for it; shared with its parts. */
  readonly sent: { requests: number }
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
  readonly receipt: WireReceipt & { readonly requests: number }
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
  /** Sends reads that are slow to be answered a second time. Default: off. */
  readonly hedge?: HedgeOptions | undefined
  /** Makes a span of each call. Default: none. */
  readonly tracer?: Tracer | undefined
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
      end: new CallEnd(),
      trace: null,
      sent: { requests: 0 },
      mayHaveWritten: false,
      lastFailure: undefined,
    }
  }

  /** A part of a call that may take less time; it fails with the call. */
  within(call: CallContext, timeoutMs: number): CallContext {
    return {
      ...call,
      end: call.end.part(),
      deadlineAtMs: this.runtime.clock.monotonicMs() + timeoutMs,
    }
  }

  /** What is left of a call's time, in ms. */
  timeLeftMs(call: CallContext): number {
    return call.deadlineAtMs - this.runtime.clock.monotonicMs()
  }

  /**
   * Resolves as `work` does, unless the call's time is over first, its signal aborts or the client
   * closes. Then nothing more is sent for the call, and what is under way is aborted.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED`, `CANCELLED`, `CLOSED`
   */
  async bound<T>(call: CallContext, work: () => Promise<T>): Promise<T> {
    const { tracer } = this.#options
    if (tracer === undefined || call.trace !== null) return this.#bounded(call, work)
    return traced(tracer, this.region, call, () => this.#bounded(call, work))
  }

  async #bounded<T>(call: CallContext, work: () => Promise<T>): Promise<T> {
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
        call.end.fail(error)
      }
      const onClose = (): void => fail(closed(call))
      const onAbort = (): void => fail(cancelled(call))
      const leftMs = this.timeLeftMs(call)
      const cancelTimer = this.runtime.timers.after(leftMs, () => fail(tooLate(call)))
      call.signal?.addEventListener('abort', onAbort)
      this.#inFlight.add(onClose)
      work().then(
        (value) => {
          end()
          resolve(value)
        },
        (error: unknown) => fail(lastFailure(call, error)),
      )
    })
  }

  /** One request, one answer, no retry. For calls that `bound` ends in time. */
  async send<K extends keyof ResponseValues>(
    region: string,
    body: BodyOf<K>,
    call: CallContext,
  ): Promise<Answer<K>> {
    this.#requireTime(call)
    call.sent.requests += 1
    const message = encodeRequest({ header: this.#header(call), body })
    if (!isWrite(body.kind)) {
      try {
        return this.#accept(await this.#read(region, message, call), region, call)
      } catch (error) {
        throw readFailure(error)
      }
    }
    const wroteBefore = call.mayHaveWritten
    call.mayHaveWritten = true
    try {
      const { transport } = this.#options
      const bytes = await transport.request(region, message, signalFor(transport, call))
      const answer = this.#accept<K>(decodeOutcome(bytes), region, call)
      call.mayHaveWritten = false
      return answer
    } catch (error) {
      if (isErrorCode(error, ...DECISIONS)) call.mayHaveWritten = false
      // Refused, or never sent: this attempt at least did nothing.
      else if (error instanceof MeridianError && error.retry !== 'unknown-outcome') {
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
        // Of several that came too late, the first had the time to learn why.
        const isLate = isErrorCode(error, 'DEADLINE_EXCEEDED')
        const before = call.lastFailure
        const failure = isLate && before?.code === 'DEADLINE_EXCEEDED' ? before : error
        call.lastFailure = failure
        // Full jitter: clients that failed together do not come back together.
        const pauseMs = delayMs * this.runtime.random.fraction()
        const isOver = call.signal?.aborted === true || this.#closed
        if (isOver || this.timeLeftMs(call) <= pauseMs) throw lastFailure(call, failure)
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
      trace: call.trace,
      forwarded: false,
    }
  }

  async #read(region: string, message: Uint8Array, call: CallContext): Promise<Response> {
    const { transport, hedge, runtime } = this.#options
    const ask = (until: AbortSignal | undefined): Promise<Uint8Array> =>
      transport.request(region, message, until)
    const bytes =
      hedge === undefined
        ? ask(signalFor(transport, call))
        : firstAnswer(ask, hedge.afterMs, runtime.timers, call.end.signal)
    return decodeResponse(await bytes)
  }

  /** Takes what the call has now seen. @throws MeridianError what the node refused it with */
  #accept<K extends keyof ResponseValues>(
    response: Response,
    region: string,
    call: CallContext,
  ): Answer<K> {
    if (!response.ok) {
      const error = fromWireError(response.error)
      if (response.receipt !== null) error.receipt = this.#countRoundTrip(response.receipt, region)
      throw error
    }
    call.session.merge(response.session)
    const { requests } = call.sent
    const receipt = { ...this.#countRoundTrip(response.receipt, region), requests }
    return { value: response.value as ResponseValues[K], receipt }
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

/** Where a request cannot be called back, nobody needs its signal. */
function signalFor(transport: Transport, call: CallContext): AbortSignal | undefined {
  return transport.canAbort === false ? undefined : call.end.signal
}

/** Errors after which the same read may be sent again. */
export function isTransient(error: MeridianError): boolean {
  return (
    error.retry === 'safe' &&
    isErrorCode(error, 'REGION_UNREACHABLE', 'OVERLOADED', 'LOG_UNAVAILABLE')
  )
}

/** Errors after which the same write, under the same idempotency key, is sent again. */
export function isTransientWrite(error: MeridianError): boolean {
  return isTransient(error) || (error.retry === 'unknown-outcome' && error.code !== 'INTERNAL')
}

/** A read has no outcome to be unknown: what its code says of repeating it holds. */
function readFailure(error: unknown): unknown {
  if (!(error instanceof MeridianError) || error.retry !== 'unknown-outcome') return error
  const { retry: _, code, message, ...options } = toWireError(error)
  const failure = new MeridianError(code, message, { ...options, cause: error })
  failure.receipt = error.receipt
  return failure
}

/** The answer to a write. One that cannot be read leaves open what became of the write. */
function decodeOutcome(bytes: Uint8Array): Response {
  try {
    return decodeResponse(bytes)
  } catch (error) {
    throw new MeridianError('PROTOCOL_MALFORMED', 'The answer to the write cannot be read.', {
      retry: 'unknown-outcome',
      fix: 'Repeat it with the same idempotency key; bring client and nodes to the same version.',
      cause: error,
    })
  }
}

function isWrite(kind: string): boolean {
  return kind === 'commit' || kind === 'createTenant' || kind === 'createKeys'
}

/** An attempt that did nothing says nothing of the one before it, whose answer was lost. */
function lastFailure(call: CallContext, error: unknown): unknown {
  if (!(error instanceof MeridianError) || !call.mayHaveWritten) return error
  if (error.retry === 'unknown-outcome') return error
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
