/** What does not fit is refused with a code that says what to do, and nothing is written. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { increment } from '../../../src/client/index.ts'
import { failure, openMarket, writeCounts, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket
let before: string

beforeAll(async () => {
  open = await openMarket()
  await open.us.tenant('acme').orders.insert({ id: 'o', label: 'x' })
  await open.us.tenant('acme').accounts.insert({ id: 'o', label: 'x' })
  await open.us.tenant('acme').carts.insert({ id: 'o', label: 'x' })
  await open.meridian.settle()
})

beforeEach(async () => {
  before = await writeCounts(open)
})

afterEach(async () => {
  const after = await writeCounts(open)
  if (after !== before) throw new Error(`Something was written: ${before} became ${after}.`)
})

afterAll(() => open.meridian.close())

/** A table as a caller without types sees it. */
interface Untyped {
  get(key: unknown, options?: unknown): PromiseLike<unknown>
  getMany(keys: unknown): PromiseLike<unknown>
  insert(row: unknown): PromiseLike<unknown>
  insertMany(rows: unknown): PromiseLike<unknown>
  upsert(row: unknown): PromiseLike<unknown>
  update(key: unknown, changes: unknown, options?: unknown): PromiseLike<unknown>
  delete(key: unknown, options?: unknown): PromiseLike<unknown>
}

type Handles = Readonly<Record<string, Untyped>> & {
  tenant(id: unknown): Readonly<Record<string, Untyped>>
  readonly tenants: {
    create(tenant: unknown): PromiseLike<unknown>
    get(id: unknown): PromiseLike<unknown>
  }
}

function db(): Handles {
  return open.us as unknown as Handles
}

async function expectRefused(call: () => PromiseLike<unknown>, code: string): Promise<void> {
  // What is wrong with a name is thrown at once, what is wrong with a call comes with its promise.
  const error = await failure(Promise.resolve().then(call))
  expect(error).toMatchObject({ name: 'MeridianError', code })
  expect(error.fix).toMatch(/\S/)
}

