/** The same folder again: after an orderly end, after a kill, with a newer schema. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  connect,
  defineSchema,
  integer,
  table,
  text,
  timestamp,
  type Database,
  type Schema,
} from '../../../src/client/index.ts'
import { openEmbedded, type EmbeddedDeployment } from '../../../src/node/embedded.ts'
import { startChild } from '../../conformance/support/child.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'
import { EU, failure, market, REGIONS, US } from '../../support/market.ts'

function open(schema: Schema, directory: string): Promise<EmbeddedDeployment> {
  const options = { directory, delayScale: 0, onNotice: () => undefined }
  return openEmbedded({ schema, writer: 'inline', ...options })
}

async function clients<S extends Schema>(
  schema: S,
  deployment: EmbeddedDeployment,
): Promise<Database<S>[]> {
  return Promise.all(REGIONS.map((region) => connect({ schema, region, deployment })))
}

async function outboxCounts(deployment: EmbeddedDeployment): Promise<unknown> {
  const counts = REGIONS.map(async (region) => {
    const sql = 'SELECT count(*), max(seq) FROM _outbox'
    const [result] = await deployment.node(region).store.read([{ sql, args: [] }])
    return result?.rows[0]
  })
  return Promise.all(counts)
}

describe('a deployment that is opened again', () => {
  it('has everything, goes on where it was, and repeats nothing', async () => {
    const directory = tempFolder()
    const first = await open(market, directory)
    const [us, eu] = (await clients(market, first)) as [
      Database<typeof market>,
      Database<typeof market>,
    ]
    await us.tenants.create({ id: 'acme', home: US })
    await us.tenant('acme').orders.insert({ id: 'o', label: 'x', amount: 3 })
    await us
      .tenant('acme')
      .carts.insert({ id: 'c', label: 'x', quantity: 2, tags: ['a'], body: 'b' })
    await us.plans.insert({ id: 'p', label: 'x', amount: 5 })
    await us.tenant('acme').residents.insert({ id: 'r', name: 'Ann', street: 's' })
    const session = us.session()
    await us.tenant('acme').orders.update('o', { note: 'n' }, { session, idempotencyKey: 'once' })
    await first.settle()
    const token = await session.export()
    const before = await outboxCounts(first)
    const sources = first.status().map((node) => [node.source, node.strongIndex])
    await us.close()
    await eu.close()
    await first.close()

    const second = await open(market, directory)
    await second.settle()
    expect(await outboxCounts(second)).toEqual(before)
    expect(second.status().map((node) => [node.source, node.strongIndex])).toEqual(sources)
    for (const db of await clients(market, second)) {
      const acme = db.tenant('acme')
      const restored = await db.importSession(token)
      expect(await acme.orders.get('o', { session: restored })).toMatchObject({
        amount: 3,
        note: 'n',
      })
      expect(await acme.carts.get('c')).toMatchObject({ quantity: 2, tags: ['a'], body: 'b' })
      expect(await db.plans.get('p', { consistency: 'strong' })).toMatchObject({ amount: 5 })
      expect(await acme.residents.list({ where: { name: 'Ann' } })).toMatchObject({
        rows: [{ id: 'r', name: 'Ann' }],
      })
      expect(await acme.view('totals').list()).toEqual([{ label: 'x', total: 3, orders: 1 }])
      // The outcome of the first life answers, so nothing is written.
      await acme.orders.update('o', { note: 'n' }, { idempotencyKey: 'once' })
    }
    expect(await outboxCounts(second)).toEqual(before)
    for (const db of await clients(market, second)) {
      await db.tenant('acme').orders.insert({ id: `new-${db.region}`, label: 'x', amount: 1 })
    }
    await second.settle()
    for (const db of await clients(market, second)) {
      const group = await db.tenant('acme').view('totals').get({ label: 'x' })
      expect(group).toEqual({ label: 'x', total: 6, orders: 4 })
    }
    await second.close()
  })

  it('keeps its lock file, its session key and its development keys to the byte', async () => {
    const directory = tempFolder()
    const files = ['meridian.lock.json', 'session.key', 'development-keyring.json']
    const read = (): Promise<string[]> =>
      Promise.all(files.map((file) => readFile(join(directory, file), 'latin1')))
    await (await open(market, directory)).close()
    const before = await read()
    await (await open(market, directory)).close()
    expect(await read()).toEqual(before)
  })

  it('says once more that its keys are development keys', async () => {
    const directory = tempFolder()
    const notices: string[] = []
    for (let i = 0; i < 2; i++) {
      const onNotice = (notice: string): void => void notices.push(notice)
      const deployment = await openEmbedded({
        schema: market,
        directory,
        delayScale: 0,
        writer: 'inline',
        onNotice,
      })
      await deployment.close()
    }
    expect(notices).toHaveLength(2)
    expect(notices[0]).toContain('development keys')
  })
})

const columns = { id: text().primaryKey(), label: text() }
const options = { consistency: 'pinned' } as const
const v1 = defineSchema({ tables: { orders: table(columns, options) } })
const v2 = defineSchema({
  tables: {
    orders: table({ ...columns, amount: integer().default(7), note: text().optional() }, options),
    plans: table(columns, { consistency: 'strong', scope: 'global' }),
  },
  views: (v) => ({
    counts: v('orders')
      .groupBy('label')
      .select((a) => ({ orders: a.count(), total: a.sum('amount') })),
  }),
})

describe('a newer schema', () => {
  it('that only adds is applied to what is there, views included', async () => {
    const directory = tempFolder()
    const first = await open(v1, directory)
    const old = await connect({ schema: v1, region: US, deployment: first })
    await old.tenants.create({ id: 'acme', home: US })
    await old.tenant('acme').orders.insert({ id: 'o1', label: 'x' })
    await first.settle()
    await first.close()

    const second = await open(v2, directory)
    await second.settle()
    for (const db of await clients(v2, second)) {
      const acme = db.tenant('acme')
      expect(await acme.orders.get('o1')).toEqual({ id: 'o1', label: 'x', amount: 7, note: null })
      expect(await acme.view('counts').list()).toEqual([{ label: 'x', orders: 1, total: 7 }])
    }
    const db = await connect({ schema: v2, region: EU, deployment: second })
    await db.tenant('acme').orders.update('o1', { amount: 9 })
    await db.plans.insert({ id: 'p', label: 'x' })
    expect(await db.tenant('acme').view('counts').list()).toMatchObject([{ total: 9 }])
    await second.close()
  })

  it('serves clients of the one before beside its own', async () => {
    const directory = tempFolder()
    const first = await open(v1, directory)
    const { lock } = first
    await first.close()
    const second = await open(v2, directory)
    const old = await connect({ schema: v1, region: US, deployment: { ...second, lock } })
    const db = await connect({ schema: v2, region: US, deployment: second })
    await old.tenants.create({ id: 'acme', home: US })
    const [before, after] = [old.tenant('acme').orders, db.tenant('acme').orders]
    await before.insert({ id: 'o1', label: 'x' })
    expect(await after.update('o1', { amount: 9, note: 'n' })).toMatchObject({ label: 'x' })
    expect(await before.update('o1', { label: 'y' })).toEqual({ id: 'o1', label: 'y' })
    expect(await after.get('o1')).toEqual({ id: 'o1', label: 'y', amount: 9, note: 'n' })
    expect((await before.list({ where: { label: 'y' } })).rows).toEqual([{ id: 'o1', label: 'y' }])
    await old.tenant('acme').transaction('pinned', async (tx) => {
      const row = await tx.orders.get('o1')
      tx.orders.insert({ id: 'o2', label: `${row?.label}!` })
    })
    expect(await after.get('o2')).toEqual({ id: 'o2', label: 'y!', amount: 7, note: null })
    await second.close()
  })

  it('that cannot hold the data is refused with the difference, and nothing is written', async () => {
    const directory = tempFolder()
    const first = await open(v1, directory)
    const db = await connect({ schema: v1, region: US, deployment: first })
    await db.tenants.create({ id: 'acme', home: US })
    await db.tenant('acme').orders.insert({ id: 'o1', label: 'x' })
    await first.settle()
    await first.close()
    const lock = await readFile(join(directory, 'meridian.lock.json'), 'utf8')
    const bad = [
      defineSchema({ tables: { orders: table({ ...columns, label: integer() }, options) } }),
      defineSchema({ tables: { orders: table({ ...columns, more: text() }, options) } }),
      defineSchema({ tables: { orders: table(columns, { consistency: 'eventual' }) } }),
      defineSchema({
        tables: { orders: table({ id: text(), label: text().primaryKey() }, options) },
      }),
    ]
    for (const schema of bad) {
      const error = await failure(open(schema, directory))
      expect(error).toMatchObject({ code: 'SCHEMA_INCOMPATIBLE', retry: 'never' })
      expect(error.message).toContain('orders')
      expect(error.fix).toBeDefined()
    }
    expect(await readFile(join(directory, 'meridian.lock.json'), 'utf8')).toBe(lock)
    const again = await open(v1, directory)
    const same = await connect({ schema: v1, region: US, deployment: again })
    expect(await same.tenant('acme').orders.get('o1')).toEqual({ id: 'o1', label: 'x' })
    await again.close()
  })

  it.each([
    [
      'an encrypted counter',
      () =>
        table(
          { ...columns, n: (integer() as never as { encrypted(): never }).encrypted() },
          { consistency: 'eventual', ttl: 'gone' as never },
        ),
    ],
    ['TTL on a missing column', () => table(columns, { ...options, ttl: 'nothing' as never })],
    ['TTL on a text', () => table(columns, { ...options, ttl: 'label' as never })],
    [
      'TTL on an encrypted column',
      () => table({ ...columns, at: timestamp().encrypted() }, { ...options, ttl: 'at' as never }),
    ],
  ])('with %s is refused before any file is made', async (_what, declare) => {
    const error = await failure(
      Promise.resolve().then(() => defineSchema({ tables: { orders: declare() as never } })),
    )
    expect(error).toMatchObject({ code: 'SCHEMA_INVALID' })
    expect(error.fix).toBeDefined()
  })
})

/** Rows of each table: more than a program can write while it is being killed. */
const LOADED = 400

