/** Encrypted columns: ciphertext everywhere but in the client. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, increment } from '../../../src/client/index.ts'
import {
  AP,
  codeOf,
  EU,
  failure,
  market,
  openMarket,
  US,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

const SECRET = 'Klaus-Bärbel Geheimnis'

beforeAll(async () => {
  open = await openMarket()
  const { residents, diaries } = open.us.tenant('acme')
  await residents.insertMany([
    { id: 'r1', name: SECRET, born: new Date(7), papers: ['p1', SECRET], street: 'open' },
    { id: 'r2', name: 'Ann', street: 'open' },
    { id: 'r3', name: SECRET, born: null, street: 'other' },
  ])
  await open.us.secrets.insert({ id: 's1', value: 2n ** 62n })
  await diaries.insert({ id: 'd1', page: SECRET })
  await open.meridian.settle()
})

afterAll(() => open.meridian.close())

describe('an encrypted column', () => {
  it('is plain to every client, in all modes', async () => {
    for (const db of [open.us, open.eu, open.ap]) {
      expect(await db.tenant('acme').residents.get('r1')).toEqual({
        id: 'r1',
        name: SECRET,
        born: new Date(7),
        papers: ['p1', SECRET],
        picture: null,
        street: 'open',
      })
      expect(await db.secrets.get('s1')).toEqual({ id: 's1', value: 2n ** 62n })
      expect(await db.tenant('acme').diaries.get('d1')).toMatchObject({ page: SECRET })
    }
  })

  it('is found again by its exact value', async () => {
    const { residents } = open.eu.tenant('acme')
    const found = await residents.list({ where: { name: SECRET } })
    expect(found.rows.map((row) => row.id)).toEqual(['r1', 'r3'])
    const both = await residents.list({ where: { name: SECRET, street: 'other' } })
    expect(both.rows.map((row) => row.id)).toEqual(['r3'])
    expect((await residents.list({ where: { name: { eq: 'Nobody' } } })).rows).toEqual([])
    expect((await open.ap.secrets.list({ where: { value: 2n ** 62n } })).rows).toHaveLength(1)
  })

  it('is paged through when it is looked for', async () => {
    const { residents } = open.us.tenant('acme')
    const options = { where: { name: SECRET }, limit: 1 }
    const first = await residents.list(options)
    const second = await residents.list({ ...options, cursor: first.cursor as string })
    expect([...first.rows, ...second.rows].map((row) => row.id)).toEqual(['r1', 'r3'])
    expect(second.cursor).toBeNull()
  })

  it('is replaced by an update, and found under its new value alone', async () => {
    const { residents } = open.us.tenant('acme')
    expect(await residents.update('r2', { name: 'Bea', born: new Date(9) })).toMatchObject({
      name: 'Bea',
      born: new Date(9),
    })
    expect((await residents.list({ where: { name: 'Ann' } })).rows).toEqual([])
    expect((await residents.list({ where: { name: 'Bea' } })).rows).toHaveLength(1)
    await residents.update('r2', { born: null })
    expect((await residents.get('r2'))?.born).toBeNull()
  })

  it('decrypts in queries under any alias, in views and in transactions', async () => {
    const acme = open.us.tenant('acme')
    const rows = await acme.query((q) =>
      q
        .selectFrom('residents as r')
        .select(['r.id as key', 'r.name as who', 'r.born as day', 'r.papers as more'])
        .where('r.id', '=', 'r1'),
    )
    expect(rows).toEqual([{ key: 'r1', who: SECRET, day: new Date(7), more: ['p1', SECRET] }])
    const nested = await acme.query((q) =>
      q
        .with('x', (db) => db.selectFrom('residents').select(['name as inner', 'id']))
        .selectFrom('x')
        .select('inner')
        .where('id', '=', 'r1'),
    )
    expect(nested).toEqual([{ inner: SECRET }])
    expect(await acme.view('names').list()).toContainEqual({
      id: 'r1',
      name: SECRET,
      street: 'open',
    })
    await acme.transaction('pinned', async (tx) => {
      expect((await tx.residents.get('r1'))?.name).toBe(SECRET)
      tx.residents.update('r1', { name: 'changed' })
      expect((await tx.residents.get('r1'))?.name).toBe('changed')
      tx.residents.update('r1', { name: SECRET })
    })
  })

  it('lets plain columns of its row change', async () => {
    const { diaries } = open.us.tenant('acme')
    expect(await diaries.update('d1', { likes: increment(1) })).toMatchObject({
      page: SECRET,
      likes: 1,
    })
  })

  it.each([
    ['compared', { where: { name: { gt: 'A' } } }],
    ['compared for difference', { where: { name: { ne: 'A' } } }],
    ['looked for without an index', { where: { papers: ['p1'] } }],
    ['ordered', { orderBy: { name: 'asc' as const } }],
  ])('cannot be %s', async (_what, options) => {
    const call = open.us.tenant('acme').residents.list(options)
    const error = await failure(call)
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.fix).toBeDefined()
  })

  it('is no condition of a write', async () => {
    const call = open.us
      .tenant('acme')
      .residents.update('r1', { street: 'x' }, { if: { name: SECRET } })
    expect(await codeOf(call)).toBe('INVALID_ARGUMENT')
  })
})

describe('a value in a store', () => {
  it('is ciphertext in every file of every region', async () => {
    const folder = open.meridian.directory
    let plain = 0
    for (const place of [folder, ...[US, EU, AP].map((region) => join(folder, region))]) {
      for (const entry of await readdir(place, { withFileTypes: true })) {
        if (!entry.isFile()) continue
        const bytes = await readFile(join(place, entry.name))
        expect(bytes.includes(SECRET)).toBe(false)
        expect(bytes.includes('Geheimnis')).toBe(false)
        if (bytes.includes('open')) plain++
      }
    }
    expect(plain).toBeGreaterThan(0)
  })

  it('that is no cell of its place fails with DECRYPT_FAILED, by every way to read it', async () => {
    const acme = open.us.tenant('acme')
    await acme.residents.insertMany([
      { id: 'x1', name: 'one', street: 's' },
      { id: 'x2', name: 'two', street: 's' },
    ])
    const { compiled } = open.meridian.deployment
    const table = compiled.tableByName.get('residents')
    const key = `c${table?.columnByName.get('id')?.id}`
    const name = `c${table?.columnByName.get('name')?.id}`
    const spoil = async (expression: string, id: string): Promise<void> => {
      const { store } = open.meridian.deployment.node(US)
      const sql = `UPDATE ${table?.physicalName} SET ${name} = ${expression} WHERE ${key} = '${id}'`
      await store.write([
        { sql: 'UPDATE _tx SET capture = 0', args: [] },
        { sql, args: [] },
      ])
    }
    const options = { consistency: 'stale' } as const
    const get = (id: string): PromiseLike<unknown> => acme.residents.get(id, options)
    const query = (id: string): PromiseLike<unknown> =>
      acme.query((q) => q.selectFrom('residents').select('name as n').where('id', '=', id), options)
    // Bytes in the clear.
    await spoil(`CAST('in the clear' AS BLOB)`, 'x1')
    expect(await failure(get('x1'))).toMatchObject({ code: 'DECRYPT_FAILED', retry: 'never' })
    expect(await codeOf(query('x1'))).toBe('DECRYPT_FAILED')
    expect(await codeOf(acme.residents.list({ where: { street: 's' }, ...options }))).toBe(
      'DECRYPT_FAILED',
    )
    // Another row's cell.
    const other = `(SELECT ${name} FROM ${table?.physicalName} WHERE ${key} = 'x2')`
    await spoil(other, 'x1')
    expect(await codeOf(get('x1'))).toBe('DECRYPT_FAILED')
    // A flipped last byte.
    await spoil(`CAST(substr(${name}, 1, length(${name}) - 1) || X'00' AS BLOB)`, 'x2')
    expect(await codeOf(get('x2'))).toBe('DECRYPT_FAILED')
    expect(await codeOf(query('x2'))).toBe('DECRYPT_FAILED')
    await acme.residents.delete('x1')
    await acme.residents.delete('x2')
  })

  it('in a plain column of bytes passes, even when it looks like a cell', async () => {
    const { residents } = open.us.tenant('acme')
    const picture = Uint8Array.of(0xf1, 0xe1, 0xdc, 0xe1, 1, 2, 3)
    await residents.insert({ id: 'pic', name: 'x', street: 's', picture })
    expect((await residents.get('pic'))?.picture).toEqual(picture)
    const rows = await open.us
      .tenant('acme')
      .query((q) => q.selectFrom('residents').select('picture').where('id', '=', 'pic'))
    expect(rows).toEqual([{ picture }])
  })
})

describe('a client without keys', () => {
  it('cannot use encrypted columns, and can use all others', async () => {
    const deployment = { ...open.meridian.deployment, keyWrapper: () => undefined }
    await using client = await connect({ schema: market, region: US, deployment })
    const { residents, orders } = client.tenant('acme')
    const write = residents.insert({ id: 'k', name: 'x', street: 's' })
    expect(await failure(write)).toMatchObject({ code: 'KEYS_NOT_CONFIGURED', retry: 'never' })
    expect(await codeOf(residents.get('r1'))).toBe('KEYS_NOT_CONFIGURED')
    expect(await codeOf(residents.list({ where: { name: SECRET } }))).toBe('KEYS_NOT_CONFIGURED')
    await orders.insert({ id: 'k', label: 'x' })
    expect(await orders.get('k')).toBeDefined()
  })
})
