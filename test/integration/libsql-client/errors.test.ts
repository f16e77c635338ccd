import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LibsqlError, type InStatement } from '@libsql/client'
import { Endpoint } from './endpoint.ts'

let endpoint: Endpoint
let t: string
beforeAll(async () => {
  endpoint = await Endpoint.open()
  t = endpoint.tableName()
  await endpoint.client('http').executeMultiple(
    `
    CREATE TABLE ${t} (id INTEGER PRIMARY KEY, a TEXT NOT NULL UNIQUE CHECK (a <> ''),
      n INTEGER, parent REFERENCES ${t}(id)) STRICT;
    CREATE TRIGGER ${t}_refuse BEFORE INSERT ON ${t} WHEN new.a = 'refused' BEGIN
      SELECT RAISE(ABORT, 'not this one');
    END;
    INSERT INTO ${t} (id, a) VALUES (1, 'first');
  `.replace('parent REFERENCES', 'parent INTEGER REFERENCES'),
  )
})
afterAll(async () => {
  await endpoint.close()
})

describe.each(['http', 'ws'] as const)('errors over %s', (scheme) => {
  test('every constraint is SQLITE_CONSTRAINT, told apart by its text', async () => {
    const client = endpoint.client(scheme)
    const violations: readonly (readonly [string, RegExp])[] = [
      [`INSERT INTO ${t} (a) VALUES ('first')`, /UNIQUE constraint failed/],
      [`INSERT INTO ${t} (id, a) VALUES (1, 'x')`, /UNIQUE constraint failed/],
      [`INSERT INTO ${t} (a) VALUES (NULL)`, /NOT NULL constraint failed/],
      [`INSERT INTO ${t} (a) VALUES ('')`, /CHECK constraint failed/],
      [`INSERT INTO ${t} (a, parent) VALUES ('x', 99)`, /FOREIGN KEY constraint failed/],
      [`INSERT INTO ${t} (a, n) VALUES ('x', 'text')`, /cannot store TEXT value in INTEGER column/],
      [`INSERT INTO ${t} (a) VALUES ('refused')`, /not this one/],
    ]
    for (const [sql, text] of violations) {
      const error: unknown = await client.execute(sql).catch((reason: unknown) => reason)
      expect(error, sql).toBeInstanceOf(LibsqlError)
      expect(error, sql).toMatchObject({ name: 'LibsqlError', code: 'SQLITE_CONSTRAINT' })
      expect((error as LibsqlError).message, sql).toMatch(text)
      expect((error as LibsqlError).extendedCode, sql).toBeUndefined()
      expect((error as LibsqlError).rawCode, sql).toBeUndefined()
    }
  })

  test('what this kind of server does not run is a parse error', async () => {
    const client = endpoint.client(scheme)
    const refused = [
      'selec 1',
      'PRAGMA journal_mode = delete',
      'PRAGMA synchronous = off',
      'PRAGMA wal_checkpoint',
      'PRAGMA optimize',
      'VACUUM',
      'ANALYZE',
      "ATTACH 'other.db' AS other",
      'CREATE TEMP TABLE x (a)',
    ]
    for (const sql of refused) {
      await expect(client.execute(sql), sql).rejects.toMatchObject({ code: 'SQL_PARSE_ERROR' })
    }
  })

  test('pragmas that concern the stream or only read are allowed', async () => {
    const client = endpoint.client(scheme)
    for (const sql of ['journal_mode', 'synchronous', 'foreign_keys', `table_info(${t})`]) {
      const { rows } = await client.execute(`PRAGMA ${sql}`)
      expect(rows.length, sql).toBeGreaterThan(0)
    }
    for (const sql of ['foreign_keys = off', 'defer_foreign_keys = on']) {
      await client.execute(`PRAGMA ${sql}`)
    }
    expect((await client.execute('PRAGMA foreign_keys')).rows[0]?.[0]).toBe(1)
  })

  test('arguments must be as many as the parameters', async () => {
    const client = endpoint.client(scheme)
    const wrong: readonly InStatement[] = [
      { sql: 'SELECT ?', args: [] },
      { sql: 'SELECT ?', args: [1, 2] },
      { sql: 'SELECT :a', args: { b: 1 } },
      { sql: 'SELECT 1', args: [1] },
    ]
    for (const statement of wrong) {
      await expect(client.execute(statement)).rejects.toMatchObject({ code: 'ARGS_INVALID' })
    }
  })

  test('an empty text and several statements are refused', async () => {
    const client = endpoint.client(scheme)
    await expect(client.execute(' -- ')).rejects.toMatchObject({ code: 'SQL_NO_STATEMENT' })
    await expect(client.execute('SELECT 1; SELECT 2')).rejects.toMatchObject({
      code: 'SQL_MANY_STATEMENTS',
    })
  })

  test('a text that the engine could not bear does not harm the server', async () => {
    const client = endpoint.client(scheme)
    const texts = ['SELECT 1 \0', "SELECT CAST(x'ff' AS TEXT)", 'SELECT char(55296)', '\uFFFE']
    for (const sql of texts) {
      await expect(client.execute(sql), sql).rejects.toBeInstanceOf(LibsqlError)
    }
    await expect(client.execute('SELECT ?', ['a\0b'])).rejects.toBeInstanceOf(LibsqlError)
    expect((await client.execute('SELECT 1')).rows).toHaveLength(1)
  })

  test('an answer of more than 10 MB is refused, and the client goes on', async () => {
    const client = endpoint.client(scheme)
    const sql =
      'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20) SELECT hex(zeroblob(500000)) FROM c'
    await expect(client.execute(sql)).rejects.toMatchObject({ code: 'RESPONSE_TOO_LARGE' })
    expect((await client.execute('SELECT 1')).rows).toHaveLength(1)
  })
})
