/**
 * What a rejected `fetch` means. The standard tells nothing apart on purpose: a request that was
 * never sent and one whose answer was lost look alike. Some platforms say more in the cause, and
 * only what they say proves that nothing was sent.
 */
import { MeridianError } from '../../core/errors.ts'

/** Failures before the first byte, by their codes in Node, and Bun where it has its own. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ConnectionRefused',
])
/** System calls of a connection that was never made. */
const CONNECTING = new Set(['connect', 'getaddrinfo'])
const MAX_CAUSES = 5

/** The error of a request to `region` that `fetch` rejected, or whose answer broke off. */
export function fetchFailure(region: string, cause: unknown): MeridianError {
  const isUnsent = provesUnsent(cause)
  return new MeridianError(
    'REGION_UNREACHABLE',
    isUnsent
      ? `The node of region ${region} cannot be reached.`
      : `The node of region ${region} gave no answer.`,
    {
      retry: isUnsent ? 'safe' : 'unknown-outcome',
      fix: isUnsent
        ? 'Check that it runs and that its URL is right; repeat.'
        : 'Repeat; a write with the same idempotency key.',
      details: { region },
      cause,
    },
  )
}

function provesUnsent(error: unknown): boolean {
  let one: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && typeof one === 'object' && one !== null; depth++) {
    const { code, syscall, cause } = one as Readonly<Record<string, unknown>>
    if (typeof code === 'string' && (UNSENT.has(code) || code.startsWith('CERT_'))) return true
    if (typeof syscall === 'string' && CONNECTING.has(syscall)) return true
    one = cause
  }
  return false
}
