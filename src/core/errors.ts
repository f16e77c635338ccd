/**
 * The closed list of errors. Nobody parses messages: the code says what happened, `retry` says
 * whether the same call may be repeated, and `fix` says what to do about it.
 */

/** Whether repeating the call with the same idempotency key is right. */
export type Retry =
  /** Nothing was done, or repeating is idempotent: the same call may be sent again. */
  | 'safe'
  /** The same call will fail again until something else changes. */
  | 'never'
  /** The write may or may not have happened: repeat only with the same idempotency key. */
  | 'unknown-outcome'

/** Every code, with its default for `retry`. A code is never reused for another meaning. */
const RETRY_BY_CODE = {
  INVALID_ARGUMENT: 'never',
  UNAUTHENTICATED: 'never',
  PERMISSION_DENIED: 'never',
  REQUEST_TOO_LARGE: 'never',
  INVALID_VALUE: 'never',
  UNKNOWN_TABLE: 'never',
  UNKNOWN_COLUMN: 'never',
  UNKNOWN_VIEW: 'never',
  TENANT_REQUIRED: 'never',
  TENANT_NOT_FOUND: 'never',
  TENANT_EXISTS: 'never',
  NOT_FOUND: 'never',
  ALREADY_EXISTS: 'never',
  CONSTRAINT_VIOLATED: 'never',
  CONDITION_FAILED: 'never',
  CONFLICT: 'safe',
  MODE_MISMATCH: 'never',
  TRANSACTION_TOO_LARGE: 'never',
  TRANSACTION_CLOSED: 'never',
  QUERY_REFUSED: 'never',
  QUERY_FAILED: 'never',
  RESULT_TOO_LARGE: 'never',
  DEADLINE_EXCEEDED: 'safe',
  UNKNOWN_OUTCOME: 'unknown-outcome',
  CANCELLED: 'never',
  OVERLOADED: 'safe',
  REGION_UNKNOWN: 'never',
  REGION_UNREACHABLE: 'safe',
  NOT_HOME: 'safe',
  RESIDENCY_DENIED: 'never',
  SESSION_NOT_MET: 'safe',
  SESSION_INVALID: 'never',
  STALENESS_NOT_MET: 'safe',
  POSITION_LOST: 'never',
  IDEMPOTENCY_REUSED: 'never',
  IDEMPOTENCY_EXPIRED: 'never',
  SCHEMA_INVALID: 'never',
  SCHEMA_INCOMPATIBLE: 'never',
  CONFIG_INVALID: 'never',
  STORE_LOCKED: 'safe',
  STORE_CORRUPT: 'never',
  STORE_FOREIGN: 'never',
  STORE_NEWER: 'never',
  STORE_FULL: 'safe',
  STORE_UNAVAILABLE: 'safe',
  CLOCK_SKEW: 'never',
  LOG_UNAVAILABLE: 'safe',
  LOG_COMPACTED: 'never',
  LOG_GAP: 'never',
  LOG_FOREIGN: 'never',
  LOG_FULL: 'safe',
  LOG_MISCONFIGURED: 'never',
  CACHE_UNAVAILABLE: 'safe',
  KEYS_NOT_CONFIGURED: 'never',
  KEY_UNAVAILABLE: 'safe',
  KEY_DESTROYED: 'never',
  DECRYPT_FAILED: 'never',
  PROTOCOL_VERSION: 'never',
  PROTOCOL_MALFORMED: 'never',
  CLOSED: 'never',
  INTERNAL: 'unknown-outcome',
} as const

/** A stable, documented error code. */
export type ErrorCode = keyof typeof RETRY_BY_CODE

/** The table again, checked: every value is a `Retry`. */
const DEFAULT_RETRY: Readonly<Record<ErrorCode, Retry>> = RETRY_BY_CODE

/** All error codes, for exhaustive tests and documentation. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(RETRY_BY_CODE) as ErrorCode[]

/** What an error carries besides its code and its message. */
export interface ErrorOptions {
  /** What the caller can do about it, in one sentence. */
  readonly fix?: string
  /** Overrides the code's default. */
  readonly retry?: Retry
  /** Machine-readable facts: names and ids, never values of rows but for keys that conflict. */
  readonly details?: Readonly<Record<string, unknown>>
  /** The error underneath. */
  readonly cause?: unknown
}

/** The only error type that Meridian throws. */
export class MeridianError extends Error {
  override readonly name = 'MeridianError'
  readonly code: ErrorCode
  readonly retry: Retry
  readonly fix: string | undefined
  readonly details: Readonly<Record<string, unknown>>
  /** What was known of the read or write when it failed; set by the client (`Receipt`). */
  receipt: unknown

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(
      options.fix === undefined ? message : `${message} ${options.fix}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.retry = options.retry ?? DEFAULT_RETRY[code]
    this.fix = options.fix
    this.details = options.details ?? {}
  }
}

/** An error in the form that crosses a wire: plain values, no stack. */
export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly retry: Retry
  readonly fix?: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** Turns any thrown value into its wire form. Unknown errors become `INTERNAL`. */
export function toWireError(error: unknown): WireError {
  const typed = asMeridianError(error)
  return {
    code: typed.code,
    message:
      typed.fix === undefined ? typed.message : typed.message.slice(0, -typed.fix.length - 1),
    retry: typed.retry,
    ...(typed.fix === undefined ? {} : { fix: typed.fix }),
    details: typed.details,
  }
}

/**
 * The wire form for whoever is not this process. Of a failure that nobody foresaw it says only that
 * there was one: what such an error wraps may quote anything, other callers' values too.
 */
export function toForeignError(error: unknown): WireError {
  const { code, retry, ...rest } = toWireError(error)
  if (code !== 'INTERNAL') return { code, retry, ...rest }
  return { code, retry, message: 'The node failed unexpectedly.', fix: 'Look at its log.' }
}

/** Rebuilds the error from its wire form; a code that this version does not know is `INTERNAL`. */
export function fromWireError(wire: WireError): MeridianError {
  const code: ErrorCode = Object.hasOwn(RETRY_BY_CODE, wire.code) ? wire.code : 'INTERNAL'
  return new MeridianError(code, wire.message, {
    retry: wire.retry,
    ...(wire.fix === undefined ? {} : { fix: wire.fix }),
    details: wire.details ?? {},
  })
}

/** The error itself when it is typed, else an `INTERNAL` error that wraps it. */
export function asMeridianError(error: unknown): MeridianError {
  if (error instanceof MeridianError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new MeridianError('INTERNAL', `Unexpected failure: ${text}.`, { cause: error })
}

/** Whether the thrown value is a `MeridianError` with one of these codes. */
export function isErrorCode(
  error: unknown,
  ...codes: readonly ErrorCode[]
): error is MeridianError {
  return error instanceof MeridianError && codes.includes(error.code)
}
