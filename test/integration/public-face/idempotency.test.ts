/** One effect and one answer, however often a write is sent. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { increment } from '../../../src/client/index.ts'
import { codeOf, failure, openMarket, US, EU, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
})

afterAll(() => open.meridian.close())

const TABLES = ['orders', 'accounts', 'carts'] as const

describe.each(TABLES)('a write of %s under a key', (name) => {
  const table = (): ReturnType<typeof open.us.tenant>['accounts'] =>
    open.us.tenant('acme')[name] as unknown as ReturnType<typeof open.us.tenant>['accounts']

  it('answers its repetition with the first outcome, and does nothing', async () => {
    await table().insert({ id: 'a', label: 'x', amount: 0 })
    const options = { idempotencyKey: `add-${name}` }
    const change = { note: 'mine' }
    const first = await table().update('a', change, options).withReceipt()
    await table().update('a', { amount: 7, note: 'theirs' })
    const second = await table().update('a', change, options).withReceipt()
    expect(second.value).toEqual(first.value)
    expect(second.receipt.txId).toBe(first.receipt.txId)
    expect(second.receipt.hlc).toBe(first.receipt.hlc)
    expect(await table().get('a')).toMatchObject({ amount: 7, note: 'theirs' })
  })

  it('is refused with other content', async () => {
    const options = { idempotencyKey: `insert-${name}` }
    await table().insert({ id: 'b', label: 'x' }, options)
    await table().insert({ id: 'b', label: 'x' }, options)
    const error = await failure(table().insert({ id: 'b', label: 'y' }, options))
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_REUSED', retry: 'never' })
    expect(await codeOf(table().delete('b', options))).toBe('IDEMPOTENCY_REUSED')
    expect((await table().get('b'))?.label).toBe('x')
  })

  it('happens once when it is sent many times at once', async () => {
    await table().insert({ id: 'c', label: 'x' })
    const sent = Array.from({ length: 10 }, () =>
      table().insertMany([{ id: 'c1', label: 'once' }], { idempotencyKey: `many-${name}` }),
    )
    await Promise.all(sent)
    expect((await table().get('c1'))?.label).toBe('once')
  })

  it.each([
    ['empty', ''],
    ['too long', 'k'.repeat(129)],
    ['with a control character', 'a\nb'],
    ['with a lone surrogate', '\uD800'],
    ['no text', 5 as unknown as string],
  ])('is refused when the key is %s', async (_what, idempotencyKey) => {
    expect(await codeOf(table().insert({ id: 'z', label: 'x' }, { idempotencyKey }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await table().get('z')).toBeUndefined()
  })
})

describe('a key', () => {
  it('belongs to one tenant', async () => {
    await open.us.tenants.create({ id: 'other', home: US })
    const options = { idempotencyKey: 'tenant' }
    await open.us.tenant('acme').orders.insert({ id: 'k', label: 'x' }, options)
    await open.us.tenant('other').orders.insert({ id: 'k', label: 'y' }, options)
    expect((await open.us.tenant('other').orders.get('k'))?.label).toBe('y')
  })

  it('knows encrypted values again, though their ciphertext is never the same', async () => {
    const { residents } = open.us.tenant('acme')
    const options = { idempotencyKey: 'sealed' }
    const row = { id: 'r', name: 'Ann', papers: ['p'], street: 's' }
    await residents.insert(row, options)
    await residents.insert(row, options)
    expect(await codeOf(residents.insert({ ...row, name: 'Bob' }, options))).toBe(
      'IDEMPOTENCY_REUSED',
    )
    expect(await codeOf(residents.insert({ ...row, papers: ['q'] }, options))).toBe(
      'IDEMPOTENCY_REUSED',
    )
    const change = { idempotencyKey: 'rename' }
    const renamed = await residents.update('r', { name: 'Cid' }, change)
    expect(renamed).toMatchObject({ name: 'Cid' })
    expect(await residents.update('r', { name: 'Cid' }, change)).toEqual(renamed)
    expect(await codeOf(residents.update('r', { name: 'Dan' }, change))).toBe('IDEMPOTENCY_REUSED')
  })

  it('of a strong write holds in every region', async () => {
    await open.us.plans.insert({ id: 'p', label: 'x' })
    for (const db of [open.us, open.eu, open.ap]) {
      await db.plans.update('p', { amount: increment(1) }, { idempotencyKey: 'everywhere' })
    }
    expect((await open.eu.plans.get('p'))?.amount).toBe(1)
  })

  it('of a pinned write holds from every region', async () => {
    await open.us.tenants.create({ id: 'eu', home: EU })
    await open.us.tenant('eu').orders.insert({ id: 'p', label: 'x' })
    for (const db of [open.us, open.eu, open.ap]) {
      const change = { amount: increment(1) }
      await db.tenant('eu').orders.update('p', change, { idempotencyKey: 'once' })
    }
    expect((await open.eu.tenant('eu').orders.get('p'))?.amount).toBe(1)
  })

  it('is known for a day', async () => {
    const { orders, carts } = open.us.tenant('acme')
    const write = async (): Promise<void> => {
      await orders.insert({ id: 'old', label: 'x' }, { idempotencyKey: 'old-order' })
      await carts.insert({ id: 'old', label: 'x' }, { idempotencyKey: 'old-cart' })
    }
    await write()
    open.meridian.clock.advance(23.9 * 3_600_000)
    await open.meridian.sweep()
    await write()
    open.meridian.clock.advance(2 * 3_600_000)
    await open.meridian.sweep()
    // Forgotten now: what keeps it from happening twice is the row itself.
    expect(await codeOf(write())).toBe('ALREADY_EXISTS')
  })
})
