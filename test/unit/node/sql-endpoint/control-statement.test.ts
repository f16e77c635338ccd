import { describe, expect, test } from 'vitest'
import { SqlError } from '../../../../src/core/ports/sql-session.ts'
import { readControl } from '../../../../src/node/sql-endpoint/control-statement.ts'

describe('statements of transactions are read as clients write them', () => {
  test.each([
    ['BEGIN', { kind: 'begin' }],
    ['begin deferred', { kind: 'begin' }],
    ['BEGIN DEFERRED TRANSACTION;', { kind: 'begin' }],
    ['BEGIN TRANSACTION READONLY', { kind: 'begin' }],
    ['BEGIN READONLY', { kind: 'begin' }],
    ['/* x */ -- y\n BEGIN -- z', { kind: 'begin' }],
    ['COMMIT', { kind: 'commit' }],
    ['END TRANSACTION', { kind: 'commit' }],
    ['ROLLBACK', { kind: 'rollback' }],
    ['ROLLBACK TRANSACTION;', { kind: 'rollback' }],
    ['SAVEPOINT One', { kind: 'savepoint', name: 'one' }],
    ['SAVEPOINT "one"', { kind: 'savepoint', name: 'one' }],
    ['SAVEPOINT savepoint', { kind: 'savepoint', name: 'savepoint' }],
    ['RELEASE one', { kind: 'release', name: 'one' }],
    ['RELEASE SAVEPOINT one', { kind: 'release', name: 'one' }],
    ['ROLLBACK TO one', { kind: 'rollback-to', name: 'one' }],
    ['ROLLBACK TRANSACTION TO SAVEPOINT one', { kind: 'rollback-to', name: 'one' }],
  ])('%s', (sql, expected) => {
    expect(readControl(sql)).toEqual(expected)
  })

  test.each([
    'SELECT 1',
    'WITH x AS (SELECT 1) SELECT * FROM x',
    'VALUES (1)',
    '',
    'PRAGMA x',
    '"BEGIN" x',
  ])('%j is something else', (sql) => {
    expect(readControl(sql)).toBeUndefined()
  })
})

describe('what is no read is refused with a code of its own', () => {
  test.each([
    ['BEGIN IMMEDIATE', 'SQL_READ_ONLY'],
    ['BEGIN EXCLUSIVE TRANSACTION', 'SQL_READ_ONLY'],
    ['BEGIN CONCURRENT', 'SQL_READ_ONLY'],
    ['insert into x values (1)', 'SQL_READ_ONLY'],
    ['REPLACE INTO x VALUES (1)', 'SQL_READ_ONLY'],
    ['/**/DROP TABLE x', 'SQL_READ_ONLY'],
    ['ATTACH x AS y', 'SQL_READ_ONLY'],
    ['EXPLAIN SELECT 1', 'QUERY_REFUSED'],
    ['BEGIN; SELECT 1', 'SQL_PARSE_ERROR'],
    ['BEGIN TWICE', 'SQL_PARSE_ERROR'],
    ['BEGIN TRANSACTION TRANSACTION', 'SQL_PARSE_ERROR'],
    ['COMMIT 1', 'SQL_PARSE_ERROR'],
    ['COMMIT AND SELECT', 'SQL_PARSE_ERROR'],
    ['ROLLBACK TO', 'SQL_PARSE_ERROR'],
    ['SAVEPOINT', 'SQL_PARSE_ERROR'],
    ['RELEASE a b', 'SQL_PARSE_ERROR'],
  ])('%s: %s', (sql, code) => {
    const refusal = (): unknown => readControl(sql)
    expect(refusal).toThrow(SqlError)
    expect(refusal).toThrow(expect.objectContaining({ code }) as Error)
  })
})
