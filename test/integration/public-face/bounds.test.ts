/** Deadlines, cancellation, closing: a call ends when it should, and says what became of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, type CallOptions } from '../../../src/client/index.ts'
import {
  AP,
  codeOf,
  EU,
  failure,
  market,
  openMarket,
  US,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

/** Far enough apart that a busy machine is not taken for a call that waited for its answer. */
const DELAY_SCALE = 10
/** A round trip of ap-south to the nearest other region takes 1,200 ms. */
const ONE_WAIT_MS = 1_000

beforeAll(async () => {
  open = await openMarket({ delayScale: DELAY_SCALE })
  await open.us.tenant('acme').orders.insert({ id: 'o', label: 'x' })
  await open.meridian.settle()
  await open.ap.tenants.get('acme')
  await open.ap.tenant('acme').orders.get('o')
})

afterAll(() => open.meridian.close())

/** Calls that wait for another region: `ONE_WAIT_MS` and more. */
const SLOW: readonly [string, (options: CallOptions) => Promise<unknown>, boolean][] = [
  [
    'a read at home',
    (o) => open.ap.tenant('acme').orders.get('o', { ...o, consistency: 'strong' }),
    false,
  ],
  [
    'a list at home',
    (o) => open.ap.tenant('acme').orders.list({ ...o, consistency: 'strong' }),
    false,
  ],
  [
    'a query at home',
    (o) =>
      open.ap
        .tenant('acme')
        .query((q) => q.selectFrom('orders').select('id'), { ...o, consistency: 'strong' }),
    false,
  ],
  [
    'a pinned write',
    (o) => open.ap.tenant('acme').orders.upsert({ id: 'slow', label: 'x' }, o),
    true,
  ],
  [
    'a pinned transaction',
    (o) =>
      open.ap
        .tenant('acme')
        .transaction('pinned', (tx) => tx.orders.upsert({ id: 'slow', label: 'x' }), o),
    true,
  ],
  ['a strong write', (o) => open.ap.plans.upsert({ id: 'slow', label: 'x' }, o), true],
  ['a strong read', (o) => open.ap.plans.get('slow', { ...o, consistency: 'strong' }), false],
  ['a tenant', (o) => open.ap.tenants.get('nobody', o), false],
]

describe.each(SLOW)('%s', (_what, call, isWrite) => {
  it('ends at its deadline, and says whether it may have happened', async () => {
    const startMs = performance.now()
    const error = await failure(call({ deadlineMs: 30 }))
    expect(error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      retry: isWrite ? 'unknown-outcome' : 'safe',
    })
    expect(error.fix).toBeDefined()
    expect(performance.now() - startMs).toBeLessThan(ONE_WAIT_MS)
  })

  it('ends when its signal aborts, with the reason as the cause', async () => {
    const controller = new AbortController()
    const running = call({ signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 20)
    const error = await failure(running)
    expect(error).toMatchObject({
      code: 'CANCELLED',
      retry: isWrite ? 'unknown-outcome' : 'never',
      cause: expect.objectContaining({ message: 'enough' }),
    })
  })

  it('is not sent when its signal had aborted', async () => {
    const error = await failure(call({ signal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'CANCELLED', retry: 'never' })
  })
})

describe('a deadline', () => {
  it.each([0, -1, Number.NaN, Infinity, '50'])('of %s is refused', async (deadlineMs) => {
    const options = { deadlineMs: deadlineMs as number }
    expect(await codeOf(open.us.tenant('acme').orders.get('o', options))).toBe('INVALID_ARGUMENT')
  })

  it('beyond what timers count is none to speak of', async () => {
    const options = { deadlineMs: 2 ** 40 }
    expect(await open.ap.tenant('acme').orders.get('o', options)).toBeDefined()
  })

  it('covers the keys of encrypted columns', async () => {
    await open.us.tenants.create({ id: 'keyless', home: AP })
    await open.ap.tenants.get('keyless')
    const startMs = performance.now()
    // The first key of a tenant goes through the log: a round trip and more.
    const call = open.ap
      .tenant('keyless')
      .residents.insert({ id: 'r', name: 'Ann', street: 's' }, { deadlineMs: 40 })
    expect(await failure(call)).toMatchObject({ code: 'DEADLINE_EXCEEDED', retry: 'safe' })
    expect(performance.now() - startMs).toBeLessThan(ONE_WAIT_MS)
    expect(await open.ap.tenant('keyless').residents.get('r')).toBeUndefined()
  })
})

describe('closing a client', () => {
  it('ends calls in flight and refuses later ones', async () => {
    const { deployment } = open.meridian
    const client = await connect({ schema: market, region: AP, deployment })
    const calls = [
      client.tenant('acme').orders.get('o', { consistency: 'strong' }),
      client.tenant('acme').orders.upsert({ id: 'closing', label: 'x' }),
      client.plans.upsert({ id: 'closing', label: 'x' }),
      client
        .tenant('acme')
        .query((q) => q.selectFrom('orders').select('id'), { consistency: 'strong' }),
      client.tenant('acme').transaction('pinned', async (tx) => tx.orders.get('o')),
    ]
    const startMs = performance.now()
    await client.close()
    const errors = await Promise.all(calls.map((call) => failure(call)))
    expect(errors.map((error) => error.code)).toEqual(calls.map(() => 'CLOSED'))
    expect(performance.now() - startMs).toBeLessThan(ONE_WAIT_MS)
    expect(await codeOf(client.tenant('acme').orders.get('o'))).toBe('CLOSED')
    expect(await codeOf(client.tenants.get('acme'))).toBe('CLOSED')
    await client.close()
  })

  it('is what `await using` does', async () => {
    const { deployment } = open.meridian
    const kept = await (async () => {
      await using client = await connect({ schema: market, region: US, deployment })
      return client
    })()
    expect(await codeOf(kept.plans.get('x'))).toBe('CLOSED')
  })

  it('leaves other clients alone', async () => {
    const client = await connect({
      schema: market,
      region: US,
      deployment: open.meridian.deployment,
    })
    await client.close()
    expect(await open.us.tenant('acme').orders.get('o')).toBeDefined()
  })
})

describe('connect', () => {
  it('refuses a region that there is not', async () => {
    const { deployment } = open.meridian
    const error = await failure(connect({ schema: market, region: 'mars', deployment }))
    expect(error).toMatchObject({ code: 'REGION_UNKNOWN' })
    expect(error.fix).toContain(EU)
  })
})

describe('a call', () => {
  it('starts at once, and gives value and receipt to whoever asks for both', async () => {
    const call = open.us.tenant('acme').orders.get('o')
    const value = await call
    const { value: same, receipt } = await call.withReceipt()
    expect(same).toBe(value)
    expect(receipt.region).toBe(US)
  })

  it('that fails is not unhandled when its receipt was asked for', async () => {
    const seen: unknown[] = []
    const listener = (reason: unknown): void => void seen.push(reason)
    process.on('unhandledRejection', listener)
    await failure(open.us.tenant('acme').orders.update('gone', { label: 'x' }).withReceipt())
    await failure(open.us.tenant('acme').orders.update('gone', { label: 'x' }))
    await failure(open.ap.plans.upsert({ id: 'late', label: 'x' }, { deadlineMs: 5 }))
    await new Promise((resolve) => {
      setTimeout(resolve, 300)
    })
    process.off('unhandledRejection', listener)
    expect(seen).toEqual([])
  })
})
