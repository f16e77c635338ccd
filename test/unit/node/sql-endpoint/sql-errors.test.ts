import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { toSqlError } from '../../../../src/node/sql-endpoint/sql-errors.ts'

function shown(message: string, sql: string): string {
  const error = toSqlError(new MeridianError('QUERY_FAILED', message), 'us-east', sql)
  return (error as Error).message
}

describe('the failure of a query', () => {
  it('says what the user wrote', () => {
    const message = 'The query failed: no such column: a/b.db.'
    expect(shown(message, 'SELECT [a/b.db]')).toBe(message)
    expect(shown('no such column: c1', 'SELECT c1')).toBe('no such column: c1')
  })

  it.each(['no such column: t5.c1', 'no such table: _outbox', 'cannot open /data/us/store.db'])(
    'hides names of the store: %s',
    (message) => {
      expect(shown(message, 'SELECT 1')).toBe('The query failed.')
    },
  )

  // Each would take minutes if it were read in more ways than one.
  it.each(['a/', 'a.d/', '/', '_/', 'c1 '])('is told at once when it quotes many %j', (part) => {
    const name = part.repeat(40_000)
    const message = shown(`no such column: ${name}`, `SELECT [${name}]`)
    expect(message.length).toBeLessThanOrEqual(1_000)
    expect(message.startsWith('no such column: ')).toBe(true)
  })
})
