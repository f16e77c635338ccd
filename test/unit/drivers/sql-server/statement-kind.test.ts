import { expect, test } from 'vitest'
import { openEngine } from '../../../../src/drivers/libsql/engine.ts'
import { splitStatements } from '../../../../src/drivers/libsql/sql-statements.ts'
import {
  statementKind,
  type StatementKind,
} from '../../../../src/drivers/sql-server/statement-kind.ts'

function kindOf(sql: string): StatementKind {
  const [text] = splitStatements(sql)
  if (text === undefined) throw new Error('no statement')
  return statementKind(text)
}

test('what changes a connection, reaches other files or holds the whole database is refused', () => {
  const refused = [
    'VACUUM',
    'vacuum into ?',
    'ANALYZE',
    "ATTACH 'x' AS y",
    'DETACH y',
    'CREATE TEMP TABLE t (a)',
    'create temporary view v AS SELECT 1',
    'CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END',
    'CREATE TABLE temp.t (a)',
    'CREATE TABLE IF NOT EXISTS "TEMP" . t (a)',
    'PRAGMA journal_mode = delete',
    'PRAGMA synchronous=0',
    'PRAGMA main.cache_size(1)',
    'PRAGMA wal_checkpoint',
    'PRAGMA optimize',
    'PRAGMA Case_Sensitive_Like = on',
    'PRAGMA nothing_of_the_kind',
    'EXPLAIN PRAGMA wal_checkpoint',
  ]
  for (const sql of refused) {
    expect(() => kindOf(sql), sql).toThrow(
      expect.objectContaining({ code: 'SQL_PARSE_ERROR', name: 'SqlError' }),
    )
  }
})

test('a refusal names the statement without its values', () => {
  expect(() => kindOf("ATTACH 'secret' AS y")).toThrow(/unsupported statement: ATTACH$/)
  expect(() => kindOf('PRAGMA main.journal_mode = off')).toThrow(/: PRAGMA journal_mode$/)
})

test('what is read or set for the stream alone is allowed', () => {
  const allowed = [
    'PRAGMA journal_mode',
    'PRAGMA main.synchronous',
    'PRAGMA foreign_keys = off',
    'PRAGMA defer_foreign_keys(1)',
    'PRAGMA user_version = 5',
    'PRAGMA table_info(t)',
    'PRAGMA integrity_check',
    'CREATE TABLE temperature (temp)',
    'DROP TABLE t',
    'REINDEX',
  ]
  for (const sql of allowed) expect(() => kindOf(sql), sql).not.toThrow()
})

test('whether a statement writes is what the engine says of it', () => {
  const db = openEngine(':memory:')
  db.exec('CREATE TABLE t (a UNIQUE, b); CREATE VIEW v AS SELECT 1')
  const readOnly = db.prepare('SELECT ro FROM sqlite_stmt WHERE sql = ?')
  readOnly.raw()
  const statements = [
    'SELECT * FROM t',
    'VALUES (1)',
    'WITH x AS (SELECT 1) SELECT * FROM x',
    'WITH x(a) AS (SELECT 1) INSERT INTO t(a) SELECT a FROM x',
    'REPLACE INTO t VALUES (1, 2)',
    'INSERT INTO t VALUES (1, 2) RETURNING a',
    'UPDATE t SET a = 1',
    'DELETE FROM t',
    'BEGIN',
    'BEGIN DEFERRED TRANSACTION',
    'BEGIN IMMEDIATE',
    'BEGIN EXCLUSIVE',
    'BEGIN TRANSACTION READONLY',
    'COMMIT',
    'END',
    'ROLLBACK',
    'SAVEPOINT a',
    'RELEASE a',
    'CREATE TABLE u (a)',
    'CREATE INDEX i ON t (b)',
    'ALTER TABLE t ADD COLUMN c',
    'DROP VIEW v',
    'PRAGMA user_version = 3',
    'PRAGMA user_version',
    'PRAGMA foreign_keys = off',
    'PRAGMA table_info(t)',
  ]
  for (const sql of statements) {
    const statement = db.prepare(sql)
    const [[isReadOnly] = []] = [...readOnly.iterate([sql])]
    expect(kindOf(sql).writes, sql).toBe(isReadOnly === 0)
    expect(statement).toBeDefined()
  }
  db.close()
})

test('rows are counted for what changes rows, and a row has an id where one is inserted', () => {
  expect(kindOf('INSERT INTO t VALUES (1)')).toMatchObject({ changesRows: true, inserts: true })
  expect(kindOf('WITH x AS (SELECT 1) DELETE FROM t')).toMatchObject({
    changesRows: true,
    inserts: false,
  })
  expect(kindOf('CREATE TABLE t AS SELECT 1')).toMatchObject({ changesRows: false, writes: true })
})

test('an explained statement does nothing', () => {
  expect(kindOf('EXPLAIN DELETE FROM t')).toMatchObject({ writes: false, changesRows: false })
  expect(kindOf('EXPLAIN QUERY PLAN SELECT 1').selects).toBe(false)
})
