/** Optimistic transactions: conflicts, retries, the overlay, idempotency. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { increment, type Database } from '../../../src/client/index.ts'
import { codeOf, failure, openMarket, type Market, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
})

afterAll(() => open.meridian.close())

const MODES = [
  ['pinned', 'orders'],
  ['strong', 'accounts'],
  ['eventual', 'carts'],
] as const

type Mode = (typeof MODES)[number][0]
type Name = (typeof MODES)[number][1]
type Handle = ReturnType<Database<Market>['tenant']>['accounts']
interface Tx {
  get(key: string): Promise<{ amount: number; label: string } | undefined>
  getMany(keys: readonly string[]): Promise<readonly ({ amount: number } | undefined)[]>
  insert(row: object): void
  insertMany(rows: readonly object[]): void
  upsert(row: object): void
  update(key: string, changes: object, options?: object): void
  delete(key: string, options?: object): void
}

/** What the modes share, over one table of each. */
function run<R>(
  mode: Mode,
  name: Name,
  fn: (tx: Tx) => Promise<R> | R,
  options: { readonly maxAttempts?: number; readonly idempotencyKey?: string } = {},
  db: Database<Market> = open.us,
): PromiseLike<R> {
  const acme = db.tenant('acme')
  return acme.transaction(mode, (tx) => fn((tx as unknown as Record<Name, Tx>)[name]), options)
}

function handle(name: Name, db = open.us): Handle {
  return db.tenant('acme')[name] as unknown as Handle
}

