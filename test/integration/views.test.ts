/** Views of three regions against a recompute from the rows that the same region reads. */
import { expect, it } from 'vitest'
import {
  counter,
  defineSchema,
  increment,
  integer,
  isErrorCode,
  MeridianError,
  real,
  table,
  text,
  timestamp,
  type Database,
} from '../../src/client/index.ts'
import { testMeridian } from '../../src/testing/index.ts'

const schema = defineSchema({
  tables: {
    orders: table(
      {
        id: text().primaryKey(),
        day: text().optional(),
        amount: integer(),
        weight: real().optional(),
        expiresAt: timestamp().optional(),
      },
      { consistency: 'pinned', ttl: 'expiresAt' },
    ),
    plans: table(
      { id: text().primaryKey(), kind: text(), price: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    carts: table(
      { id: text().primaryKey(), title: text(), pieces: counter() },
      { consistency: 'eventual' },
    ),
  },
  views: (v) => ({
    days: v('orders')
      .groupBy('day')
      .select((a) => ({
        orders: a.count(),
        amount: a.sum('amount'),
        weight: a.sum('weight'),
        least: a.min('amount'),
        most: a.max('amount'),
      })),
    largest: v('orders').orderBy('amount', 'desc').limit(5).select('id', 'amount').acrossTenants(),
    dear: v('orders').where('amount', '>', 50).select('id', 'day'),
    kinds: v('plans')
      .groupBy('kind')
      .select((a) => ({ plans: a.count(), mean: a.avg('price'), cheapest: a.min('price') })),
    titles: v('carts')
      .groupBy('title')
      .select((a) => ({ carts: a.count(), pieces: a.sum('pieces') })),
  }),
})

const HOMES = { acme: 'us-east', bolt: 'eu-west', core: 'ap-south' }
const TENANTS = ['acme', 'bolt', 'core'] as const
const ROUNDS = 4
const WRITES = 30

/** Numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

type Db = Database<typeof schema>

async function writeOne(db: Db, pick: (below: number) => number, nowMs: number): Promise<void> {
  const tenant = db.tenant(TENANTS[pick(3)] as string)
  const id = `${pick(12)}`
  const day = [null, 'mon', 'tue'][pick(3)] ?? null
  switch (pick(8)) {
    case 0:
    case 1: {
      const expiresAt = pick(3) === 0 ? new Date(nowMs + 600_000 * (1 + pick(3))) : null
      const weight = [null, 0.1, 0.2, 1e17][pick(4)] ?? null
      await tenant.orders.upsert({ id, day, amount: pick(100), weight, expiresAt })
      return
    }
    case 2:
      await tenant.orders.delete(id)
      return
    case 3:
      await tenant.transaction('pinned', async (tx) => {
        const order = await tx.orders.get(id)
        if (order === undefined) tx.orders.insert({ id, day, amount: 1 })
        else tx.orders.update(id, { amount: order.amount + 7, day })
      })
      return
    case 4:
      await db.plans.upsert({ id, kind: ['x', 'y'][pick(2)] as string, price: pick(50) })
      return
    case 5:
      await db.plans.delete(id)
      return
    case 6:
      await tenant.carts.upsert({ id, title: ['a', 'b'][pick(2)] as string })
      return
    default:
      if (pick(4) === 0) await tenant.carts.delete(id)
      else await tenant.carts.update(id, { pieces: increment(pick(5)) })
  }
}

/** Rows by the text of a key, in the order of keys with NULL first. */
function groups<T>(rows: readonly T[], keyOf: (row: T) => string | null): [string | null, T[]][] {
  const byKey = new Map<string | null, T[]>()
  for (const row of rows) byKey.set(keyOf(row), [...(byKey.get(keyOf(row)) ?? []), row])
  return [...byKey].sort(([a], [b]) => (a === null ? -1 : b === null ? 1 : a < b ? -1 : 1))
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)

/** 1e17 swallows tenths in a double: they are summed first, and exactly enough for these numbers. */
function weightOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  if (known.length === 0) return null
  const tenths = sum(known.filter((value) => value < 1).map((value) => Math.round(value * 10)))
  const heavy = sum(known.filter((value) => value >= 1))
  return heavy === 0 ? tenths / 10 : heavy + tenths / 10
}

async function expectRecomputed(db: Db): Promise<void> {
  const every: { tenant: string; id: string; amount: number }[] = []
  for (const name of TENANTS) {
    const tenant = db.tenant(name)
    const { rows: orders } = await tenant.orders.list({ limit: 1000 })
    every.push(...orders.map(({ id, amount }) => ({ tenant: name, id, amount })))
    const days = groups(orders, (order) => order.day).map(([day, members]) => ({
      day,
      orders: members.length,
      amount: sum(members.map((order) => order.amount)),
      weight: weightOf(members.map((order) => order.weight)),
      least: Math.min(...members.map((order) => order.amount)),
      most: Math.max(...members.map((order) => order.amount)),
    }))
    const shown = await tenant.view('days').list()
    const approximate = (row: (typeof days)[number]) => ({
      ...row,
      weight: row.weight === null ? null : Number(row.weight.toPrecision(14)),
    })
    expect(shown.map(approximate)).toEqual(days.map(approximate))
    expect(await tenant.view('dear').list()).toEqual(
      orders.filter((order) => order.amount > 50).map(({ id, day }) => ({ id, day })),
    )
    const { rows: carts } = await tenant.carts.list({ limit: 1000 })
    expect(await tenant.view('titles').list()).toEqual(
      groups(carts, (cart) => cart.title).map(([title, members]) => ({
        title,
        carts: members.length,
        pieces: sum(members.map((cart) => cart.pieces)),
      })),
    )
  }
  const order = (a: (typeof every)[number], b: (typeof every)[number]): number =>
    b.amount - a.amount || (`${a.tenant} ${a.id}` < `${b.tenant} ${b.id}` ? -1 : 1)
  expect(await db.view('largest').list()).toEqual([...every].sort(order).slice(0, 5))
  const { rows: plans } = await db.plans.list({ limit: 1000 })
  expect(await db.view('kinds').list()).toEqual(
    groups(plans, (plan) => plan.kind).map(([kind, members]) => ({
      kind,
      plans: members.length,
      mean: sum(members.map((plan) => plan.price)) / members.length,
      cheapest: Math.min(...members.map((plan) => plan.price)),
    })),
  )
}

it('the views of every region equal a recompute after writes from all regions in all modes', async () => {
  await using meridian = await testMeridian({ schema })
  const regions = meridian.deployment.config.regions
  const dbs = await Promise.all(regions.map((region) => meridian.connect(region)))
  for (const [id, home] of Object.entries(HOMES)) await dbs[0]?.tenants.create({ id, home })
  await meridian.settle()
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(
      dbs.map(async (db, i) => {
        const pick = generator(31 * round + i)
        for (let n = 0; n < WRITES; n++) {
          await writeOne(db, pick, meridian.clock.nowMs()).catch((error: unknown) => {
            if (!isErrorCode(error, 'NOT_FOUND', 'CONFLICT', 'ALREADY_EXISTS')) throw error
          })
        }
      }),
    )
    await meridian.settle()
    for (const db of dbs) await expectRecomputed(db)
    meridian.clock.advance(900_000)
    // Nothing was written since: what has expired leaves a stale read too.
    for (const db of dbs) {
      const days = db.tenant('acme').view('days')
      const stale = await days.list({ consistency: 'stale' })
      expect(stale).toEqual(await days.list())
      await expectRecomputed(db)
    }
    if (round % 2 === 0) await meridian.sweep()
  }
})

it('a sum that its type cannot hold is an error of those who read it, and of nobody else', async () => {
  await using meridian = await testMeridian({ schema })
  const db = await meridian.connect('eu-west')
  for (const id of ['acme', 'bolt']) await db.tenants.create({ id, home: 'eu-west' })
  const amount = Number.MAX_SAFE_INTEGER
  for (const id of ['1', '2']) await db.tenant('acme').orders.insert({ id, day: 'mon', amount })
  await db.tenant('bolt').orders.insert({ id: '1', day: 'mon', amount })
  const codeOf = (read: PromiseLike<unknown>): Promise<unknown> =>
    Promise.resolve(read).then(
      () => undefined,
      (error: unknown) => (error instanceof MeridianError ? error.code : error),
    )
  const days = db.tenant('acme').view('days')
  expect(await codeOf(days.list())).toBe('QUERY_FAILED')
  expect(await codeOf(days.get({ day: 'mon' }))).toBe('QUERY_FAILED')
  const query = db.tenant('acme').query((q) => q.selectFrom('days').select('amount'))
  expect(await codeOf(query)).toBe('QUERY_FAILED')
  expect(await db.tenant('bolt').view('days').get({ day: 'mon' })).toMatchObject({ amount })
})
