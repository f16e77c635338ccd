/**
 * The calling side of the protocol: headers, deadlines, cancellation, retries. A retry repeats the
 * same bytes, so a write keeps its idempotency key.
 */
import { fromWireError, isErrorCode, MeridianError } from '../core/errors.ts'
import { DEFAULT_DEADLINE_MS } from '../core/limits.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Transport } from '../core/ports/transport.ts'
import { decodeResponse, encodeRequest } from '../protocol/codec.ts'
import {
  PROTOCOL_VERSION,
  type BodyOf,
  type Principal,
  type ResponseValues,
  type WireReceipt,
} from '../protocol/messages.ts'
import type { Session } from '../session/session.ts'

const FIRST_RETRY_MS = 5
const LAST_RETRY_MS = 500

/** What bounds a call: its deadline on the monotonic clock, its signal, its session. */
export interface CallContext {
  readonly deadlineAtMs: number
  readonly signal: AbortSignal | undefined
  readonly session: Session
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
}

/** Speaks with the nodes of all regions, from one region. */
export class Connection {
  readonly region: string
  readonly runtime: Runtime
  readonly #options: ConnectionOptions
  #closed = false

  constructor(options: ConnectionOptions) {
    this.region = options.region
    this.runtime = options.runtime
    this.#options = options
  }

  /** Begins a call. @throws MeridianError `INVALID_ARGUMENT` for a deadline that is not > 0 */
  begin(session: Session, deadlineMs = DEFAULT_DEADLINE_MS, signal?: AbortSignal): CallContext {
    if (!(deadlineMs > 0)) {
      throw new MeridianError('INVALID_ARGUMENT', `A deadline of ${deadlineMs} ms.`, {
        fix: 'Give `deadlineMs` as a number of milliseconds above 0.',
      })
    }
    const deadlineAtMs = this.runtime.clock.monotonicMs() + deadlineMs
    return { deadlineAtMs, signal, session }
  }

  /** What is left of a call's time, in ms. */
  timeLeftMs(context: CallContext): number {
    return context.deadlineAtMs - this.runtime.clock.monotonicMs()
  }

  /** One request, one answer, no retry. */
  async send<K extends keyof ResponseValues>(
    region: string,
    body: BodyOf<K>,
    context: CallContext,
  ): Promise<Answer<K>> {
    const timeoutMs = this.#timeLeftOrThrow(context, body.kind)
    const message = encodeRequest({
      header: {
        version: PROTOCOL_VERSION,
        schemaVersion: this.#options.schemaVersion,
        principal: this.#options.principal,
        clientRegion: this.region,
        timeoutMs,
        session: context.session.state(),
        trace: null,
        forwarded: false,
      },
      body,
    })
    const sent = this.#options.transport.request(region, message, context.signal)
    const response = decodeResponse(await this.#bounded(sent, timeoutMs, context, body.kind))
    if (!response.ok) {
      const error = fromWireError(response.error)
      error.receipt = response.receipt ?? undefined
      throw error
    }
    context.session.merge(response.session)
    const receipt =
      region === this.region
        ? response.receipt
        : { ...response.receipt, crossRegionRoundTrips: response.receipt.crossRegionRoundTrips + 1 }
    return { value: response.value as ResponseValues[K], receipt }
  }

  /**
   * Runs `attempt` until it succeeds, fails with an error that repeating cannot cure, or the time
   * is over. `retryable` says which errors are worth another attempt.
   */
  async retry<T>(
    context: CallContext,
    retryable: (error: MeridianError) => boolean,
    attempt: () => Promise<T>,
  ): Promise<T> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(2 * delayMs, LAST_RETRY_MS)) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof MeridianError) || !retryable(error)) throw error
        // Full jitter: clients that failed together do not come back together.
        const pauseMs = delayMs * this.runtime.random.fraction()
        if (this.timeLeftMs(context) <= pauseMs || context.signal?.aborted === true) throw error
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

  /** Later calls fail with `CLOSED`. */
  close(): void {
    this.#closed = true
  }

  #timeLeftOrThrow(context: CallContext, kind: string): number {
    if (this.#closed) throw new MeridianError('CLOSED', 'The client is closed.')
    if (context.signal?.aborted === true) throw cancelled()
    const timeoutMs = this.timeLeftMs(context)
    if (timeoutMs <= 0) throw tooLate(kind)
    return timeoutMs
  }

  #bounded<T>(
    sent: Promise<T>,
    timeoutMs: number,
    context: CallContext,
    kind: string,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.runtime.timers.after(timeoutMs, () => settle(() => reject(tooLate(kind))))
      const onAbort = (): void => settle(() => reject(cancelled(kind)))
      const settle = (how: () => void): void => {
        cancel()
        context.signal?.removeEventListener('abort', onAbort)
        how()
      }
      context.signal?.addEventListener('abort', onAbort)
      sent.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error as Error)),
      )
    })
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

function tooLate(kind: string): MeridianError {
  // A write that was sent may have happened: only the same idempotency key may repeat it.
  return new MeridianError('DEADLINE_EXCEEDED', `The deadline passed during \`${kind}\`.`, {
    retry: isWrite(kind) ? 'unknown-outcome' : 'safe',
    fix: 'Give the call more time with `deadlineMs`, or repeat it with the same idempotency key.',
  })
}

function cancelled(kind = ''): MeridianError {
  return new MeridianError('CANCELLED', 'The call was cancelled by its signal.', {
    retry: isWrite(kind) ? 'unknown-outcome' : 'never',
  })
}
