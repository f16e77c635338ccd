/** Lists within strong transactions, from three regions: no phantom, own writes, what is refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/client/index.ts'
import { codeOf, failure, openMarket, type Market, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket
let regions: readonly Database<Market>[]

beforeAll(async () => {
  open = await openMarket()
  regions = [open.us, open.eu, open.ap]
})
afterAll(() => open.meridian.close())

beforeEach(async () => {
  const { accounts } = open.us.tenant('acme')
  const { rows } = await accounts.list({ consistency: 'strong', limit: 10_000 })
  await open.us.tenant('acme').transaction('strong', (tx) => {
    for (const { id } of rows) tx.accounts.delete(id)
  })
})

function acme(db: Database<Market> = open.us): ReturnType<Database<Market>['tenant']> {
  return db.tenant('acme')
}

const MANY_ATTEMPTS = { maxAttempts: 200, deadlineMs: 60_000 }

describe('transactions of three regions that count a range and add to it', () => {
  it('never add more than the range has room for', async () => {
    const room = 4
    const claim = (db: Database<Market>, id: string): PromiseLike<boolean> =>
      acme(db).transaction(
        'strong',
        async (tx) => {
          const { rows } = await tx.accounts.list({ where: { label: 'seat' } })
          if (rows.length >= room) return false
          tx.accounts.insert({ id, label: 'seat', amount: rows.length })
          return true
        },
        MANY_ATTEMPTS,
      )
    const claims = regions.flatMap((db, at) =>
      Array.from({ length: 4 }, (_, i) => claim(db, `${at}-${i}`)),
    )
    const won = (await Promise.all(claims)).filter(Boolean).length
    const { rows } = await acme().accounts.list({
      where: { label: 'seat' },
      orderBy: { amount: 'asc' },
      consistency: 'strong',
    })
    // One after the other: each winner has seen exactly those before it.
    expect(rows.map(({ amount }) => amount)).toEqual([0, 1, 2, 3])
    expect(won).toBe(room)
  })

  it('do not both go where each may go alone (write skew)', async () => {
    await acme().accounts.insertMany([
      { id: 'a', label: 'on duty' },
      { id: 'b', label: 'on duty' },
    ])
    const leave = (db: Database<Market>, id: string): PromiseLike<boolean> =>
      acme(db).transaction(
        'strong',
        async (tx) => {
          const { rows } = await tx.accounts.list({ where: { label: 'on duty' } })
          if (rows.length < 2) return false
          tx.accounts.update(id, { label: 'off duty' })
          return true
        },
        MANY_ATTEMPTS,
      )
    // Both regions know that two are on duty before either leaves.
    for (const db of regions) await acme(db).accounts.get('b', { consistency: 'strong' })
    const left = await Promise.all([leave(open.us, 'a'), leave(open.eu, 'b')])
    expect(left.filter(Boolean)).toHaveLength(1)
  })

  it('take the first of a queue once each', async () => {
    const jobs = Array.from({ length: 9 }, (_, i) => ({ id: `job${i}`, label: 'job', amount: i }))
    await acme().accounts.insertMany(jobs)
    const take = (db: Database<Market>): PromiseLike<string | undefined> =>
      acme(db).transaction(
        'strong',
        async (tx) => {
          const { rows } = await tx.accounts.list({
            where: { label: 'job' },
            orderBy: { amount: 'asc' },
            limit: 1,
          })
          const [job] = rows
          if (job !== undefined) tx.accounts.delete(job.id)
          return job?.id
        },
        MANY_ATTEMPTS,
      )
    const taken = await Promise.all([...regions, ...regions, ...regions].map(take))
    expect(taken.toSorted((a, b) => `${a}`.localeCompare(`${b}`))).toEqual(jobs.map(({ id }) => id))
  })
})

describe('a list within a transaction', () => {
  it('has the own writes, in their place, and pages through them', async () => {
    const rows = [1, 3, 5, 7].map((n) => ({ id: `r${n}`, label: 'x', amount: n }))
    await acme().accounts.insertMany(rows)
    const seen = await acme().transaction('strong', async (tx) => {
      tx.accounts.insert({ id: 'r4', label: 'x', amount: 4 })
      tx.accounts.insert({ id: 'other', label: 'y', amount: 4 })
      tx.accounts.update('r7', { amount: 2 })
      tx.accounts.delete('r5')
      const ids: string[] = []
      let cursor: string | null = null
      do {
        const page: Awaited<ReturnType<typeof tx.accounts.list>> = await tx.accounts.list({
          where: { label: 'x' },
          orderBy: { amount: 'desc' },
          limit: 2,
          ...(cursor === null ? {} : { cursor }),
        })
        ids.push(...page.rows.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor !== null)
      return ids
    })
    expect(seen).toEqual(['r4', 'r3', 'r7', 'r1'])
  })

  it('reads rows that a later get does not ask for again', async () => {
    await acme().accounts.insert({ id: 'a', label: 'x', amount: 1 })
    const call = acme().transaction('strong', async (tx) => {
      const { rows } = await tx.accounts.list({ where: { label: 'x' } })
      tx.accounts.update('a', { amount: 2 })
      return [rows[0]?.amount, (await tx.accounts.get('a'))?.amount]
    })
    expect(await call).toEqual([1, 2])
  })

  it('runs fn again when a row came, and not when one came behind its last row', async () => {
    await acme().accounts.insert({ id: 'a', label: 'x', amount: 1 })
    let runs = 0
    const first = await acme().transaction('strong', async (tx) => {
      runs += 1
      const list = { where: { label: 'x' }, orderBy: { amount: 'asc' }, limit: 1 } as const
      const { rows, cursor } = await tx.accounts.list(list)
      expect(cursor).not.toBeNull()
      if (runs === 1) await acme().accounts.insert({ id: 'b', label: 'x', amount: 9 })
      tx.accounts.insert({ id: `found-${rows[0]?.id}`, label: 'y' })
      return rows[0]?.id
    })
    expect([first, runs]).toEqual(['a', 1])
    await acme().transaction('strong', async (tx) => {
      runs += 1
      const { rows } = await tx.accounts.list({ where: { label: 'x' } })
      if (runs === 2) await acme().accounts.insert({ id: 'c', label: 'x', amount: 5 })
      tx.accounts.insert({ id: `count-${rows.length}`, label: 'z' })
    })
    expect(runs).toBe(3)
    expect(await acme().accounts.get('count-3')).toBeDefined()
  })

  it('finds rows by an encrypted column, own ones too', async () => {
    await open.us.secrets.insert({ id: 's1', value: 7n })
    const ids = await open.us.transaction('strong', async (tx) => {
      tx.secrets.insert({ id: 's2', value: 7n })
      tx.secrets.insert({ id: 's3', value: 8n })
      const { rows } = await tx.secrets.list({ where: { value: 7n } })
      return rows.map(({ id }) => id)
    })
    expect(ids).toEqual(['s1', 's2'])
    const losing = open.us.transaction(
      'strong',
      async (tx) => {
        const { rows } = await tx.secrets.list({ where: { value: 7n } })
        await open.eu.secrets.insert({ id: `s${10 + rows.length}`, value: 7n })
        tx.secrets.delete('s1')
      },
      { maxAttempts: 1 },
    )
    const { details } = await failure(losing)
    expect(details['conflicts']).toEqual([
      { table: 'secrets', range: { where: { value: '(encrypted)' } } },
    ])
  })

  it('notices at once that a row is not as another read had it', async () => {
    await acme().accounts.insert({ id: 'a', label: 'x', amount: 1 })
    let runs = 0
    await acme().transaction('strong', async (tx) => {
      runs += 1
      const row = await tx.accounts.get('a')
      if (runs === 1) await acme().accounts.update('a', { amount: 2 })
      const { rows } = await tx.accounts.list({ where: { label: 'x' } })
      expect(rows[0]?.amount).toBe(row?.amount)
    })
    expect(runs).toBe(2)
  })
})

describe('a transaction that conflicts too often', () => {
  it('says how often it ran, and over which keys and ranges', async () => {
    await acme().accounts.insertMany([
      { id: 'a', label: 'x', amount: 1 },
      { id: 'b', label: 'y', amount: 1 },
    ])
    const range = { where: { label: 'x' }, orderBy: { amount: 'asc' }, limit: 5 } as const
    const losing = acme().transaction(
      'strong',
      async (tx) => {
        await tx.accounts.get('b')
        const { rows } = await tx.accounts.list(range)
        await tx.accounts.get('nobody')
        await acme().accounts.update('b', { note: `${rows.length}` })
        await acme().accounts.insert({ id: `more${rows.length}`, label: 'x', amount: 0 })
        tx.accounts.insert({ id: 'lost', label: 'z' })
      },
      { maxAttempts: 2 },
    )
    const error = await failure(losing)
    expect(error).toMatchObject({ code: 'CONFLICT', retry: 'safe' })
    expect(error.message).toMatch(/ran 2 times and conflicted each time, at last over `accounts`/)
    expect(error.details).toMatchObject({
      attempts: 2,
      conflicts: [
        { table: 'accounts', key: 'b' },
        { table: 'accounts', range },
      ],
    })
    expect(await acme().accounts.get('lost')).toBeUndefined()
  })

  it('goes on under its key when only what it read is new', async () => {
    await acme().accounts.insert({ id: 'a', label: 'x', amount: 1 })
    let runs = 0
    await acme().transaction(
      'strong',
      async (tx) => {
        runs += 1
        await tx.accounts.list({ where: { label: 'x' } })
        if (runs === 1) await acme().accounts.insert({ id: 'b', label: 'x' })
        tx.accounts.insert({ id: 'same', label: 'y' })
      },
      { idempotencyKey: 'same-writes', maxAttempts: 3 },
    )
    expect(runs).toBe(2)
  })
})

describe('a list is refused', () => {
  it.each(['pinned', 'eventual'] as const)('in %s transactions, with what to do', async (mode) => {
    const call = acme().transaction(mode, async (tx) => {
      const table = Object.values(tx)[0] as unknown as { list(): Promise<unknown> }
      await table.list()
    })
    const error = await failure(call)
    expect(error.code).toBe('MODE_MISMATCH')
    expect(error.fix).toMatch(/by key/)
  })

  it('when it covers more rows than a transaction may', async () => {
    const rows = Array.from({ length: 1001 }, (_, i) => ({ id: `n${i}`, label: 'many' }))
    await acme().accounts.insertMany(rows)
    const list = (limit: number, times = 1): PromiseLike<number> =>
      acme().transaction('strong', async (tx) => {
        let count = 0
        for (let i = 0; i < times; i++) {
          count += (await tx.accounts.list({ where: { label: 'many' }, limit })).rows.length
        }
        return count
      })
    expect(await list(1000)).toBe(1000)
    expect(await list(500, 2)).toBe(1000)
    expect(await codeOf(list(1001))).toBe('TRANSACTION_TOO_LARGE')
    const error = await failure(list(501, 2))
    expect(error.code).toBe('TRANSACTION_TOO_LARGE')
    expect(error.fix).toMatch(/limit/)
  })

  it('when it is none, and when the transaction is over', async () => {
    const unknown = { nothing: 1 } as Record<string, unknown>
    const wrong = acme().transaction('strong', (tx) => tx.accounts.list({ where: unknown }))
    expect(await codeOf(wrong)).toBe('UNKNOWN_COLUMN')
    let late: Promise<unknown> | undefined
    let finish = (): void => undefined
    await acme().transaction('strong', (tx) => {
      late = new Promise<void>((resolve) => {
        finish = resolve
      }).then(() => tx.accounts.list())
    })
    finish()
    expect(await codeOf(late as Promise<unknown>)).toBe('TRANSACTION_CLOSED')
  })
})
