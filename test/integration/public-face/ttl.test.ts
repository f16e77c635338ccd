/** An expired row is absent at its instant in every path, and swept later. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AP,
  codeOf,
  EU,
  openMarket,
  loggedChanges,
  storedRows,
  US,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
})

afterAll(() => open.meridian.close())

const LIFE_MS = 60_000

const TABLES = [
  ['pinned', 'orders'],
  ['strong', 'accounts'],
  ['strong, global', 'plans'],
  ['eventual', 'carts'],
  ['eventual, global', 'posts'],
] as const

type Name = (typeof TABLES)[number][1]
type Handle = ReturnType<typeof open.us.tenant>['orders']

function handle(name: Name, db = open.us): Handle {
  const table = name === 'plans' || name === 'posts' ? db[name] : db.tenant('acme')[name]
  return table as unknown as Handle
}

function soon(): Date {
  return new Date(open.meridian.clock.nowMs() + LIFE_MS)
}

/** The log's time moves with its records: a write makes it now. */
async function pass(): Promise<void> {
  open.meridian.clock.advance(LIFE_MS)
  await open.us.plans.upsert({ id: 'tick', label: 'tick' })
  await open.us.tenant('acme').accounts.upsert({ id: 'tick', label: 'tick' })
}

function rowsQuery(name: Name, label: string): PromiseLike<readonly unknown[]> {
  const global = name === 'plans' || name === 'posts'
  if (global) {
    return open.us.query((q) => q.selectFrom(name).select('id').where('label', '=', label))
  }
  return open.us
    .tenant('acme')
    .query((q) => q.selectFrom(name).select('id').where('label', '=', label))
}

describe.each(TABLES)('an expired row of a %s table', (_mode, name) => {
  it('is absent at its instant for get, list and query', async () => {
    const label = `live-${name}`
    await handle(name).insert({ id: 'a', label, expiresAt: soon() })
    await handle(name).insert({ id: 'b', label })
    expect(await handle(name).get('a')).toBeDefined()
    expect(await rowsQuery(name, label)).toHaveLength(2)
    await pass()
    expect(await handle(name).get('a')).toBeUndefined()
    expect(await handle(name).getMany(['a', 'b'])).toMatchObject([undefined, { id: 'b' }])
    expect((await handle(name).list({ where: { label } })).rows).toMatchObject([{ id: 'b' }])
    expect(await rowsQuery(name, label)).toEqual([{ id: 'b' }])
  })

  it('is absent for writes: NOT_FOUND to an update, room for an insert', async () => {
    await handle(name).insert({ id: 'c', label: 'old', note: 'old', expiresAt: soon() })
    await pass()
    expect(await codeOf(handle(name).update('c', { label: 'x' }))).toBe('NOT_FOUND')
    await handle(name).delete('c', { if: { label: 'nothing' } })
    await handle(name).insert({ id: 'c', label: 'new' })
    expect(await handle(name).get('c')).toMatchObject({ label: 'new', note: null, expiresAt: null })
  })

  it('is read as absent by a transaction', async () => {
    await handle(name).insert({ id: 'd', label: 'old', expiresAt: soon() })
    await pass()
    if (name === 'orders') {
      const seen = await open.us.tenant('acme').transaction('pinned', async (tx) => {
        const row = await tx.orders.get('d')
        if (row === undefined) tx.orders.insert({ id: 'd', label: 'new' })
        return row
      })
      expect(seen).toBeUndefined()
      expect((await handle(name).get('d'))?.label).toBe('new')
    } else expect(await handle(name).get('d')).toBeUndefined()
  })

  it('is swept later in every region, with the cause ttl', async () => {
    const label = `swept-${name}`
    await handle(name).insert({ id: 'e', label, expiresAt: soon() })
    await pass()
    await open.meridian.settle()
    await open.meridian.sweep()
    await open.meridian.settle()
    const table = open.meridian.deployment.compiled.tableByName.get(name)
    for (const region of [US, EU, AP]) {
      const visible = table?.consistency === 'eventual' ? 'AND _visible = 1' : ''
      const column = `c${table?.columnByName.get('label')?.id}`
      const left = await storedRows(
        open,
        region,
        `SELECT 1 FROM ${table?.physicalName} WHERE ${column} = '${label}' ${visible}`,
      )
      expect(left).toEqual([])
      const deletions = (await loggedChanges(open, region)).filter(
        (change) => change.tableId === table?.id && change.op === 'delete' && change.key[0] === 'e',
      )
      expect([...new Set(deletions.map((change) => change.cause))]).toEqual(['ttl'])
    }
  })
})

describe('a row', () => {
  it('leaves views at its instant', async () => {
    const { orders } = open.us.tenant('acme')
    await orders.insert({ id: 'v1', label: 'viewed', amount: 5, expiresAt: soon() })
    await orders.insert({ id: 'v2', label: 'viewed', amount: 7 })
    const totals = open.us.tenant('acme').view('totals')
    expect(await totals.get({ label: 'viewed' })).toMatchObject({ total: 12, orders: 2 })
    open.meridian.clock.advance(LIFE_MS)
    expect(await totals.get({ label: 'viewed' })).toMatchObject({ total: 7, orders: 1 })
    await open.meridian.sweep()
    await open.meridian.settle()
    for (const db of [open.us, open.eu, open.ap]) {
      const group = await db.tenant('acme').view('totals').get({ label: 'viewed' })
      expect(group).toMatchObject({ total: 7, orders: 1 })
    }
  })

  it('that is inserted after its instant is never there', async () => {
    const past = new Date(open.meridian.clock.nowMs() - 1)
    await open.us.tenant('acme').orders.insert({ id: 'past', label: 'x', expiresAt: past })
    expect(await open.us.tenant('acme').orders.get('past')).toBeUndefined()
  })

  it('lives on when its instant is moved or taken away', async () => {
    const { orders } = open.us.tenant('acme')
    await orders.insert({ id: 'm', label: 'x', expiresAt: soon() })
    await orders.update('m', { expiresAt: null })
    open.meridian.clock.advance(2 * LIFE_MS)
    await open.meridian.sweep()
    expect(await orders.get('m')).toBeDefined()
  })

  it('keeps no unique value once it has expired', async () => {
    const { orders } = open.us.tenant('acme')
    await orders.insert({ id: 'u1', label: 'x', serial: 'same', expiresAt: soon() })
    open.meridian.clock.advance(LIFE_MS)
    await orders.insert({ id: 'u2', label: 'x', serial: 'same' })
    expect((await orders.get('u2'))?.serial).toBe('same')
  })
})