describe.each(['orders', 'accounts', 'carts'] as const)('%s refuses', (name) => {
  const table = (): Untyped => db().tenant('acme')[name] as Untyped
  const row = { id: 'n', label: 'x' }

  it.each([
    ['an unknown column', { ...row, colour: 1 }, 'UNKNOWN_COLUMN'],
    ['a prototype’s name as a column', { ...row, ['__proto__x']: 1 }, 'UNKNOWN_COLUMN'],
    ['a missing column', { id: 'n' }, 'INVALID_VALUE'],
    ['a missing key', { label: 'x' }, 'INVALID_VALUE'],
    ['null for a column that is not optional', { ...row, label: null }, 'INVALID_VALUE'],
    ['undefined', { ...row, note: undefined }, 'INVALID_VALUE'],
    ['a number for text', { ...row, label: 5 }, 'INVALID_VALUE'],
    ['text for a number', { ...row, amount: '5' }, 'INVALID_VALUE'],
    ['a bigint for a number', { ...row, amount: 5n }, 'INVALID_VALUE'],
    ['a number for a bigint', { ...row, wide: 5 }, 'INVALID_VALUE'],
    ['a fraction for an integer', { ...row, amount: 1.5 }, 'INVALID_VALUE'],
    ['an integer beyond 2^53', { ...row, amount: 2 ** 53 }, 'INVALID_VALUE'],
    ['a bigint beyond 64 bits', { ...row, wide: 2n ** 63n }, 'INVALID_VALUE'],
    ['NaN', { ...row, weight: Number.NaN }, 'INVALID_VALUE'],
    ['Infinity', { ...row, weight: Infinity }, 'INVALID_VALUE'],
    ['1 for a boolean', { ...row, paid: 1 }, 'INVALID_VALUE'],
    ['a number for a timestamp', { ...row, at: 5 }, 'INVALID_VALUE'],
    ['an invalid Date', { ...row, at: new Date(Number.NaN) }, 'INVALID_VALUE'],
    ['text for bytes', { ...row, photo: 'x' }, 'INVALID_VALUE'],
    ['a function in JSON', { ...row, extra: { a: () => 1 } }, 'INVALID_VALUE'],
    ['a bigint in JSON', { ...row, extra: { a: 1n } }, 'INVALID_VALUE'],
    ['NUL in text', { ...row, label: 'a\0b' }, 'INVALID_VALUE'],
    ['a lone surrogate in text', { ...row, label: 'a\uD800b' }, 'INVALID_VALUE'],
    ['a lone surrogate in a key', { ...row, id: '\uDFFF' }, 'INVALID_VALUE'],
    ['a text that is too large', { ...row, label: 'x'.repeat(5 * 1024 * 1024) }, 'INVALID_VALUE'],
  ])('to insert, to upsert and to update: %s', async (_what, bad, code) => {
    await expectRefused(() => table().insert(bad), code)
    await expectRefused(() => table().upsert(bad), code)
    await expectRefused(() => table().insertMany([row, bad]), code)
    if (!('id' in bad && 'label' in bad) || bad.id !== 'n') return
    const changes = Object.entries(bad).filter(([column]) => column !== 'id')
    await expectRefused(() => table().update('o', Object.fromEntries(changes)), code)
  })

  it.each([null, undefined, 5, 'row', [], () => 1])('%s as a row', async (bad) => {
    await expectRefused(() => table().insert(bad), 'INVALID_VALUE')
    await expectRefused(() => table().upsert(bad), 'INVALID_VALUE')
  })

  it.each([null, undefined, 5, 'rows', {}, []])('%s as rows', async (bad) => {
    await expectRefused(() => table().insertMany(bad), 'INVALID_ARGUMENT')
  })

  it.each([null, undefined, 5, 5n, {}, ['o'], 'a\0', '\uD800'])('%s as a key', async (bad) => {
    await expectRefused(() => table().get(bad), 'INVALID_VALUE')
    await expectRefused(() => table().getMany([bad]), 'INVALID_VALUE')
    await expectRefused(() => table().update(bad, { label: 'y' }), 'INVALID_VALUE')
    await expectRefused(() => table().delete(bad), 'INVALID_VALUE')
  })

  it.each([null, undefined, 'o', {}, []])('%s as keys', async (bad) => {
    await expectRefused(() => table().getMany(bad), 'INVALID_ARGUMENT')
  })

  it.each([null, undefined, 5, 'x'])('%s as changes', async (bad) => {
    await expectRefused(() => table().update('o', bad), 'INVALID_VALUE')
  })

  it('to change the key', async () => {
    await expectRefused(() => table().update('o', { id: 'p' }), 'INVALID_VALUE')
  })

  it('an operator that its column does not have', async () => {
    await expectRefused(() => table().update('o', { label: increment(1) }), 'INVALID_VALUE')
    await expectRefused(() => table().update('o', { paid: increment(1) }), 'INVALID_VALUE')
  })

  it('a condition on an unknown column, or with an unknown comparison', async () => {
    const update = (condition: unknown) => () =>
      table().update('o', { label: 'y' }, { if: condition })
    await expectRefused(update({ colour: 1 }), 'UNKNOWN_COLUMN')
    await expectRefused(update({ amount: { near: 1 } }), 'INVALID_ARGUMENT')
    await expectRefused(update({ amount: { in: [1] } }), 'INVALID_ARGUMENT')
    await expectRefused(() => table().delete('o', { if: { amount: 'x' } }), 'INVALID_VALUE')
  })
})

describe('a counter', () => {
  it('is not replaced, and takes no fraction', async () => {
    const carts = db().tenant('acme')['carts'] as Untyped
    await expectRefused(() => carts.update('o', { quantity: 5 }), 'INVALID_VALUE')
    await expectRefused(() => carts.update('o', { quantity: increment(0.5) }), 'INVALID_VALUE')
    await expectRefused(() => carts.update('o', { tags: [5] }), 'INVALID_VALUE')
    await expectRefused(() => carts.insert({ id: 'x', label: 'x', tags: 'abc' }), 'INVALID_VALUE')
  })
})

