import { describe, expect, it } from 'vitest'
import { MeridianError, toWireError, type ErrorCode } from '../../../src/core/errors.ts'
import { responseStatus } from '../../../src/node/response-status.ts'
import { encodeResponse } from '../../../src/protocol/codec.ts'
import type { Response } from '../../../src/protocol/messages.ts'

const OK: Response = {
  ok: true,
  value: { positions: {} },
  session: { positions: {}, nowMs: 0 },
  receipt: {
    level: 'session',
    region: 'a',
    source: 'home',
    stalenessMs: 0,
    crossRegionRoundTrips: 0,
  },
}

function failed(code: ErrorCode): Uint8Array {
  return encodeResponse({
    ok: false,
    error: toWireError(new MeridianError(code, 'It failed.')),
    receipt: null,
  })
}

describe('the status of an answer', () => {
  it('is 200 for a success, which is not decoded', () => {
    const bytes = encodeResponse(OK)
    expect(responseStatus(bytes)).toBe(200)
    // Cut off after the first field: nothing further was looked at.
    expect(responseStatus(bytes.slice(0, 8))).toBe(200)
  })

  it.each([
    ['UNAUTHENTICATED', 401],
    ['PERMISSION_DENIED', 403],
    ['REGION_UNKNOWN', 404],
    ['REQUEST_TOO_LARGE', 413],
    ['OVERLOADED', 503],
    ['PROTOCOL_VERSION', 400],
    ['PROTOCOL_MALFORMED', 400],
    ['CONSTRAINT_VIOLATED', 200],
    ['NOT_FOUND', 200],
  ] as const)('that failed with %s is %i', (code, status) => {
    expect(responseStatus(failed(code))).toBe(status)
  })
})
