/** Cut links: what still works, what fails and how, and that nothing is lost or doubled. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { add, increment, type Database } from '../../../src/client/index.ts'
import {
  AP,
  codeOf,
  EU,
  failure,
  openMarket,
  REGIONS,
  storedRows,
  US,
  type Market,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

/** What a call ends with whose region cannot be reached until its time is over. */
const UNREACHABLE = ['REGION_UNREACHABLE', 'DEADLINE_EXCEEDED']

beforeEach(async () => {
  open = await openMarket({ delayScale: 0.1 })
  await open.us.tenant('acme').orders.insert({ id: 'o', label: 'x' })
  await open.us.tenant('acme').carts.insert({ id: 'c', label: 'x' })
  await open.us.plans.insert({ id: 'p', label: 'x' })
  await open.meridian.settle()
  await open.eu.tenant('acme').orders.get('o')
})

afterEach(() => open.meridian.close())

/** Cuts a region off from both others. */
function isolate(region: string): void {
  for (const other of REGIONS) if (other !== region) open.meridian.partition(region, other)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

describe('while the home is cut off', () => {
  it('pinned writes from elsewhere fail safely, and local and stale work goes on', async () => {
    isolate(US)
    const write = open.eu.tenant('acme').orders.insert({ id: 'n', label: 'x' }, { deadlineMs: 100 })
    const error = await failure(write)
    expect(UNREACHABLE).toContain(error.code)
    expect(error.retry).toBe('safe')
    const strong = open.eu
      .tenant('acme')
      .orders.get('o', { consistency: 'strong', deadlineMs: 100 })
    expect(UNREACHABLE).toContain(await codeOf(strong))
    expect(await open.eu.tenant('acme').orders.get('o', { consistency: 'stale' })).toBeDefined()
    await open.us.tenant('acme').orders.insert({ id: 'n', label: 'at home' })
    await open.eu.tenant('acme').carts.update('c', { tags: add('eu') })
    open.meridian.heal()
    await open.meridian.settle()
    expect((await open.eu.tenant('acme').orders.get('n'))?.label).toBe('at home')
    expect((await open.us.tenant('acme').carts.get('c'))?.tags).toEqual(['eu'])
  })

  it('a write waits out a short cut within its deadline', async () => {
    isolate(US)
    const write = open.eu.tenant('acme').orders.insert({ id: 'n', label: 'x' })
    await pause(100)
    open.meridian.heal()
    await write
    expect((await open.us.tenant('acme').orders.get('n'))?.label).toBe('x')
  })
})

describe('a link that breaks under a pinned write', () => {
  /** How many writes have happened at home. */
  async function outcomes(): Promise<number> {
    const rows = await storedRows(open, US, 'SELECT count(*) FROM _outcomes')
    return Number(rows[0]?.[0])
  }

  /** Cuts the link once another write has happened: its answer is 400 ms from its caller then. */
  async function cutAfterOneMoreThan(before: number): Promise<void> {
    await expect.poll(outcomes, { interval: 10, timeout: 20_000 }).toBeGreaterThan(before)
    open.meridian.partition(US, EU)
  }

  beforeEach(async () => {
    await open.meridian.close()
    open = await openMarket({ delayScale: 10 })
    await open.us.tenant('acme').orders.insert({ id: 'o', label: 'x' })
    await open.eu.tenants.get('acme')
    await open.eu.tenant('acme').orders.get('o', { consistency: 'strong' })
  })

  it('leaves its outcome unknown, and the same key finds out without doubling it', async () => {
    const orders = open.eu.tenant('acme').orders
    const change = { amount: increment(1) }
    const before = await outcomes()
    const ended = failure(orders.update('o', change, { idempotencyKey: 'cut', deadlineMs: 3_000 }))
    await cutAfterOneMoreThan(before)
    const error = await ended
    expect(error.retry).toBe('unknown-outcome')
    expect(UNREACHABLE).toContain(error.code)
    expect(error.fix).toContain('idempotency key')
    open.meridian.heal()
    const row = await orders.update('o', change, { idempotencyKey: 'cut' })
    expect(row.amount).toBe(1)
    expect((await open.us.tenant('acme').orders.get('o'))?.amount).toBe(1)
  })

  it('is mended by the client itself when there is time', async () => {
    const before = await outcomes()
    const write = open.eu.tenant('acme').orders.update('o', { amount: increment(1) })
    await cutAfterOneMoreThan(before)
    await pause(20)
    open.meridian.heal()
    expect((await write).amount).toBe(1)
    expect((await open.us.tenant('acme').orders.get('o'))?.amount).toBe(1)
  })
})

describe('while the leader of the log is cut off', () => {
  it('strong writes from elsewhere fail or wait, stale reads go on, and no write happens twice', async () => {
    const { leader } = open.meridian.deployment.config.commitLog
    expect(leader).toBe(EU)
    isolate(EU)
    const write = open.us.plans.update('p', { amount: increment(1) }, { deadlineMs: 100 })
    const error = await failure(write)
    expect(error.retry).toBe('unknown-outcome')
    const strong = open.us.plans.get('p', { consistency: 'strong', deadlineMs: 100 })
    expect(['LOG_UNAVAILABLE', 'DEADLINE_EXCEEDED']).toContain(await codeOf(strong))
    expect((await open.us.plans.get('p', { consistency: 'stale' }))?.label).toBe('x')
    open.meridian.heal()
    await open.us.plans.update('p', { amount: increment(10) })
    const amount = (await open.us.plans.get('p', { consistency: 'strong' }))?.amount
    expect([10, 11]).toContain(amount)
    // The write whose outcome is unknown may still arrive, once.
    await open.meridian.settle()
    const settled = (await open.us.plans.get('p', { consistency: 'strong' }))?.amount
    expect([amount, 11]).toContain(settled)
    for (const db of [open.us, open.eu, open.ap]) {
      expect((await db.plans.get('p', { consistency: 'strong' }))?.amount).toBe(settled)
    }
  })

  it('a strong write under a key happens once, whatever became of its first attempt', async () => {
    isolate(EU)
    const add1 = (deadlineMs: number): PromiseLike<unknown> =>
      open.us.plans.update('p', { amount: increment(1) }, { idempotencyKey: 'strong', deadlineMs })
    await failure(add1(80))
    open.meridian.heal()
    await add1(5_000)
    await add1(5_000)
    expect((await open.us.plans.get('p', { consistency: 'strong' }))?.amount).toBe(1)
  })
})

describe('under cuts that come and go', () => {
  it('every acknowledged write is there once, in every region, in every mode', async () => {
    const clients: Database<Market>[] = [open.us, open.eu, open.ap]
    let cutting = true
    const cuts = (async () => {
      for (let i = 0; cutting; i++) {
        const [a, b] = [
          [US, EU],
          [US, AP],
          [EU, AP],
        ][i % 3] as [string, string]
        open.meridian.partition(a, b)
        await pause(15)
        open.meridian.heal()
        await pause(15)
      }
    })()
    const work = clients.map(async (db, region) => {
      for (let i = 0; i < 12; i++) {
        const id = `${region}-${i}`
        await db.tenant('acme').orders.insert({ id, label: 'x' })
        await db.tenant('acme').orders.update('o', { amount: increment(1) })
        await db.tenant('acme').carts.update('c', { quantity: increment(1), tags: add(id) })
        await db.plans.update('p', { amount: increment(1) })
      }
    })
    await Promise.all(work)
    cutting = false
    await cuts
    open.meridian.heal()
    await open.meridian.settle()
    for (const db of clients) {
      const acme = db.tenant('acme')
      expect((await acme.orders.list()).rows).toHaveLength(37)
      expect((await acme.orders.get('o'))?.amount).toBe(36)
      const cart = await acme.carts.get('c')
      expect(cart?.quantity).toBe(36)
      expect(cart?.tags).toHaveLength(36)
      expect((await db.plans.get('p', { consistency: 'strong' }))?.amount).toBe(36)
    }
  })
})

describe('settle', () => {
  it('says what lags when regions cannot reach each other', async () => {
    open.meridian.partition(US, AP)
    await open.us.tenant('acme').orders.insert({ id: 'lag', label: 'x' })
    const error = await failure(open.meridian.settle({ timeoutMs: 100 }))
    expect(error.code).toBe('DEADLINE_EXCEEDED')
    expect(error.message).toContain('ap-south has')
    expect(error.message).toContain('us-east')
  })
})
