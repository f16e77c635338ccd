/** Lists: predicates, orders, pages. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codeOf, failure, openMarket, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
  const rows = Array.from({ length: 25 }, (_, i) => ({
    id: `r${String(i).padStart(2, '0')}`,
    label: i % 2 === 0 ? 'even' : 'odd',
    note: i % 5 === 0 ? null : `n${i % 3}`,
    amount: i,
    at: new Date(1000 * i),
    paid: i % 4 === 0,
    wide: BigInt(i) * 2n ** 40n,
  }))
  await open.us.tenant('acme').orders.insertMany(rows)
  await open.us.tenant('acme').carts.insertMany(rows)
  await open.us.tenant('acme').accounts.insertMany(rows)
  await open.us.plans.insertMany(rows)
})

afterAll(() => open.meridian.close())

type List = ReturnType<typeof open.us.tenant>['orders']

/** The lists of all modes take the same options. */
function lists(): List[] {
  const acme = open.us.tenant('acme')
  return [acme.orders, acme.carts, acme.accounts, open.us.plans] as unknown as List[]
}

async function ids(list: List, options: Parameters<List['list']>[0]): Promise<string> {
  return (await list.list(options)).rows.map((row) => row.id).join(' ')
}

async function everywhere(options: Parameters<List['list']>[0]): Promise<string> {
  const answers = await Promise.all(lists().map((list) => ids(list, options)))
  expect(new Set(answers).size).toBe(1)
  return answers[0] as string
}

describe('a list', () => {
  it('comes in the order of the key, a page of 100 at most, without options', async () => {
    const { rows, cursor } = await open.us.tenant('acme').orders.list()
    expect(rows).toHaveLength(25)
    expect(rows[0]?.id).toBe('r00')
    expect(cursor).toBeNull()
  })

  it('keeps the rows for which all comparisons hold, in every mode', async () => {
    expect(await everywhere({ where: { label: 'odd', amount: { lt: 6 } } })).toBe('r01 r03 r05')
    expect(await everywhere({ where: { amount: { gt: 3, lte: 5 } } })).toBe('r04 r05')
    expect(await everywhere({ where: { id: { in: ['r07', 'r03', 'zz'] } } })).toBe('r03 r07')
    expect(await everywhere({ where: { id: { in: [] } } })).toBe('')
    expect(await everywhere({ where: { at: { gte: new Date(23_000) } } })).toBe('r23 r24')
    expect(await everywhere({ where: { wide: 3n * 2n ** 40n } })).toBe('r03')
    expect(await everywhere({ where: { paid: true, amount: { ne: 0 }, label: 'even' } })).toBe(
      'r04 r08 r12 r16 r20 r24',
    )
  })

  it('takes NULL for a value that equals itself and is in no order', async () => {
    expect(await everywhere({ where: { note: null } })).toBe('r00 r05 r10 r15 r20')
    expect(await everywhere({ where: { note: { ne: 'n1' }, amount: { lt: 6 } } })).toBe(
      'r00 r02 r03 r05',
    )
    expect(await everywhere({ where: { note: { in: ['n0', null] }, amount: { lt: 6 } } })).toBe(
      'r00 r03 r05',
    )
    expect(await everywhere({ where: { note: { lt: 'n1' }, amount: { lt: 8 } } })).toBe('r03 r06')
  })

  it('is ordered by several columns, NULL first or last, ties by the key', async () => {
    const where = { amount: { lt: 7 } }
    expect(await everywhere({ where, orderBy: { note: 'asc' } })).toBe(
      'r00 r05 r03 r06 r01 r04 r02',
    )
    expect(await everywhere({ where, orderBy: { note: 'desc' } })).toBe(
      'r02 r04 r01 r06 r03 r05 r00',
    )
    expect(await everywhere({ where, orderBy: { label: 'desc', amount: 'asc' } })).toBe(
      'r01 r03 r05 r00 r02 r04 r06',
    )
  })

  it('gives every row once over its pages, whatever the order and the size of a page', async () => {
    const column = fc.constantFrom('id', 'label', 'note', 'amount', 'at', 'paid', 'wide')
    const direction = fc.constantFrom('asc', 'desc')
    const orderBy = fc.array(fc.tuple(column, direction), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(orderBy, fc.integer({ min: 1, max: 26 }), async (order, limit) => {
        const options = { orderBy: Object.fromEntries(order) as { amount: 'asc' }, limit }
        const whole = await open.us.tenant('acme').orders.list({ ...options, limit: 100 })
        const pages: string[] = []
        let cursor: string | null | undefined
        while (cursor !== null) {
          const page = await open.us
            .tenant('acme')
            .orders.list({ ...options, ...(cursor === undefined ? {} : { cursor }) })
          expect(page.rows.length).toBeLessThanOrEqual(limit)
          pages.push(...page.rows.map((row) => row.id))
          cursor = page.cursor
        }
        expect(pages).toEqual(whole.rows.map((row) => row.id))
      }),
      { numRuns: 60 },
    )
  })

  it('goes on behind a row that is deleted meanwhile', async () => {
    const { plans } = open.us
    const first = await plans.list({ limit: 3, orderBy: { amount: 'desc' } })
    await plans.delete('r22')
    const next = await plans.list({
      limit: 2,
      orderBy: { amount: 'desc' },
      cursor: first.cursor as string,
    })
    expect(next.rows.map((row) => row.id)).toEqual(['r21', 'r20'])
    await plans.insert({ id: 'r22', label: 'even', amount: 22, note: 'n1', paid: false })
  })
})