describe('a load that is killed', () => {
  it('loses no acknowledged row, doubles none, and can be run again', async () => {
    const directory = tempFolder()
    const program = '../../integration/programs/load-market.ts'
    const killed = startChild(program, directory, String(LOADED))
    await vi.waitUntil(() => killed.lines.length >= 40, { timeout: 60_000, interval: 5 })
    await killed.kill()
    const acknowledged = killed.lines.filter((line) => line.startsWith('r'))
    expect(acknowledged.length).toBeLessThan(LOADED)

    const deployment = await open(market, directory)
    await deployment.settle()
    for (const db of await clients(market, deployment)) {
      for (const list of [db.tenant('acme').orders, db.tenant('acme').carts, db.plans]) {
        const { rows } = await (list as typeof db.plans).list({ limit: 1000 })
        const ids = rows.map((row) => row.id)
        expect(ids.slice(0, acknowledged.length)).toEqual(acknowledged)
        expect(new Set(ids).size).toBe(ids.length)
      }
    }
    await deployment.close()

    const rerun = startChild(program, directory, String(LOADED))
    expect(await rerun.ended).toBe(0)
    const last = await open(market, directory)
    await last.settle()
    for (const db of await clients(market, last)) {
      const acme = db.tenant('acme')
      expect(await acme.view('totals').list()).toEqual([
        { label: 'loaded', total: LOADED, orders: LOADED },
      ])
      expect(await acme.view('cartTotals').list()).toEqual([{ label: 'loaded', pieces: LOADED }])
      expect(await db.view('planTotals').list()).toEqual([{ label: 'loaded', total: LOADED }])
    }
    await last.close()
  })
})
