/**
 * What etcd and the way to it say, as errors of this system. One place, since texts of another
 * program are read here: its status codes alone do not tell a full disk from a large request.
 */
import { MeridianError, type ErrorOptions } from '../../core/errors.ts'

/** What a call to one member failed with, as gRPC tells it. */
export class EtcdCallError extends Error {
  override readonly name = 'EtcdCallError'
  readonly status: number
  readonly address: string

  constructor(status: number, details: string, address: string) {
    super(details)
    this.status = status
    this.address = address
  }
}

/** Status codes of gRPC. */
export const STATUS = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

/** What to do about a failed call. */
export type CallFailureKind =
  /** Another member may do it, or this one later. */
  | 'elsewhere'
  /** What answers at this address is not this etcd, or not with these settings. */
  | 'not-etcd'
  /** The token of the session is not valid any more. */
  | 'token'
  /** Every member would say the same. */
  | 'refused'

/** The server has not seen the request. */
const UNSENT = /No connection established|Name resolution failed|Waiting for LB pick|no leader/
const WRONG_PROTOCOL =
  /Protocol error|Received HTTP status|wrong version number|certificate|self-signed|secure TLS connection|SSL routines|ERR_SSL|ERR_TLS|handshake/i
const TOKEN = /invalid auth token|revision of auth store is old/

export function kindOf(error: EtcdCallError): CallFailureKind {
  const { status, message } = error
  if (TOKEN.test(message)) return 'token'
  if (WRONG_PROTOCOL.test(message) && isTransportStatus(status)) return 'not-etcd'
  switch (status) {
    case STATUS.unimplemented:
      return 'not-etcd'
    case STATUS.cancelled:
    case STATUS.deadlineExceeded:
    case STATUS.unavailable:
    case STATUS.internal:
      return 'elsewhere'
    // A proxy or a member on its way up or down.
    case STATUS.unknown:
      return message.includes('etcdserver:') ? 'refused' : 'elsewhere'
    default:
      return 'refused'
  }
}

function isTransportStatus(status: number): boolean {
  const { unavailable, unknown, internal, unimplemented } = STATUS
  return [unavailable, unknown, internal, unimplemented].some((one) => one === status)
}

export function isCompacted(error: unknown): boolean {
  return isCallError(error, STATUS.outOfRange, 'compacted')
}

export function isFutureRevision(error: unknown): boolean {
  return isCallError(error, STATUS.outOfRange, 'future revision')
}

export function isLeaseGone(error: unknown): boolean {
  return isCallError(error, STATUS.notFound, 'lease not found')
}

function isCallError(error: unknown, status: number, text: string): boolean {
  return error instanceof EtcdCallError && error.status === status && error.message.includes(text)
}

/** What a call was for, where that makes a difference to its caller. */
export type CallPurpose = 'read' | 'write'

/**
 * Why a call failed at every member that was asked. `failures` in the order in which they came,
 * one at least.
 */
export function callError(
  failures: readonly EtcdCallError[],
  addresses: readonly string[],
  purpose: CallPurpose,
): MeridianError {
  const last = failures.at(-1)
  const refused = failures.find((failure) => kindOf(failure) === 'refused')
  if (refused !== undefined) return refusedError(refused, addresses, purpose)
  const token = failures.find((failure) => kindOf(failure) === 'token')
  if (token !== undefined) return refusedError(token, addresses, purpose)
  const details = { engine: 'etcd', addresses }
  const reasons = reasonsOf(failures)
  if (last !== undefined && failures.every((failure) => kindOf(failure) === 'not-etcd')) {
    return new MeridianError(
      'LOG_MISCONFIGURED',
      `What answers is not the etcd that was configured: ${reasons}.`,
      {
        fix: 'Check `commitLog.etcd.members` (client ports, not peer ports) and `commitLog.etcd.tls`.',
        details,
        cause: last,
      },
    )
  }
  const isSent = purpose === 'write' && !failures.every((failure) => UNSENT.test(failure.message))
  return new MeridianError('LOG_UNAVAILABLE', `etcd does not answer: ${reasons}.`, {
    fix: 'Look at the health of its members and at the way to them: `meridian status`.',
    retry: isSent ? 'unknown-outcome' : 'safe',
    details,
    cause: last,
  })
}

