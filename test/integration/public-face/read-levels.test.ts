/** Every read level in every mode, from home and from elsewhere, and wishes in order. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ReadConsistency, Receipted } from '../../../src/client/index.ts'
import {
  AP,
  codeOf,
  EU,
  failure,
  openMarket,
  refusal,
  US,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

/** One way: us-east to eu-west 8 ms, us-east to ap-south 19 ms, eu-west to ap-south 12 ms. */
const DELAY_SCALE = 0.2

beforeAll(async () => {
  open = await openMarket({ delayScale: DELAY_SCALE })
  await open.us.tenant('acme').orders.insert({ id: 'o', label: 'x' })
  await open.us.tenant('acme').carts.insert({ id: 'o', label: 'x' })
  await open.us.plans.insert({ id: 'o', label: 'x' })
  await open.meridian.settle()
  for (const db of [open.us, open.eu, open.ap]) await db.tenant('acme').orders.get('o')
})

afterAll(() => open.meridian.close())

type Read = (consistency: ReadConsistency) => Promise<Receipted<{ label: string } | undefined>>

const pinned =
  (region: 'us' | 'eu' | 'ap'): Read =>
  (consistency) =>
    open[region].tenant('acme').orders.get('o', { consistency }).withReceipt()
const strong =
  (region: 'us' | 'eu' | 'ap'): Read =>
  (consistency) =>
    open[region].plans.get('o', { consistency }).withReceipt()
const eventual =
  (region: 'us' | 'eu' | 'ap'): Read =>
  (consistency) =>
    open[region].tenant('acme').carts.get('o', { consistency }).withReceipt()

describe('a pinned read', () => {
  it.each(['strong', 'session', { maxStalenessMs: 1 }, 'stale'] as const)(
    'at home is served there at %s',
    async (level) => {
      const { value, receipt } = await pinned('us')(level)
      expect(value?.label).toBe('x')
      expect(receipt).toMatchObject({ level, region: US, source: 'home', crossRegionRoundTrips: 0 })
      expect(receipt.stalenessMs).toBe(level === 'stale' ? null : 0)
    },
  )

  it('from elsewhere at strong goes home: one round trip', async () => {
    const { value, receipt } = await pinned('eu')('strong')
    expect(value?.label).toBe('x')
    expect(receipt).toMatchObject({ region: US, source: 'home', crossRegionRoundTrips: 1 })
    expect(receipt.stalenessMs).toBe(0)
  })

  it('from elsewhere under a session that is met comes from the replica', async () => {
    const { value, receipt } = await pinned('eu')('session')
    expect(value?.label).toBe('x')
    expect(receipt).toMatchObject({ region: EU, source: 'replica', crossRegionRoundTrips: 0 })
    expect(receipt.stalenessMs).toBeGreaterThan(0)
  })

  it('from elsewhere under a bound comes from the replica, or from home when that is older', async () => {
    const near = await pinned('eu')({ maxStalenessMs: 5_000 })
    expect(near.receipt).toMatchObject({ region: EU, source: 'replica' })
    expect(near.receipt.stalenessMs).toBeLessThanOrEqual(5_000)
    const far = await pinned('eu')({ maxStalenessMs: 0.001 })
    expect(far.receipt).toMatchObject({ region: US, source: 'home', stalenessMs: 0 })
  })

  it('at stale says what is here', async () => {
    const { receipt } = await pinned('ap')('stale')
    expect(receipt).toMatchObject({ region: AP, source: 'replica', stalenessMs: null })
  })
})

describe('a strong read', () => {
  it('at strong costs the round trips to the log, and sees every write that was acknowledged', async () => {
    await open.us.plans.upsert({ id: 'seen', label: 'now' })
    const { value, receipt } = await open.ap.plans
      .get('seen', { consistency: 'strong', session: open.ap.session() })
      .withReceipt()
    expect(value?.label).toBe('now')
    expect(receipt).toMatchObject({ region: AP, source: 'log', stalenessMs: 0 })
    expect(receipt.crossRegionRoundTrips).toBeGreaterThan(0)
  })

  it.each(['session', 'stale'] as const)('at %s costs none', async (level) => {
    const { receipt } = await strong('ap')(level)
    expect(receipt).toMatchObject({ level, region: AP, source: 'log', crossRegionRoundTrips: 0 })
  })

  it('under a bound is proved by the log', async () => {
    const { receipt } = await strong('us')({ maxStalenessMs: 50 })
    expect(receipt.stalenessMs).toBe(0)
  })
})

