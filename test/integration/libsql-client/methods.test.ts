import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LibsqlError, type Client } from '@libsql/client'
import { Endpoint } from './endpoint.ts'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await Endpoint.open()
})
afterAll(async () => {
  await endpoint.close()
})

describe.each(['http', 'ws'] as const)('@libsql/client over %s', (scheme) => {
  let client: Client
  let t: string
  beforeEach(async () => {
    client = endpoint.client(scheme)
    t = endpoint.tableName()
    await client.execute(`CREATE TABLE ${t} (id INTEGER PRIMARY KEY, a TEXT)`)
  })

  const all = async (): Promise<unknown[]> =>
    (await client.execute(`SELECT a FROM ${t} ORDER BY id`)).rows.map((row) => row['a'])

  test('execute takes text, text with arguments, objects, and arguments by place or name', async () => {
    await client.execute(`INSERT INTO ${t} (a) VALUES ('1')`)
    await client.execute(`INSERT INTO ${t} (a) VALUES (?)`, ['2'])
    await client.execute(`INSERT INTO ${t} (a) VALUES (:a)`, { a: '3' })
    await client.execute({ sql: `INSERT INTO ${t} (a) VALUES (?)`, args: ['4'] })
    for (const sigil of [':', '@', '$']) {
      await client.execute({ sql: `INSERT INTO ${t} (a) VALUES (${sigil}a)`, args: { a: sigil } })
      const args = { [`${sigil}a`]: `${sigil}${sigil}` }
      await client.execute({ sql: `INSERT INTO ${t} (a) VALUES (${sigil}a)`, args })
    }
    await client.execute({ sql: `INSERT INTO ${t} (a) VALUES (?2 || ?1)`, args: ['x', 'y'] })
    expect(await all()).toEqual(['1', '2', '3', '4', ':', '::', '@', '@@', '$', '$$', 'yx'])
  })

  test('a result has columns, declared types, rows by index and name, counts and the row id', async () => {
    const inserted = await client.execute(`INSERT INTO ${t} VALUES (7, 'x'), (8, 'y')`)
    expect(inserted.rowsAffected).toBe(2)
    expect(inserted.lastInsertRowid).toBe(8n)
    const read = await client.execute(`SELECT id, a, a AS b, id + 1 FROM ${t} ORDER BY id`)
    expect(read.columns).toEqual(['id', 'a', 'b', 'id + 1'])
    expect(read.columnTypes).toEqual(['INTEGER', 'TEXT', 'TEXT', ''])
    expect(read.rowsAffected).toBe(0)
    const [row] = read.rows
    expect(row?.[0]).toBe(7)
    expect(row?.['a']).toBe('x')
    expect(row?.['b']).toBe('x')
    expect(row?.[3]).toBe(8)
    expect(row?.length).toBe(4)
    expect({ ...row }).toEqual({ id: 7, a: 'x', b: 'x', 'id + 1': 8 })
    expect(read.toJSON()).toMatchObject({ columns: ['id', 'a', 'b', 'id + 1'] })
  })

  test('RETURNING gives rows and the right count', async () => {
    const result = await client.execute(
      `INSERT INTO ${t} (a) VALUES ('x'), ('y') RETURNING *, upper(a) AS up`,
    )
    expect(result.rowsAffected).toBe(2)
    expect(result.rows.map((row) => ({ ...row }))).toEqual([
      { id: 1, a: 'x', up: 'X' },
      { id: 2, a: 'y', up: 'Y' },
    ])
    const updated = await client.execute(`UPDATE ${t} SET a = 'z' RETURNING id`)
    expect([updated.rowsAffected, updated.rows.length]).toEqual([2, 2])
  })

  test('batch takes texts, objects and tuples in every mode, and is one transaction', async () => {
    for (const mode of ['write', 'deferred'] as const) {
      const results = await client.batch(
        [
          `INSERT INTO ${t} (a) VALUES ('1')`,
          { sql: `INSERT INTO ${t} (a) VALUES (?)`, args: ['2'] },
          { sql: `INSERT INTO ${t} (a) VALUES (:a)`, args: { a: '3' } },
          [`INSERT INTO ${t} (a) VALUES (?)`, ['4']],
          `SELECT count(*) AS n FROM ${t}`,
        ],
        mode,
      )
      expect(results.map((result) => result.rowsAffected)).toEqual([1, 1, 1, 1, 0])
    }
    const [read] = await client.batch([`SELECT count(*) AS n FROM ${t}`], 'read')
    expect(read?.rows[0]?.['n']).toBe(8)
    expect(await client.batch([])).toEqual([])
  })

  test('a batch that fails leaves nothing, and says at which statement', async () => {
    const batch = client.batch(
      [`INSERT INTO ${t} VALUES (1, 'x')`, `INSERT INTO ${t} VALUES (1, 'y')`, 'SELECT 1'],
      'write',
    )
    await expect(batch).rejects.toMatchObject({
      name: 'LibsqlBatchError',
      code: 'SQLITE_CONSTRAINT',
      statementIndex: 1,
    })
    expect(await all()).toEqual([])
  })

  test('migrate runs without foreign keys and leaves them on', async () => {
    const child = endpoint.tableName()
    await client.migrate([
      `CREATE TABLE ${child} (p REFERENCES ${t}(id))`,
      `INSERT INTO ${child} VALUES (1)`,
    ])
    await expect(client.execute(`INSERT INTO ${child} VALUES (2)`)).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
    })
    expect((await client.execute(`SELECT * FROM ${child}`)).rows).toHaveLength(1)
  })

  test('executeMultiple runs every statement, triggers and comments included', async () => {
    await client.executeMultiple(`
      -- one; two
      INSERT INTO ${t} (a) VALUES ('1;2');
      CREATE TRIGGER ${t}_trigger AFTER INSERT ON ${t} WHEN new.a = 'go' BEGIN
        INSERT INTO ${t} (a) VALUES ('first');
        INSERT INTO ${t} (a) VALUES (CASE new.a WHEN 'go' THEN 'second' END);
      END;
      INSERT INTO ${t} (a) VALUES ('go');
    `)
    expect(await all()).toEqual(['1;2', 'go', 'first', 'second'])
  })

  test('executeMultiple ends at the first statement that fails', async () => {
    const running = client.executeMultiple(
      `INSERT INTO ${t} VALUES (1, 'a'); INSERT INTO ${t} VALUES (1, 'b'); INSERT INTO ${t} VALUES (2, 'c')`,
    )
    await expect(running).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    expect(await all()).toEqual(['a'])
  })

  test('many statements at once are all answered, whatever the concurrency', async () => {
    for (const concurrency of [1, 20, undefined]) {
      const limited = endpoint.client(scheme, concurrency === undefined ? {} : { concurrency })
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => limited.execute('SELECT ? AS i', [i])),
      )
      expect(answers.map((answer) => answer.rows[0]?.['i'])).toEqual(
        Array.from({ length: 100 }, (_, i) => i),
      )
    }
  })

  test('concurrent writers are all heard', async () => {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        i % 2 === 0
          ? client.execute(`INSERT INTO ${t} (a) VALUES ('x')`)
          : client.batch([`INSERT INTO ${t} (a) VALUES ('x')`], 'write'),
      ),
    )
    expect(await all()).toHaveLength(50)
  })

  test('sync is for replicas only, the protocol is told', async () => {
    // It throws before it returns a promise.
    await expect((async () => client.sync())()).rejects.toMatchObject({
      code: 'SYNC_NOT_SUPPORTED',
    })
    expect(client.protocol).toBe(scheme)
  })

  test('a closed client refuses, and reconnects', async () => {
    expect(client.closed).toBe(false)
    client.close()
    expect(client.closed).toBe(true)
    await expect(client.execute('SELECT 1')).rejects.toBeInstanceOf(LibsqlError)
    // Over a WebSocket it returns a promise, whatever its type says.
    await Promise.resolve(client.reconnect())
    expect(client.closed).toBe(false)
    expect((await client.execute('SELECT 1 AS one')).rows[0]?.['one']).toBe(1)
    client.close()
  })
})