describe('a list is refused', () => {
  const orders = (): List => open.us.tenant('acme').orders
  const untyped = (options: unknown): PromiseLike<unknown> =>
    orders().list(options as Parameters<List['list']>[0])

  it.each([
    ['an unknown column', { where: { nothing: 1 } }, 'UNKNOWN_COLUMN'],
    ['an unknown column in the order', { orderBy: { nothing: 'asc' } }, 'UNKNOWN_COLUMN'],
    ['an unknown comparison', { where: { amount: { like: 1 } } }, 'INVALID_ARGUMENT'],
    ['a value of another type', { where: { amount: 'x' } }, 'INVALID_VALUE'],
    ['undefined', { where: { amount: undefined } }, 'INVALID_VALUE'],
    ['text with NUL', { where: { label: 'a\0b' } }, 'INVALID_VALUE'],
    ['a lone surrogate', { where: { label: { in: ['\uD800'] } } }, 'INVALID_VALUE'],
    ['`in` without a list', { where: { label: { in: 'even' } } }, 'INVALID_ARGUMENT'],
    ['an unknown direction', { orderBy: { amount: 'down' } }, 'INVALID_ARGUMENT'],
    ['a comparison of JSON', { where: { extra: { eq: { a: 1 } } } }, 'INVALID_ARGUMENT'],
    ['a comparison of bytes', { where: { photo: new Uint8Array(1) } }, 'INVALID_ARGUMENT'],
    ['a limit of 0', { limit: 0 }, 'INVALID_ARGUMENT'],
    ['a limit of 10,001', { limit: 10_001 }, 'INVALID_ARGUMENT'],
    ['a limit that is text', { limit: '5' }, 'INVALID_ARGUMENT'],
    ['a made-up cursor', { cursor: 'abc' }, 'INVALID_ARGUMENT'],
    ['a cursor that is no text', { cursor: 5 }, 'INVALID_ARGUMENT'],
  ])('with %s', async (_what, options, code) => {
    const error = await failure(untyped(options))
    expect(error.code).toBe(code)
    expect(error.fix).toBeDefined()
  })

  it('with the cursor of another table or another order', async () => {
    const { cursor } = await orders().list({ limit: 1, orderBy: { amount: 'asc' } })
    const other = { limit: 1, cursor: cursor as string }
    expect(await codeOf(orders().list({ ...other, orderBy: { at: 'asc' } }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await codeOf(orders().list({ ...other, orderBy: { amount: 'desc' } }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await codeOf(open.us.plans.list({ ...other, orderBy: { amount: 'asc' } }))).toBe(
      'INVALID_ARGUMENT',
    )
  })
})
