/** Every method of a table handle, in all three modes and both scopes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  add,
  appendText,
  decrement,
  increment,
  insertText,
  max,
  min,
  remove,
  replaceText,
} from '../../../src/client/index.ts'
import { codeOf, failure, openMarket, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
})

afterAll(() => open.meridian.close())

const TABLES = [
  ['pinned', 'orders'],
  ['strong, of a tenant', 'accounts'],
  ['strong, global', 'plans'],
  ['eventual, of a tenant', 'carts'],
  ['eventual, global', 'posts'],
] as const

type Name = (typeof TABLES)[number][1]

/** The handles share what the test uses of them; their row types differ in columns it does not. */
function handle(name: Name, client = open.us): ReturnType<typeof open.us.tenant>['accounts'] {
  const table = name === 'plans' || name === 'posts' ? client[name] : client.tenant('acme')[name]
  return table as unknown as ReturnType<typeof open.us.tenant>['accounts']
}

describe.each(TABLES)('a %s table', (_mode, name) => {
  it('gives an inserted row back with its defaults, and undefined for a missing one', async () => {
    await handle(name).insert({ id: 'a1', label: 'x' })
    expect(await handle(name).get('a1')).toMatchObject({
      id: 'a1',
      label: 'x',
      note: null,
      amount: 0,
      wide: null,
      weight: null,
      paid: null,
      at: null,
      photo: null,
      extra: null,
      expiresAt: null,
    })
    expect(await handle(name).get('missing')).toBeUndefined()
  })

  it('gives every value back as it was, in its type', async () => {
    const row = {
      id: 'values',
      label: 'ünï 😀 \u{1F468}\u200D\u{1F469}',
      note: '',
      amount: Number.MIN_SAFE_INTEGER,
      wide: 2n ** 63n - 1n,
      weight: 1.1e-300,
      paid: false,
      at: new Date(-1),
      photo: Uint8Array.of(0, 1, 255),
      extra: { a: 1, b: ['x'] },
      expiresAt: new Date('9999-12-31T23:59:59.999Z'),
    }
    await handle(name).insert(row)
    const found = await handle(name).get('values')
    expect(found).toMatchObject(row)
    expect(Object.getPrototypeOf(found?.photo)).toBe(Uint8Array.prototype)
    await handle(name).upsert({ ...row, id: 'values', wide: -(2n ** 63n), extra: null })
    expect(await handle(name).get('values')).toMatchObject({ wide: -(2n ** 63n), extra: null })
  })

  it('gives rows in the order of their keys, undefined where there is none', async () => {
    await handle(name).insertMany([
      { id: 'm1', label: '1' },
      { id: 'm2', label: '2' },
    ])
    const rows = await handle(name).getMany(['m2', 'nothing', 'm1', 'm2'])
    expect(rows.map((row) => row?.label)).toEqual(['2', undefined, '1', '2'])
  })

  it('refuses a second row with a key and keeps the first', async () => {
    await handle(name).insert({ id: 'twice', label: 'first' })
    expect(await codeOf(handle(name).insert({ id: 'twice', label: 'second' }))).toBe(
      'ALREADY_EXISTS',
    )
    expect((await handle(name).get('twice'))?.label).toBe('first')
  })

  it('inserts many rows all or none', async () => {
    await handle(name).insert({ id: 'n2', label: 'there' })
    const rows = ['n1', 'n2', 'n3'].map((id) => ({ id, label: 'new' }))
    expect(await codeOf(handle(name).insertMany(rows))).toBe('ALREADY_EXISTS')
    expect((await handle(name).getMany(['n1', 'n2', 'n3'])).map((row) => row?.label)).toEqual([
      undefined,
      'there',
      undefined,
    ])
  })

  it('upserts a row that is missing, and replaces one that is there', async () => {
    await handle(name).upsert({ id: 'u', label: 'one', amount: 1, note: 'n' })
    await handle(name).upsert({ id: 'u', label: 'two' })
    expect(await handle(name).get('u')).toMatchObject({ label: 'two', amount: 0, note: null })
  })

  it('updates columns and answers with the row after it; a missing one is NOT_FOUND', async () => {
    await handle(name).insert({ id: 'up', label: 'a', amount: 1 })
    expect(await handle(name).update('up', { label: 'b', note: 'n' })).toMatchObject({
      id: 'up',
      label: 'b',
      note: 'n',
      amount: 1,
    })
    const error = await failure(handle(name).update('gone', { label: 'b' }))
    expect(error).toMatchObject({ code: 'NOT_FOUND', retry: 'never' })
    expect(error.fix).toBeDefined()
  })

  it('deletes a row, and a missing one as well', async () => {
    await handle(name).insert({ id: 'del', label: 'a' })
    await handle(name).delete('del')
    await handle(name).delete('del')
    expect(await handle(name).get('del')).toBeUndefined()
    await handle(name).insert({ id: 'del', label: 'again' })
    expect((await handle(name).get('del'))?.label).toBe('again')
  })

  it('writes only where the condition holds', async () => {
    await handle(name).insert({ id: 'if', label: 'open', amount: 5 })
    await handle(name).update('if', { note: '1' }, { if: { label: 'open', amount: { gte: 5 } } })
    const refused = handle(name).update('if', { note: '2' }, { if: { amount: { lt: 5 } } })
    expect(await codeOf(refused)).toBe('CONDITION_FAILED')
    expect(await codeOf(handle(name).delete('if', { if: { note: null } }))).toBe('CONDITION_FAILED')
    expect((await handle(name).get('if'))?.note).toBe('1')
    await handle(name).delete('if', { if: { note: { ne: null } } })
    expect(await handle(name).get('if')).toBeUndefined()
  })
})

