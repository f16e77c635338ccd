import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Connection } from '../../../../src/drivers/store/connection.ts'
import { commitGroup, type GroupConnection } from '../../../../src/drivers/store/group-commit.ts'
import { tempFolder } from '../../../conformance/support/temp-folder.ts'

const member = (sql: string): { readonly sql: string; readonly args: [] }[] => [{ sql, args: [] }]
const INSERT = 'INSERT INTO t VALUES (1)'
const BUSY = { code: 'SQLITE_BUSY', rawCode: 5 }
const FSYNC = { code: 'SQLITE_IOERR_FSYNC', rawCode: 1034 }

/** A connection on which one piece of transaction control fails, as the engine would fail it. */
function faulty(
  control: string,
  times: readonly number[],
  failure: object,
): { readonly connection: GroupConnection; readonly rows: () => unknown } {
  const real = new Connection(join(tempFolder(), 'store.db'))
  real.once('CREATE TABLE t (a INTEGER CHECK (a > 0)) STRICT')
  let calls = 0
  const connection: GroupConnection = {
    get inTransaction(): boolean {
      return real.inTransaction
    },
    control: (text) => {
      if (text === control && times.includes(++calls)) {
        throw Object.assign(new Error('injected'), failure)
      }
      real.control(text)
    },
    execute: (statement, index) => real.execute(statement, index),
  }
  return { connection, rows: () => real.value('SELECT count(*) FROM t') }
}

const ROLLBACK_CLAUSE = 'INSERT OR ROLLBACK INTO t VALUES (-1)'

test('a file that is held at once is reported as such and nothing is done', () => {
  const { connection, rows } = faulty('BEGIN IMMEDIATE', [1], BUSY)
  expect(() => commitGroup(connection, [member(INSERT), member(INSERT)], 'f')).toThrow('injected')
  expect(rows()).toBe(0)
})

test('a file that is held after one member was committed alone does not commit it twice', () => {
  // Together at the first, then the first alone at the second, then the second at the third.
  const { connection, rows } = faulty('BEGIN IMMEDIATE', [3], BUSY)
  const members = [member(INSERT), member(ROLLBACK_CLAUSE), member(INSERT)]
  const outcomes = commitGroup(connection, members, 'f')
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true])
  expect(outcomes[1]).toMatchObject({ error: { code: 'STORE_UNAVAILABLE', retry: 'safe' } })
  expect(rows()).toBe(2)
})

test('a commit that fails is taken apart: each member commits alone', () => {
  const { connection, rows } = faulty('COMMIT', [1], { code: 'SQLITE_FULL', rawCode: 13 })
  const outcomes = commitGroup(connection, [member(INSERT), member(INSERT)], 'f')
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true])
  expect(rows()).toBe(2)
})

test('a disk that fails to sync leaves the outcome unknown and is not asked again', () => {
  for (const count of [1, 3]) {
    const { connection, rows } = faulty('COMMIT', [1], FSYNC)
    const members = Array.from({ length: count }, () => member(INSERT))
    const outcomes = commitGroup(connection, members, 'f')
    const unknown = { ok: false, error: { code: 'STORE_UNAVAILABLE', retry: 'unknown-outcome' } }
    expect(outcomes).toMatchObject(members.map(() => unknown))
    expect(rows()).toBe(0)
  }
})

test('a member that ends the transaction with a ROLLBACK clause undoes itself alone', () => {
  const { connection, rows } = faulty('COMMIT', [], {})
  const outcomes = commitGroup(
    connection,
    [member(INSERT), member(ROLLBACK_CLAUSE), member(INSERT)],
    'f',
  )
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true])
  expect(rows()).toBe(2)
})
