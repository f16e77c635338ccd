/** What an error of an operation says of its effect. */
import { asMeridianError, type ErrorCode } from '../../../core/errors.ts'

/** How an operation that threw ends in the history. */
export type FailureType = 'fail' | 'info'

/**
 * Judged and refused, the whole of it: these answer for earlier attempts of the same transaction,
 * too (S7 of docs/spec/strong.md). Or refused at the door: then the client says `unknown-outcome`
 * where an earlier attempt was let in.
 */
const REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ALREADY_EXISTS',
  'CONDITION_FAILED',
  'CONFLICT',
  'CONSTRAINT_VIOLATED',
  'INVALID_ARGUMENT',
  'INVALID_VALUE',
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'TRANSACTION_TOO_LARGE',
  'UNAUTHENTICATED',
])

/**
 * Nothing was sent to the log, where the error says that repeating is safe (S9): the client and the
 * node say `unknown-outcome` instead as soon as something was.
 */
const NOT_SENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CLOCK_SKEW',
  'DEADLINE_EXCEEDED',
  'LOG_UNAVAILABLE',
  'OVERLOADED',
  'REGION_UNREACHABLE',
])

/**
 * `fail` where the error proves that the operation had no effect and never will have, else `info`.
 * A checker holds both against the product: a `fail` that took effect is an anomaly.
 */
export function classifyFailure(thrown: unknown, isRead: boolean): FailureType {
  if (isRead) return 'fail'
  const { code, retry } = asMeridianError(thrown)
  if (retry === 'unknown-outcome') return 'info'
  if (REFUSED.has(code)) return 'fail'
  return NOT_SENT.has(code) && retry === 'safe' ? 'fail' : 'info'
}

/** The same for a workload: replaced in tests that plant a wrong one. */
export type Classify = typeof classifyFailure
