/**
 * The bytes of messages: MessagePack. Integers keep their kind (a `bigint` comes back as one),
 * byte strings come back as copies that the receiver owns.
 */
import { MeridianError } from '../core/errors.ts'
import { MAX_MESSAGE_BYTES, MAX_MESSAGE_ELEMENTS } from '../core/limits.ts'
import { requireBounded } from './bounded-bytes.ts'
import { isRequest, isResponse } from './check-messages.ts'
import { packMessage, unpackMessage } from './message-pack.ts'
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, type Request, type Response } from './messages.ts'

/** Encodes a request. @throws MeridianError `TRANSACTION_TOO_LARGE` beyond `MAX_MESSAGE_BYTES` */
export function encodeRequest(request: Request): Uint8Array {
  const bytes = packMessage(request)
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new MeridianError(
      'TRANSACTION_TOO_LARGE',
      `The request has ${bytes.length} bytes; ${MAX_MESSAGE_BYTES} are allowed.`,
      { fix: 'Split it into smaller calls.' },
    )
  }
  return bytes
}

/**
 * Decodes a request. A stranger may have sent it.
 *
 * @throws MeridianError `REQUEST_TOO_LARGE`, `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION`: answered in
 * the form of a failed response, which is the same in every version
 */
export function decodeRequest(bytes: Uint8Array): Request {
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new MeridianError(
      'REQUEST_TOO_LARGE',
      `The request has ${bytes.length} bytes; ${MAX_MESSAGE_BYTES} are allowed.`,
      { fix: 'Split it into smaller calls.' },
    )
  }
  const request = unpack(bytes, MAX_MESSAGE_ELEMENTS) as Partial<Request>
  // The version first: what else another version sends is not for this one to judge.
  const version = request.header?.version
  if (
    typeof version === 'number' &&
    !(version >= MIN_PROTOCOL_VERSION && version <= PROTOCOL_VERSION)
  ) {
    throw new MeridianError(
      'PROTOCOL_VERSION',
      `Protocol version ${version} is not spoken here (${MIN_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}).`,
      { fix: 'Bring client and nodes to versions that are at most one apart.' },
    )
  }
  if (!isRequest(request)) {
    throw new MeridianError('PROTOCOL_MALFORMED', 'The message is not a Meridian request.', {
      fix: 'Bring client and nodes to the same version.',
    })
  }
  return request
}

/** Encodes a response. */
export function encodeResponse(response: Response): Uint8Array {
  return packMessage(response)
}

/** Decodes a response. @throws MeridianError `PROTOCOL_MALFORMED` */
export function decodeResponse(bytes: Uint8Array): Response {
  const response = unpack(bytes)
  if (isResponse(response)) return response
  throw new MeridianError('PROTOCOL_MALFORMED', 'The message is not a Meridian response.', {
    fix: 'Bring client and nodes to the same version.',
  })
}

/** Canonical bytes of a plain value, for hashes. */
export function encodeValue(value: unknown): Uint8Array {
  return packMessage(value)
}

/** Reads what `encodeValue` wrote. @throws MeridianError `PROTOCOL_MALFORMED` */
export function decodeValue(bytes: Uint8Array): unknown {
  return unpack(bytes)
}

function unpack(bytes: Uint8Array, maxElements?: number): object {
  requireBounded(bytes, maxElements)
  let value: unknown
  try {
    value = unpackMessage(bytes)
  } catch (error) {
    throw new MeridianError('PROTOCOL_MALFORMED', 'The message cannot be decoded.', {
      cause: error,
    })
  }
  if (typeof value !== 'object' || value === null) {
    throw new MeridianError('PROTOCOL_MALFORMED', 'The message is not an object.')
  }
  return value
}
