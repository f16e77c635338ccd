import { describe, expect, it } from 'vitest'
import { ERROR_CODES, MeridianError } from '../../../src/core/errors.ts'
import { SqlError } from '../../../src/core/ports/sql-session.ts'
import { HranaError, isUnexpected, statusOf, toWireError } from '../../../src/hrana/errors.ts'

describe('the wire form of errors', () => {
  it('keeps code and message of what is meant for clients', () => {
    const sql = new SqlError('SQLITE_BUSY', 'database is locked')
    expect(toWireError(sql)).toEqual({ code: 'SQLITE_BUSY', message: 'database is locked' })
    const typed = new MeridianError('PERMISSION_DENIED', 'No.', { fix: 'Ask.' })
    expect(toWireError(typed)).toEqual({ code: 'PERMISSION_DENIED', message: 'No. Ask.' })
    expect([sql, typed].map(isUnexpected)).toEqual([false, false])
  })

  it.each([
    new TypeError('secret'),
    new MeridianError('INTERNAL', 'secret'),
    'secret',
    undefined,
    { code: 'SQLITE_BUSY', message: 'secret' },
  ])('shows nothing of %s', (error) => {
    expect(JSON.stringify(toWireError(error))).not.toContain('secret')
    expect(toWireError(error).code).toBe('INTERNAL')
    expect(isUnexpected(error)).toBe(true)
    expect(statusOf(error)).toBe(500)
  })

  it('cuts a message that quotes what would fill an answer', () => {
    const { message } = toWireError(
      new SqlError('SQLITE_ERROR', `no such column: ${'é'.repeat(1e5)}`),
    )
    expect(message.length).toBeLessThan(1_100)
    expect(message).toMatch(/^no such column: é+…$/)
  })

  it('has the status that proxies and clients act on', () => {
    const byStatus = (status: number): string[] =>
      ERROR_CODES.filter((code) => statusOf(new MeridianError(code, '')) === status)
    expect(byStatus(401)).toEqual(['UNAUTHENTICATED'])
    expect(byStatus(403)).toEqual(['PERMISSION_DENIED'])
    expect(byStatus(413)).toEqual(['REQUEST_TOO_LARGE'])
    expect(byStatus(400)).toEqual(['PROTOCOL_VERSION', 'PROTOCOL_MALFORMED'])
    expect(byStatus(503)).toEqual(['OVERLOADED', 'STORE_UNAVAILABLE', 'CLOSED'])
    expect(statusOf(new HranaError('BATON_INVALID', ''))).toBe(400)
    expect(statusOf(new HranaError('TOO_MANY_STREAMS', ''))).toBe(429)
    expect(statusOf(new SqlError('SQLITE_CANTOPEN', ''))).toBe(500)
  })
})