describe('an eventual read', () => {
  it('has no strong level', async () => {
    const error = await failure(eventual('us')('strong'))
    expect(error.code).toBe('MODE_MISMATCH')
    expect(error.fix).toBeDefined()
  })

  it.each(['session', 'stale'] as const)('at %s is local in every region', async (level) => {
    for (const region of ['us', 'eu', 'ap'] as const) {
      const { value, receipt } = await eventual(region)(level)
      expect(value?.label).toBe('x')
      expect(receipt).toMatchObject({ source: 'home', crossRegionRoundTrips: 0 })
    }
  })

  it('under a bound waits until every region is as fresh, and proves it', async () => {
    const { receipt } = await eventual('eu')({ maxStalenessMs: 500 })
    expect(receipt.stalenessMs).toBeLessThanOrEqual(500)
  })

  it('under a bound that nobody can meet fails typed, within its deadline', async () => {
    const { carts } = open.eu.tenant('acme')
    const error = await refusal(() =>
      carts.get('o', { consistency: { maxStalenessMs: 1 }, deadlineMs: 500 }),
    )
    expect(error).toMatchObject({
      code: 'STALENESS_NOT_MET',
      retry: 'safe',
      receipt: { level: { maxStalenessMs: 1 }, region: EU, crossRegionRoundTrips: 0 },
    })
    expect(error.elapsedMs).toBeLessThan(5_000)
  })
})

describe('a list of wishes', () => {
  it('gives the first that can be had', async () => {
    const { receipt } = await pinned('eu')([
      { level: 'session', withinMs: 1_000 },
      { level: 'stale' },
    ])
    expect(receipt.level).toBe('session')
  })

  it('goes on when the time of a wish is over', async () => {
    const { value, receipt } = await pinned('eu')([
      { level: 'strong', withinMs: 3 },
      { level: 'stale' },
    ])
    expect(value?.label).toBe('x')
    expect(receipt).toMatchObject({ level: 'stale', region: EU })
  })

  it('goes on when a wish cannot be had at all', async () => {
    const { receipt } = await eventual('ap')([{ level: 'strong' }, { level: 'session' }])
    expect(receipt.level).toBe('session')
  })

  it('fails with what kept the last one', async () => {
    const error = await failure(
      open.eu.tenant('acme').carts.get('o', {
        consistency: [{ level: 'strong' }, { level: { maxStalenessMs: 1 }, withinMs: 50 }],
      }),
    )
    expect(['STALENESS_NOT_MET', 'DEADLINE_EXCEEDED']).toContain(error.code)
  })

  it.each([
    ['an empty list', []],
    ['an unknown level', 'fresh'],
    ['a bound of 0', { maxStalenessMs: 0 }],
    ['an infinite bound', { maxStalenessMs: Infinity }],
    ['null', null],
    ['a time of 0', [{ level: 'stale', withinMs: 0 }]],
    ['a wish that is none', [5]],
  ])('is refused when it is %s', async (_what, consistency) => {
    expect(await codeOf(pinned('us')(consistency as unknown as ReadConsistency))).toBe(
      'INVALID_ARGUMENT',
    )
  })
})

describe('a query', () => {
  it('over several modes is as weak as the weakest', async () => {
    const read = (level: ReadConsistency): Promise<Receipted<unknown>> =>
      open.us
        .tenant('acme')
        .query(
          (q) =>
            q
              .selectFrom('orders')
              .innerJoin('plans', 'plans.id', 'orders.id')
              .select('orders.label'),
          { consistency: level },
        )
        .withReceipt()
    expect((await read('session')).receipt.stalenessMs).toBeNull()
    const fresh = await read('strong')
    expect(fresh.value).toEqual([{ label: 'x' }])
    expect(fresh.receipt).toMatchObject({ source: 'log', stalenessMs: 0 })
  })

  it('at strong over pinned rows of elsewhere goes home', async () => {
    const { receipt } = await open.ap
      .tenant('acme')
      .query((q) => q.selectFrom('orders').select('id'), { consistency: 'strong' })
      .withReceipt()
    expect(receipt).toMatchObject({ region: US, crossRegionRoundTrips: 1 })
  })
})
