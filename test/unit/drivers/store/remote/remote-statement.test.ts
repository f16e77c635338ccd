import { expect, test } from 'vitest'
import type { SqlValue } from '../../../../../src/core/values.ts'
import { openEngine } from '../../../../../src/drivers/libsql/engine.ts'
import { bindStatement } from '../../../../../src/drivers/store/bind.ts'
import {
  StatementReader,
  type RemoteStatement,
} from '../../../../../src/drivers/store/remote/remote-statement.ts'

const read = (sql: string, args: readonly SqlValue[] = [], maxRows?: number): RemoteStatement =>
  new StatementReader().read(
    bindStatement({ sql, args, ...(maxRows === undefined ? {} : { maxRows }) }),
  )

/** What the engine gives for it. */
function rowsOf({ sql, args }: RemoteStatement): SqlValue[][] {
  const statement = openEngine(':memory:').prepare(sql)
  statement.raw()
  statement.safeIntegers(false)
  return [...statement.iterate(args)]
}

test('infinity is written into the text, and only where it is an argument', () => {
  const statement = read(`SELECT ?, '?', ? /* ? */, ?, typeof(?)`, [
    1.5,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    'x',
  ])
  expect(statement.args).toEqual([1.5, 'x'])
  expect(rowsOf(statement)).toEqual([[1.5, '?', Infinity, -Infinity, 'text']])
})

test('infinity behind a numbered parameter is refused', () => {
  expect(() => read('SELECT ?1', [Number.POSITIVE_INFINITY])).toThrow(
    expect.objectContaining({ code: 'INVALID_VALUE' }),
  )
})

test('a limited query stops at one row more than is wanted, in its own order', () => {
  const series = 'WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i FROM c'
  expect(rowsOf(read(`${series} -- all of them`, [], 3))).toEqual([[1], [2], [3], [4]])
  const ordered = `SELECT value v FROM json_each('[3,1,2]') ORDER BY v DESC ; -- x`
  expect(rowsOf(read(ordered, [], 1))).toEqual([[3], [2]])
  expect(rowsOf(read('VALUES (1), (2)', [], 5))).toEqual([[1], [2]])
  expect(rowsOf(read('SELECT ?, ?', [Number.POSITIVE_INFINITY, 1], 5))).toEqual([[Infinity, 1]])
})

test('what writes is told from what reads, behind a WITH clause too', () => {
  const readOnly = [
    'SELECT 1',
    'values (1)',
    'WITH a AS (SELECT 1) SELECT * FROM a',
    'EXPLAIN DELETE FROM t',
  ]
  const writing = [
    'DELETE FROM t',
    'WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a',
    `with "select" (x) as (values (1)), b as materialized (select ')') delete from t`,
    'CREATE TABLE t (a)',
  ]
  for (const sql of readOnly) expect(read(sql).isReadOnly, sql).toBe(true)
  for (const sql of writing) expect(read(sql).isReadOnly, sql).toBe(false)
})