describe('a sum', () => {
  it('beyond the range of its column is refused', async () => {
    await open.us
      .tenant('acme')
      .orders.upsert({ id: 'big', label: 'x', amount: 2 ** 53 - 1, wide: 2n ** 63n - 1n })
    await open.us.tenant('acme').accounts.upsert({ id: 'big', label: 'x', amount: 2 ** 53 - 1 })
    await open.meridian.settle()
    before = await writeCounts(open)
    const { orders } = open.us.tenant('acme')
    expect(await failure(orders.update('big', { amount: increment(1) }))).toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
    })
    expect(await failure(orders.update('big', { wide: increment(1n) }))).toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
    })
  })
})

describe('a name', () => {
  it('of a table that there is not is a typed error, not undefined', async () => {
    await expectRefused(() => db()['nothing']?.get('x') as never, 'UNKNOWN_TABLE')
    await expectRefused(() => db().tenant('acme')['nothing']?.get('x') as never, 'UNKNOWN_TABLE')
  })

  it('of a tenant’s table needs the tenant, and of a global one needs none', async () => {
    await expectRefused(() => db()['orders']?.get('x') as never, 'TENANT_REQUIRED')
    await expectRefused(() => db().tenant('acme')['plans']?.get('x') as never, 'INVALID_ARGUMENT')
  })

  it('of what the language asks of any object is undefined', async () => {
    expect((db() as unknown as { then: unknown }).then).toBeUndefined()
    expect(JSON.stringify(await Promise.resolve(open.us.tenant('acme')))).toContain('acme')
  })

  it('of a member cannot be replaced', () => {
    expect(() => Object.assign(open.us, { plans: 1 })).toThrow(TypeError)
  })
})

describe('a tenant', () => {
  it.each([undefined, null, '', 5, {}])('%s is none', async (id) => {
    await expectRefused(() => db().tenant(id)['orders']?.get('x') as never, 'TENANT_REQUIRED')
    await expectRefused(() => db().tenants.create({ id, home: 'us-east' }), 'TENANT_REQUIRED')
    await expectRefused(() => db().tenants.get(id), 'TENANT_REQUIRED')
  })

  it.each(['a\0b', '\uD800', 'x'.repeat(129)])('cannot have the id %j', async (id) => {
    await expectRefused(() => db().tenant(id)['orders']?.get('x') as never, 'INVALID_ARGUMENT')
    await expectRefused(() => db().tenants.create({ id, home: 'us-east' }), 'INVALID_ARGUMENT')
  })

  it('that there is not is TENANT_NOT_FOUND in every call', async () => {
    const ghost = db().tenant('ghost')
    await expectRefused(() => (ghost['orders'] as Untyped).get('x'), 'TENANT_NOT_FOUND')
    await expectRefused(
      () => (ghost['orders'] as Untyped).insert({ id: 'x', label: 'x' }),
      'TENANT_NOT_FOUND',
    )
    await expectRefused(
      () => (ghost['carts'] as Untyped).insert({ id: 'x', label: 'x' }),
      'TENANT_NOT_FOUND',
    )
    await expectRefused(
      () => (ghost['accounts'] as Untyped).insert({ id: 'x', label: 'x' }),
      'TENANT_NOT_FOUND',
    )
  })

  it.each([
    null,
    undefined,
    5,
    'acme',
    {},
    { id: 'x' },
    { id: 'x', home: 5 },
    { id: 'x', home: 'us-east', tenantClass: 5 },
  ])('is not created from %j', async (tenant) => {
    const error = await failure(Promise.resolve().then(() => db().tenants.create(tenant)))
    expect(['TENANT_REQUIRED', 'INVALID_ARGUMENT']).toContain(error.code)
  })
})
