/**
 * The HTTP status of an answer in the protocol. Clients read the body; the status is for proxies,
 * load balancers and people with curl.
 */
import type { ErrorCode } from '../core/errors.ts'
import { decodeResponse } from '../protocol/codec.ts'

/** Whatever else goes wrong is an answer like any other: 200. */
const STATUS_BY_CODE: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  REGION_UNKNOWN: 404,
  REQUEST_TOO_LARGE: 413,
  OVERLOADED: 503,
  PROTOCOL_VERSION: 400,
  PROTOCOL_MALFORMED: 400,
}

/** The status of a failure. */
export function statusOf(code: ErrorCode): number {
  return STATUS_BY_CODE[code] ?? 200
}

/** `ok: true` as the first field of a MessagePack map: two forms of the map's own head. */
const OK_FIELD = [0xa2, 0x6f, 0x6b, 0xc3]
const MAP_16 = 0xde

/** The status of an encoded response. Successes are told by their first bytes and not decoded. */
export function responseStatus(response: Uint8Array): number {
  const at = response[0] === MAP_16 ? 3 : 1
  if (OK_FIELD.every((byte, i) => response[at + i] === byte)) return 200
  const decoded = decodeResponse(response)
  return decoded.ok ? 200 : statusOf(decoded.error.code)
}
