import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from '@libsql/client'
import { Endpoint } from './endpoint.ts'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await Endpoint.open()
})
afterAll(async () => {
  await endpoint.close()
})

describe.each(['http', 'ws'] as const)('transactions over %s', (scheme) => {
  let client: Client
  let t: string
  beforeEach(async () => {
    client = endpoint.client(scheme)
    t = endpoint.tableName()
    await client.execute(`CREATE TABLE ${t} (a INTEGER PRIMARY KEY)`)
  })

  const all = async (): Promise<unknown[]> =>
    (await client.execute(`SELECT a FROM ${t} ORDER BY a`)).rows.map((row) => row['a'])

  test.each(['write', 'deferred'] as const)('%s: all of it is kept by commit', async (mode) => {
    const tx = await client.transaction(mode)
    await tx.execute(`INSERT INTO ${t} VALUES (1)`)
    const [, read] = await tx.batch([
      { sql: `INSERT INTO ${t} VALUES (?)`, args: [2n] },
      `SELECT count(*) AS n FROM ${t}`,
    ])
    expect(read?.rows[0]?.['n']).toBe(2)
    await tx.executeMultiple(`INSERT INTO ${t} VALUES (3); INSERT INTO ${t} VALUES (4);`)
    expect(tx.closed).toBe(false)
    await tx.commit()
    expect(tx.closed).toBe(true)
    expect(await all()).toEqual([1, 2, 3, 4])
  })

  test('rollback and close keep nothing', async () => {
    for (const end of ['rollback', 'close'] as const) {
      const tx = await client.transaction('write')
      await tx.execute(`INSERT INTO ${t} VALUES (1)`)
      await tx[end]()
      expect(tx.closed).toBe(true)
      await expect(tx.execute('SELECT 1')).rejects.toMatchObject({ code: 'TRANSACTION_CLOSED' })
      // The next writer waits for the server to have undone it.
      await client.batch([`DELETE FROM ${t} WHERE a = 99`], 'write')
      expect(await all()).toEqual([])
    }
  })

  test('a read transaction sees one state', async () => {
    await client.execute(`INSERT INTO ${t} VALUES (1)`)
    const tx = await client.transaction('read')
    const count = async (): Promise<unknown> =>
      (await tx.execute(`SELECT count(*) AS n FROM ${t}`)).rows[0]?.['n']
    expect(await count()).toBe(1)
    await client.execute(`INSERT INTO ${t} VALUES (2)`)
    expect(await count()).toBe(1)
    await tx.commit()
    expect(await all()).toEqual([1, 2])
  })

  test('a statement that fails leaves the transaction open', async () => {
    const tx = await client.transaction('write')
    await tx.execute(`INSERT INTO ${t} VALUES (1)`)
    await expect(tx.execute(`INSERT INTO ${t} VALUES (1)`)).rejects.toMatchObject({
      code: 'SQLITE_CONSTRAINT',
    })
    await tx.execute(`INSERT INTO ${t} VALUES (2)`)
    await tx.commit()
    expect(await all()).toEqual([1, 2])
  })

  test('a write transaction holds up others, which then go on', async () => {
    const tx = await client.transaction('write')
    await tx.execute(`INSERT INTO ${t} VALUES (1)`)
    const waiting = client.execute(`INSERT INTO ${t} VALUES (2)`)
    // Readers do not wait.
    expect(await all()).toEqual([])
    // A machine that stands still for 5 s sees the transaction undone for the one that waits.
    const isCommitted = await tx.commit().then(
      () => true,
      () => false,
    )
    await waiting
    expect(await all()).toEqual(isCommitted ? [1, 2] : [2])
  })

  test('a transaction that upgrades after another wrote fails as busy and writes nothing', async () => {
    const tx = await client.transaction('deferred')
    await tx.execute(`SELECT * FROM ${t}`)
    await client.execute(`INSERT INTO ${t} VALUES (1)`)
    await expect(tx.execute(`INSERT INTO ${t} VALUES (2)`)).rejects.toMatchObject({
      code: 'SQLITE_BUSY',
    })
    await tx.commit().catch(() => undefined)
    expect(await all()).toEqual([1])
  })

  test('a transaction that is too old for a waiting writer ends, and keeps nothing', async () => {
    const tx = await client.transaction('write')
    await tx.execute(`INSERT INTO ${t} VALUES (1)`)
    const waiting = client.execute(`INSERT INTO ${t} VALUES (2)`)
    await waiting
    // A machine that stands still for another 5 s sees the idle stream expire.
    await expect(tx.execute(`INSERT INTO ${t} VALUES (3)`)).rejects.toMatchObject({
      code: expect.stringMatching(/^(TRANSACTION_TIMEOUT|STREAM_EXPIRED)$/),
    })
    await tx.commit().catch(() => undefined)
    expect(await all()).toEqual([2])
  })
})