/** The last that each member said. */
function reasonsOf(failures: readonly EtcdCallError[]): string {
  const byAddress = new Map(failures.map((failure) => [failure.address, shorten(failure.message)]))
  return Array.from(byAddress, ([address, reason]) => `${address}: ${reason}`).join('; ')
}

function shorten(message: string): string {
  return message
    .replace('No connection established. Last error: ', '')
    .replace(/\.? ?Resolution note: .*$/, '')
    .replace(/^Error: /, '')
}

function refusedError(
  error: EtcdCallError,
  addresses: readonly string[],
  purpose: CallPurpose,
): MeridianError {
  const { message, address } = error
  const options: ErrorOptions = { details: { engine: 'etcd', addresses }, cause: error }
  if (message.includes('database space exceeded')) {
    return new MeridianError('LOG_FULL', `etcd at ${address} has reached its space quota.`, {
      ...options,
      // The write that passes the quota is done, and answered with this all the same.
      retry: purpose === 'write' ? 'unknown-outcome' : 'safe',
      fix:
        'Let it compact (every region must have applied the log), defragment each member ' +
        '(`etcdctl defrag`), then `etcdctl alarm disarm`; or raise `--quota-backend-bytes`.',
    })
  }
  if (/request is too large|larger than|too many operations/.test(message)) {
    return new MeridianError(
      'TRANSACTION_TOO_LARGE',
      `The record is larger than etcd at ${address} takes: ${message}.`,
      { ...options, fix: 'Split the transaction, or raise `--max-request-bytes` of every member.' },
    )
  }
  if (message.includes('alarm') || message.includes('corrupt')) {
    return new MeridianError('LOG_UNAVAILABLE', `etcd at ${address} is in alarm: ${message}.`, {
      ...options,
      fix: 'See `etcdctl alarm list` and the log of its members.',
    })
  }
  if (isAccess(error)) {
    return new MeridianError(
      'LOG_MISCONFIGURED',
      `etcd at ${address} refuses this user: ${message}.`,
      {
        ...options,
        fix: 'Check `commitLog.etcd.user` and `password`, and that the role of the user may read and write the keys of the deployment (docs/spec/etcd-log.md).',
      },
    )
  }
  return new MeridianError('LOG_UNAVAILABLE', `etcd at ${address} refused: ${message}.`, {
    ...options,
    retry: 'safe',
    fix: 'See the log of its members.',
  })
}

function isAccess({ status, message }: EtcdCallError): boolean {
  const { permissionDenied, unauthenticated, invalidArgument, failedPrecondition } = STATUS
  if (status === permissionDenied || status === unauthenticated) return true
  return (
    (status === invalidArgument || status === failedPrecondition) &&
    /auth|user name|password|permission|token/.test(message)
  )
}

/** What answers has another history than what was followed. */
export function foreignError(
  what: string,
  expected: string,
  found: string | undefined,
  addresses: readonly string[],
): MeridianError {
  return new MeridianError(
    'LOG_FOREIGN',
    `etcd at ${addresses.join(', ')} is not the one that was followed: its ${what} is ${found ?? 'missing'}, not ${expected}.`,
    {
      fix: 'Point the configuration back to the cluster with the log of this deployment. If its data is lost, start a new deployment from the regions (docs/spec/etcd-log.md).',
      details: { engine: 'etcd', addresses, expected, found },
    },
  )
}

export function closedError(): MeridianError {
  return new MeridianError('CLOSED', 'The connection to etcd is closed.')
}
