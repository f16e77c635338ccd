import { expect, test } from 'vitest'
import { StatementFailed } from '../../../../../src/core/ports/store.ts'
import {
  provesUndone,
  statementError,
} from '../../../../../src/drivers/store/remote/remote-failure.ts'

const of = (code: string, message: string): Error =>
  statementError({ code, message }, 3, 'http://store')

test('constraints are told apart by text, with or without what a server puts before it', () => {
  const kinds = [
    ['UNIQUE constraint failed: t.a, t.b', 'unique'],
    ['CHECK constraint failed: a > 0', 'check'],
    ['NOT NULL constraint failed: t.a', 'not-null'],
    ['FOREIGN KEY constraint failed', 'foreign-key'],
    ['cannot store TEXT value in INTEGER column t.a', 'type'],
    ['HLC_BEHIND', 'raise'],
  ] as const
  for (const [text, kind] of kinds) {
    for (const message of [text, `SQLite error: ${text}`]) {
      const error = of('SQLITE_CONSTRAINT', message)
      expect(error, message).toBeInstanceOf(StatementFailed)
      expect(error).toMatchObject({ statementIndex: 3, kind, message: text })
    }
  }
  expect(of('SQL_INPUT_ERROR', 'SQL input error: no such table: t')).toMatchObject({
    kind: 'other',
    message: 'no such table: t',
  })
})

test('what is not the statement’s own has the store’s code', () => {
  const codes = [
    ['SQLITE_FULL', 'STORE_FULL'],
    ['SQLITE_CORRUPT', 'STORE_CORRUPT'],
    ['SQLITE_IOERR_READ', 'STORE_UNAVAILABLE'],
    ['TRANSACTION_TIMEOUT', 'STORE_UNAVAILABLE'],
    ['TOO_MANY_STREAMS', 'STORE_UNAVAILABLE'],
    ['RESPONSE_TOO_LARGE', 'RESULT_TOO_LARGE'],
    ['BATCH_TOO_LARGE', 'TRANSACTION_TOO_LARGE'],
    ['AUTH_JWT_EXPIRED', 'UNAUTHENTICATED'],
  ] as const
  for (const [code, expected] of codes)
    expect(of(code, 'x'), code).toMatchObject({ code: expected })
})

test('only what is known to leave nothing counts as undone', () => {
  const undone = [
    'SQLITE_CONSTRAINT',
    'TRANSACTION_TIMEOUT',
    'SQL_PARSE_ERROR',
    'RESPONSE_TOO_LARGE',
  ]
  const unknown = ['SQLITE_IOERR', 'SQLITE_IOERR_FSYNC', 'INTERNAL', '']
  for (const code of undone) expect(provesUndone({ code, message: '' }), code).toBe(true)
  for (const code of unknown) expect(provesUndone({ code, message: '' }), code).toBe(false)
})
