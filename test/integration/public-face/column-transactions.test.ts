/** Columns that strong transactions read, from three regions, beside a counter that all increment. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { increment, max, type Database } from '../../../src/client/index.ts'
import { codeOf, failure, openMarket, type Market, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket
let regions: readonly Database<Market>[]

beforeAll(async () => {
  open = await openMarket()
  regions = [open.us, open.eu, open.ap]
})
afterAll(() => open.meridian.close())

beforeEach(async () => {
  await acme().accounts.upsert({ id: 'hot', label: 'open', weight: 0.1, amount: 0, wide: 0n })
  for (const db of regions) await acme(db).accounts.get('hot', { consistency: 'strong' })
})

function acme(db: Database<Market> = open.us): ReturnType<Database<Market>['tenant']> {
  return db.tenant('acme')
}

const ONCE = { maxAttempts: 1, deadlineMs: 60_000 }

/** Increments from every region, one after the other in each, until it is stopped. */
async function heat(): Promise<() => Promise<number>> {
  let stopped = false
  const workers = regions.map(async (db) => {
    let done = 0
    while (!stopped) {
      await acme(db).accounts.update('hot', { amount: increment(1) })
      done += 1
    }
    return done
  })
  return async () => {
    stopped = true
    return (await Promise.all(workers)).reduce((sum, one) => sum + one, 0)
  }
}

describe('columns of a row whose counter three regions increment', () => {
  it('are read and written beside it without an abort', async () => {
    const stop = await heat()
    let runs = 0
    const ids = await Promise.all(
      regions.map(async (db, at) => {
        for (let i = 0; i < 10; i++) {
          await acme(db).transaction(
            'strong',
            async (tx) => {
              runs += 1
              const row = await tx.accounts.get('hot', { columns: ['label', 'weight'] })
              expect(row).toEqual({ label: 'open', weight: 0.1 })
              tx.accounts.upsert({ id: `${at}-${i}`, label: `${row?.label}` })
              // The counter in the same transaction, and a maximum: neither is read.
              tx.accounts.update('hot', { amount: increment(1), wide: max(BigInt(i)) })
            },
            ONCE,
          )
        }
        return at
      }),
    )
    const increments = await stop()
    expect([ids.length, runs]).toEqual([3, 30])
    expect(increments).toBeGreaterThanOrEqual(30)
    const hot = await acme(open.ap).accounts.get('hot', { consistency: 'strong' })
    expect(hot).toMatchObject({ amount: increments + 30, wide: 9n, label: 'open' })
  })

  it('abort who read the row as a whole meanwhile: the counter was hot', async () => {
    const error = await failure(
      acme().transaction(
        'strong',
        async (tx) => {
          await tx.accounts.get('hot')
          await acme(open.eu).accounts.update('hot', { amount: increment(1) })
          tx.accounts.insert({ id: 'never', label: 'x' })
        },
        ONCE,
      ),
    )
    expect(error.code).toBe('CONFLICT')
    expect(await acme().accounts.get('never')).toBeUndefined()
  })

  it('abort who read them when one of them changes, and say which', async () => {
    const error = await failure(
      acme().transaction(
        'strong',
        async (tx) => {
          await tx.accounts.get('hot', { columns: ['weight', 'label'] })
          await acme(open.eu).accounts.update('hot', { label: 'closed' })
        },
        ONCE,
      ),
    )
    expect(error.code).toBe('CONFLICT')
    expect(error.details['conflicts']).toEqual([
      { table: 'accounts', key: 'hot', columns: ['label', 'weight'] },
    ])
  })
})

describe('a read of columns', () => {
  it('gives those alone, under the own writes', async () => {
    const call = acme().transaction('strong', async (tx) => {
      tx.accounts.update('hot', { amount: increment(2), note: 'mine' })
      const first = await tx.accounts.get('hot', { columns: ['note', 'id'] })
      const [second, none] = await tx.accounts.getMany(['hot', 'x'], { columns: ['amount'] })
      tx.accounts.delete('hot')
      const third = await tx.accounts.get('hot', { columns: ['note'] })
      tx.accounts.insert({ id: 'hot', label: 'again' })
      return [first, second, none, third, await tx.accounts.get('hot', { columns: ['label'] })]
    })
    expect(await call).toEqual([
      { note: 'mine', id: 'hot' },
      { amount: 2 },
      undefined,
      undefined,
      { label: 'again' },
    ])
  })

  it('does not say what other columns hold: a floor there is judged at the commit', async () => {
    let seen: unknown
    const call = acme().transaction('strong', async (tx) => {
      tx.accounts.update('hot', { amount: increment(-5, { floor: 0 }) })
      seen = await tx.accounts.get('hot', { columns: ['label'] })
    })
    expect(await codeOf(call)).toBe('CONDITION_FAILED')
    expect(seen).toEqual({ label: 'open' })
  })

  it('is answered from what was read of the row before', async () => {
    const seen = await acme().transaction('strong', async (tx) => {
      const first = await tx.accounts.get('hot', { columns: ['amount'] })
      const second = await tx.accounts.get('hot', { columns: ['label', 'amount'] })
      return [first, second, (await tx.accounts.get('hot'))?.weight]
    })
    expect(seen).toEqual([{ amount: 0 }, { label: 'open', amount: 0 }, 0.1])
  })

  it('without columns says whether the row is there', async () => {
    let runs = 0
    await acme().transaction('strong', async (tx) => {
      runs += 1
      expect(await tx.accounts.get('hot', { columns: [] })).toEqual({})
      if (runs === 1) await acme().accounts.update('hot', { label: 'other', amount: 5 })
      tx.accounts.update('hot', { amount: increment(1) })
    })
    expect(runs).toBe(1)
    expect(await acme().accounts.get('hot')).toMatchObject({ label: 'other', amount: 6 })
  })

  it('compares an encrypted column by what is stored', async () => {
    await open.us.secrets.upsert({ id: 's', value: 41n })
    let runs = 0
    const read = await open.us.transaction('strong', async (tx) => {
      runs += 1
      const row = await tx.secrets.get('s', { columns: ['value'] })
      if (runs === 1) await open.eu.secrets.upsert({ id: 's', value: 42n })
      return row
    })
    // Nothing but reads: what it returns was so at its place.
    expect([read, runs]).toEqual([{ value: 42n }, 2])
  })

  it('is refused for columns that are not there, and outside strong transactions', async () => {
    const columns = (names: unknown): Promise<unknown> =>
      codeOf(
        acme().transaction('strong', (tx) =>
          tx.accounts.get('hot', { columns: names as readonly 'label'[] }),
        ),
      )
    expect(await columns(['nothing'])).toBe('UNKNOWN_COLUMN')
    expect(await columns('label')).toBe('INVALID_ARGUMENT')
    for (const mode of ['pinned', 'eventual'] as const) {
      const name = mode === 'pinned' ? 'orders' : 'carts'
      const call = acme().transaction(mode, (tx) => {
        const table = (tx as unknown as Record<string, { get: (...of: unknown[]) => unknown }>)[
          name
        ]
        return table?.get('x', { columns: ['label'] })
      })
      expect(await codeOf(call)).toBe('MODE_MISMATCH')
    }
  })
})
