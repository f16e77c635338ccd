/** What goes wrong between regions, in one wording for every network. */
import { MeridianError } from '../../core/errors.ts'

/** `safe`: nothing was sent. `unknown-outcome`: something was, and no answer came. */
export type TransportRetry = 'safe' | 'unknown-outcome'

export function unreachable(
  from: string,
  to: string,
  retry: TransportRetry,
  cause?: unknown,
): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', `Region ${to} cannot be reached from ${from}.`, {
    fix: 'Repeat once the link is whole, or ask another region.',
    retry,
    details: { from, to },
    cause,
  })
}

/** The server failed without an answer of its own. `status`: what stood in its place. */
export function noAnswer(
  from: string,
  to: string,
  cause?: unknown,
  status?: number,
): MeridianError {
  const instead = status === undefined ? '' : `, but HTTP status ${status}`
  return new MeridianError('REGION_UNREACHABLE', `Region ${to} gave ${from} no answer${instead}.`, {
    fix: 'Repeat with the same idempotency key.',
    retry: 'unknown-outcome',
    details: { from, to, ...(status === undefined ? {} : { status }) },
    cause,
  })
}

/** A typed reason, as a deadline's, is the error itself. */
export function cancelled(signal: AbortSignal, retry: TransportRetry): MeridianError {
  const reason: unknown = signal.reason
  if (reason instanceof MeridianError) return reason
  return new MeridianError('CANCELLED', 'The request was cancelled.', { retry, cause: reason })
}