describe.each(MODES)('a %s transaction', (mode, name) => {
  it('commits all its writes, and gives what fn returned', async () => {
    await handle(name).insert({ id: 'a', label: 'x', amount: 5 })
    const value = await run(mode, name, async (tx) => {
      const row = await tx.get('a')
      tx.update('a', { amount: (row?.amount ?? 0) + 1 })
      tx.insert({ id: 'b', label: 'y' })
      tx.delete('nothing')
      return row?.amount
    })
    expect(value).toBe(5)
    const rows = await handle(name).getMany(['a', 'b'])
    expect(rows.map((row) => row?.amount)).toEqual([6, 0])
  })

  it('writes nothing when one of its writes is refused, or fn throws', async () => {
    await handle(name).upsert({ id: 'c', label: 'x' })
    const refused = run(mode, name, (tx) => {
      tx.insert({ id: 'd', label: 'x' })
      tx.insert({ id: 'c', label: 'x' })
    })
    expect(await codeOf(refused)).toBe('ALREADY_EXISTS')
    const thrown = run(mode, name, (tx) => {
      tx.insert({ id: 'd', label: 'x' })
      throw new Error('mine')
    })
    expect((await failure(thrown)).message).toBe('mine')
    expect(await handle(name).get('d')).toBeUndefined()
  })

  it('sees its own writes over what it has read', async () => {
    await handle(name).upsert({ id: 'e', label: 'x', amount: 1 })
    const seen = await run(mode, name, async (tx) => {
      tx.update('e', { label: 'y' })
      const updated = await tx.get('e')
      tx.upsert({ id: 'e', label: 'z' })
      const replaced = await tx.get('e')
      tx.delete('e')
      const deleted = await tx.get('e')
      tx.insertMany([{ id: 'e', label: 'again' }])
      const [inserted, missing] = await tx.getMany(['e', 'nobody'])
      return [updated, replaced, deleted, inserted, missing]
    })
    expect(seen).toMatchObject([
      { label: 'y', amount: 1 },
      { label: 'z', amount: 0 },
      undefined,
      { label: 'again' },
      undefined,
    ])
    expect((await handle(name).get('e'))?.label).toBe('again')
  })

  it('runs again when a row that it read has changed, and loses no update', async () => {
    await handle(name).upsert({ id: 'f', label: 'x', amount: 0 })
    let runs = 0
    const adding = Array.from({ length: 8 }, () =>
      run(
        mode,
        name,
        async (tx) => {
          runs += 1
          const row = await tx.get('f')
          tx.update('f', { amount: (row?.amount ?? 0) + 1 })
        },
        { maxAttempts: 50 },
      ),
    )
    await Promise.all(adding)
    expect((await handle(name).get('f'))?.amount).toBe(8)
    expect(runs).toBeGreaterThan(8)
  })

  it('ends with CONFLICT after its last attempt', async () => {
    await handle(name).upsert({ id: 'g', label: 'x' })
    let runs = 0
    const losing = run(
      mode,
      name,
      async (tx) => {
        runs += 1
        await tx.get('g')
        await handle(name).update('g', { label: String(runs) })
        tx.update('g', { note: 'lost' })
      },
      { maxAttempts: 3 },
    )
    expect(await failure(losing)).toMatchObject({ code: 'CONFLICT', retry: 'safe' })
    expect(runs).toBe(3)
    expect((await handle(name).get('g'))?.note).toBeNull()
  })

  it('notices a row that came where it saw none', async () => {
    let runs = 0
    await run(mode, name, async (tx) => {
      runs += 1
      const found = await tx.get('h')
      if (found === undefined) await handle(name).insert({ id: 'h', label: 'theirs' })
      if (found === undefined) tx.insert({ id: 'h', label: 'mine' })
    })
    expect(runs).toBe(2)
    expect((await handle(name).get('h'))?.label).toBe('theirs')
  })

  it('that only reads gives one consistent state', async () => {
    const transfer = async (from: string, to: string): Promise<void> => {
      await run(
        mode,
        name,
        async (tx) => {
          const [a, b] = await tx.getMany([from, to])
          tx.update(from, { amount: (a?.amount ?? 0) - 1 })
          tx.update(to, { amount: (b?.amount ?? 0) + 1 })
        },
        { maxAttempts: 100 },
      )
    }
    await handle(name).insertMany([
      { id: 'left', label: 'x', amount: 50 },
      { id: 'right', label: 'x', amount: 50 },
    ])
    const sums: number[] = []
    const reading = Array.from({ length: 10 }, async () => {
      const sum = await run(
        mode,
        name,
        async (tx) => {
          const left = await tx.get('left')
          const right = await tx.get('right')
          return (left?.amount ?? 0) + (right?.amount ?? 0)
        },
        { maxAttempts: 100 },
      )
      sums.push(sum)
    })
    await Promise.all([...reading, transfer('left', 'right'), transfer('right', 'left')])
    expect(sums).toEqual(Array.from({ length: 10 }, () => 100))
  })

  it('is refused as a whole by a condition', async () => {
    await handle(name).upsert({ id: 'i', label: 'x', amount: 1 })
    const refused = run(mode, name, (tx) => {
      tx.insert({ id: 'i2', label: 'x' })
      tx.update('i', { label: 'y' }, { if: { amount: { gt: 1 } } })
    })
    expect(await codeOf(refused)).toBe('CONDITION_FAILED')
    expect(await handle(name).get('i2')).toBeUndefined()
  })

  it('is over once fn has returned', async () => {
    let kept: Tx | undefined
    await run(mode, name, (tx) => {
      kept = tx
      tx.upsert({ id: 'j', label: 'x' })
    })
    expect(() => kept?.delete('j')).toThrow(expect.objectContaining({ code: 'TRANSACTION_CLOSED' }))
    expect(await codeOf(kept?.get('j') as PromiseLike<unknown>)).toBe('TRANSACTION_CLOSED')
  })

  it('that touches nothing is no call', async () => {
    expect(await run(mode, name, () => 'nothing')).toBe('nothing')
  })

  it('answers a repetition under its key with the first outcome', async () => {
    await handle(name).upsert({ id: 'k', label: 'x', amount: 0 })
    const add = (): PromiseLike<string> =>
      run(
        mode,
        name,
        (tx) => {
          tx.update('k', { note: 'n' })
          tx.insert({ id: 'k2', label: 'x' })
          return 'done'
        },
        { idempotencyKey: `key-${name}` },
      )
    await add()
    await handle(name).update('k', { note: 'later' })
    expect(await add()).toBe('done')
    expect((await handle(name).get('k'))?.note).toBe('later')
  })

  it('keeps its key over attempts that met a conflict', async () => {
    await handle(name).upsert({ id: 'l', label: 'x', amount: 0 })
    let runs = 0
    const options = { idempotencyKey: `conflict-${name}` }
    await run(
      mode,
      name,
      async (tx) => {
        runs += 1
        const row = await tx.get('l')
        if (runs === 1) await handle(name).update('l', { amount: 10 })
        tx.update('l', { amount: (row?.amount ?? 0) + 1 })
      },
      options,
    )
    expect(runs).toBe(2)
    expect((await handle(name).get('l'))?.amount).toBe(11)
    const other = run(mode, name, (tx) => tx.update('l', { amount: 0 }), options)
    expect(await codeOf(other)).toBe('IDEMPOTENCY_REUSED')
    expect((await handle(name).get('l'))?.amount).toBe(11)
  })
})