describe.each(TABLES.slice(0, 3))('the operators of a %s table', (_mode, name) => {
  it('compute with what is stored', async () => {
    await handle(name).insert({ id: 'op', label: 'm', amount: 10, weight: 1.5, wide: 1n })
    expect(
      await handle(name).update('op', {
        amount: increment(5),
        weight: decrement(0.5),
        wide: increment(2n ** 60n),
        label: max('z'),
        at: min(new Date(5)),
      }),
    ).toMatchObject({ amount: 15, weight: 1, wide: 2n ** 60n + 1n, label: 'z', at: new Date(5) })
    expect(await handle(name).update('op', { label: min('a'), amount: max(3) })).toMatchObject({
      label: 'a',
      amount: 15,
    })
  })

  it('stop at a floor', async () => {
    await handle(name).insert({ id: 'floor', label: 'm', amount: 2 })
    await handle(name).update('floor', { amount: decrement(2, { floor: 0 }) })
    const below = handle(name).update('floor', { amount: decrement(1, { floor: 0 }) })
    expect(await codeOf(below)).toBe('CONDITION_FAILED')
    expect((await handle(name).get('floor'))?.amount).toBe(0)
  })

  it('all count when they run at once', async () => {
    await handle(name).insert({ id: 'hot', label: 'm' })
    const adding = Array.from({ length: 20 }, () =>
      handle(name).update('hot', { amount: increment(1) }),
    )
    await Promise.all(adding)
    expect((await handle(name).get('hot'))?.amount).toBe(20)
  })
})

