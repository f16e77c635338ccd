/**
 * Answers that are no Meridian message: a proxy's error page, another server at a wrong URL. What
 * the status says of the request decides what may be repeated.
 */
import { MeridianError, type ErrorCode, type Retry } from '../../core/errors.ts'

/** What an answer of a status means: of a proxy that refused, or of one that lost its node. */
function meaning(status: number): { code: ErrorCode; retry: Retry; what: string; fix: string } {
  if (status === 401 || status === 403) {
    const code = status === 401 ? 'UNAUTHENTICATED' : 'PERMISSION_DENIED'
    const fix = 'Ask whoever runs the proxy before the node, or check its URL.'
    return { code, retry: 'never', what: 'was refused before it reached the node', fix }
  }
  if (status === 413) {
    const fix = 'Split the call, or raise the limit of the proxy before the node.'
    return { code: 'REQUEST_TOO_LARGE', retry: 'never', what: 'is too large for a proxy', fix }
  }
  if (status === 429) {
    const fix = 'Repeat, less often.'
    return { code: 'OVERLOADED', retry: 'safe', what: 'was shed by a proxy', fix }
  }
  if (status >= 500 || status === 408) {
    // A proxy may have passed the request on and lost the answer: it does not say.
    const fix = 'Repeat; a write with the same idempotency key.'
    return { code: 'REGION_UNREACHABLE', retry: 'unknown-outcome', what: 'got no answer', fix }
  }
  // A success may have been the node's, spoilt on its way; a refusal or redirect did nothing.
  const retry = status >= 200 && status < 300 ? 'unknown-outcome' : 'never'
  const fix = 'Check the URL in `nodes`, and that no proxy changes what nodes answer.'
  return { code: 'PROTOCOL_MALFORMED', retry, what: 'was answered by what is no node', fix }
}

/** The error of a request to `region` that got an answer of `status` without a message in it. */
export function foreignAnswer(region: string, status: number): MeridianError {
  const { code, retry, what, fix } = meaning(status)
  return new MeridianError(code, `A request to region ${region} ${what} (HTTP status ${status}).`, {
    retry,
    fix,
    details: { region, status },
  })
}