describe('a transaction', () => {
  it('has the tables of its mode and scope, and no others', async () => {
    const acme = open.us.tenant('acme') as unknown as {
      transaction(mode: string, fn: (tx: Record<string, Tx>) => unknown): PromiseLike<unknown>
    }
    expect(await codeOf(acme.transaction('pinned', (tx) => tx['carts']))).toBe('MODE_MISMATCH')
    expect(await codeOf(acme.transaction('strong', (tx) => tx['plans']))).toBe('MODE_MISMATCH')
    expect(await codeOf(acme.transaction('strong', (tx) => tx['nothing']))).toBe('UNKNOWN_TABLE')
    expect(await codeOf(acme.transaction('quantum', () => 1))).toBe('INVALID_ARGUMENT')
  })

  it('runs on global tables', async () => {
    await open.us.transaction('strong', (tx) => {
      tx.plans.insert({ id: 'p', label: 'x' })
    })
    await open.us.transaction('eventual', (tx) => {
      tx.posts.insert({ id: 'p', label: 'x' })
      tx.posts.update('p', { likes: increment(2) })
    })
    expect(await open.us.posts.get('p')).toMatchObject({ likes: 2 })
    expect(await open.us.plans.get('p')).toMatchObject({ label: 'x' })
  })

  it('of pinned rows runs from any region, judged at their home', async () => {
    const orders = open.us.tenant('acme').orders
    await orders.insert({ id: 'far', label: 'x', amount: 1 })
    const adding = [open.us, open.eu, open.ap].map((db) =>
      run(
        'pinned',
        'orders',
        async (tx) => {
          const row = await tx.get('far')
          tx.update('far', { amount: (row?.amount ?? 0) + 1 })
        },
        { maxAttempts: 50 },
        db,
      ),
    )
    await Promise.all(adding)
    expect((await orders.get('far'))?.amount).toBe(4)
  })

  it('has a deadline over all its attempts, and sends nothing behind it', async () => {
    const orders = open.us.tenant('acme').orders
    const late = open.us.tenant('acme').transaction(
      'pinned',
      async (tx) => {
        await new Promise((resolve) => {
          setTimeout(resolve, 60)
        })
        tx.orders.insert({ id: 'late', label: 'x' })
      },
      { deadlineMs: 20 },
    )
    expect(await failure(late)).toMatchObject({ code: 'DEADLINE_EXCEEDED', retry: 'safe' })
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
    expect(await orders.get('late')).toBeUndefined()
  })

  it('is refused when it has too many operations', async () => {
    const large = open.us.tenant('acme').transaction('pinned', (tx) => {
      tx.stock.insertMany(
        Array.from({ length: 10_001 }, (_, item) => ({ place: 'x', item, count: 0 })),
      )
    })
    expect(await codeOf(large)).toBe('TRANSACTION_TOO_LARGE')
  })
})