describe('the operators of an eventual table', () => {
  it('add to counters, sets and texts', async () => {
    const carts = open.us.tenant('acme').carts
    await carts.insert({ id: 'merge', label: 'x', quantity: 2, tags: ['b', 'a'], body: 'world' })
    expect(await carts.get('merge')).toMatchObject({
      quantity: 2,
      tags: ['a', 'b'],
      body: 'world',
    })
    const after = await carts.update('merge', {
      quantity: increment(3),
      tags: add('c', 'a'),
      body: [insertText(0, 'hello '), appendText('!')],
    })
    expect(after).toMatchObject({ quantity: 5, tags: ['a', 'b', 'c'], body: 'hello world!' })
    await carts.update('merge', {
      quantity: decrement(1),
      tags: remove('a'),
      body: replaceText('bye'),
    })
    expect(await carts.get('merge')).toMatchObject({
      quantity: 4,
      tags: ['b', 'c'],
      body: 'bye',
    })
  })

  it('merge what two regions did at once', async () => {
    await open.us.tenant('acme').carts.insert({ id: 'both', label: 'x', tags: ['a'] })
    await open.meridian.settle()
    open.meridian.partition('us-east', 'eu-west')
    await open.us.tenant('acme').carts.update('both', { quantity: increment(1), tags: add('u') })
    await open.eu.tenant('acme').carts.update('both', { quantity: increment(2), tags: add('e') })
    open.meridian.heal()
    await open.meridian.settle()
    for (const db of [open.us, open.eu, open.ap]) {
      expect(await db.tenant('acme').carts.get('both')).toMatchObject({
        quantity: 3,
        tags: ['a', 'e', 'u'],
      })
    }
  })
})

describe('a table with a compound key', () => {
  it('is read and written by all its key columns', async () => {
    const stock = open.us.tenant('acme').stock
    await stock.insertMany([
      { place: 'p', item: 1, count: 1 },
      { place: 'p', item: 2, count: 2 },
    ])
    expect(await stock.get({ place: 'p', item: 2 })).toEqual({ place: 'p', item: 2, count: 2 })
    expect(await stock.update({ item: 1, place: 'p' }, { count: increment(9) })).toMatchObject({
      count: 10,
    })
    await stock.delete({ place: 'p', item: 2 })
    expect(await stock.getMany([{ place: 'p', item: 2 }])).toEqual([undefined])
  })
})

describe('a unique column', () => {
  it('refuses a second row with its value', async () => {
    const { orders } = open.us.tenant('acme')
    await orders.insert({ id: 's1', label: 'x', serial: 'same' })
    const error = await failure(orders.insert({ id: 's2', label: 'x', serial: 'same' }))
    expect(error).toMatchObject({ code: 'CONSTRAINT_VIOLATED', details: { table: 'orders' } })
    expect(await orders.get('s2')).toBeUndefined()
  })
})

describe('tenants', () => {
  it('are created once, and found from every region', async () => {
    const created = await open.ap.tenants.create({ id: 'shop', home: 'eu-west' })
    const expected = {
      id: 'shop',
      home: 'eu-west',
      epoch: 1,
      tenantClass: 'default',
      regions: ['us-east', 'eu-west', 'ap-south'],
    }
    expect(created).toEqual(expected)
    expect(await open.us.tenants.get('shop')).toEqual(expected)
    expect(await open.us.tenants.get('nobody')).toBeUndefined()
    expect(await codeOf(open.us.tenants.create({ id: 'shop', home: 'us-east' }))).toBe(
      'TENANT_EXISTS',
    )
  })

  it('are created once under one idempotency key', async () => {
    const create = (): PromiseLike<unknown> =>
      open.us.tenants.create({ id: 'again', home: 'eu-west' }, { idempotencyKey: 'k' })
    expect(await create()).toEqual(await create())
  })

  it('keep their rows apart', async () => {
    await open.us.tenants.create({ id: 'other', home: 'us-east' })
    await open.us.tenant('acme').orders.insert({ id: 'mine', label: 'x' })
    expect(await open.us.tenant('other').orders.get('mine')).toBeUndefined()
    await open.us.tenant('other').orders.insert({ id: 'mine', label: 'y' })
    expect((await open.us.tenant('acme').orders.get('mine'))?.label).toBe('x')
  })
})

describe('a pinned write from elsewhere', () => {
  it('goes to the home, also for a client that never saw the tenant', async () => {
    await open.ap.tenant('acme').orders.insert({ id: 'far', label: 'x' })
    const { receipt } = await open.ap
      .tenant('acme')
      .orders.update('far', { label: 'y' })
      .withReceipt()
    expect(receipt).toMatchObject({ region: 'us-east', source: 'home', crossRegionRoundTrips: 1 })
    expect((await open.us.tenant('acme').orders.get('far'))?.label).toBe('y')
  })
})
