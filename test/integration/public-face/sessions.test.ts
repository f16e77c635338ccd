/** Read-your-writes and monotonic reads across tables, modes and regions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { add, increment, type ClientSession } from '../../../src/client/index.ts'
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

/** What a call ends with whose region cannot be reached until its time is over. */
const UNREACHABLE = ['REGION_UNREACHABLE', 'DEADLINE_EXCEEDED']

beforeAll(async () => {
  open = await openMarket({ delayScale: 0.2 })
})

afterAll(() => open.meridian.close())

/** Under the same session, in another process: through its token. */
async function moved(session: ClientSession, to: 'us' | 'eu' | 'ap'): Promise<ClientSession> {
  return open[to].importSession(await session.export())
}

describe('a session', () => {
  it.each(['orders', 'accounts', 'carts'] as const)(
    'sees its own writes of %s in every region at once',
    async (name) => {
      for (const writer of ['us', 'eu', 'ap'] as const) {
        const session = open[writer].session()
        const id = `w-${writer}`
        type Rows = ReturnType<typeof open.us.tenant>['accounts']
        const rows = (at: typeof writer): Rows => open[at].tenant('acme')[name] as unknown as Rows
        await rows(writer).insert({ id, label: 'mine' }, { session })
        for (const reader of ['us', 'eu', 'ap'] as const) {
          const there = await moved(session, reader)
          expect((await rows(reader).get(id, { session: there }))?.label).toBe('mine')
        }
      }
    },
  )

  it('never goes back, whichever region it reads from', async () => {
    const orders = (at: 'us' | 'eu' | 'ap'): ReturnType<typeof open.us.tenant>['orders'] =>
      open[at].tenant('acme').orders
    await orders('us').insert({ id: 'up', label: 'x', amount: 0 })
    let writing = true
    const writer = (async () => {
      for (let i = 0; writing; i++) await orders('us').update('up', { amount: increment(1) })
    })()
    let session = open.us.session()
    let seen = 0
    const regions = ['us', 'eu', 'ap'] as const
    for (let i = 0; i < 40; i++) {
      const region = regions[i % 3] as (typeof regions)[number]
      session = await moved(session, region)
      const row = await orders(region).get('up', { session })
      const amount = row?.amount ?? -1
      expect(amount).toBeGreaterThanOrEqual(seen)
      seen = amount
    }
    writing = false
    await writer
    expect(seen).toBeGreaterThan(0)
  })

  it('that read an eventual row here sees at least that there', async () => {
    const carts = (at: 'us' | 'eu' | 'ap'): ReturnType<typeof open.us.tenant>['carts'] =>
      open[at].tenant('acme').carts
    await carts('us').insert({ id: 'tags', label: 'x' })
    await open.meridian.settle()
    let session = open.us.session()
    let seen = 0
    for (let i = 0; i < 12; i++) {
      const writer = (['eu', 'ap', 'us'] as const)[i % 3] as 'us'
      const reader = (['us', 'eu', 'ap'] as const)[i % 3] as 'us'
      await carts(writer).update('tags', { tags: add(`t${i}`) })
      session = await moved(session, reader)
      const row = await carts(reader).get('tags', { session })
      expect(row?.tags.length).toBeGreaterThanOrEqual(seen)
      seen = row?.tags.length ?? 0
    }
  })

  it.each(['get', 'list', 'query', 'view'] as const)(
    'that saw a row at home by %s goes home for it while the replica is behind',
    async (how) => {
      const label = `seen-${how}`
      const reader = open.us.session()
      const acme = open.us.tenant('acme')
      open.meridian.partition(US, AP)
      try {
        await acme.orders.insert({ id: label, label }, { session: open.us.session() })
        const options = { session: reader }
        if (how === 'get') expect(await acme.orders.get(label, options)).toBeDefined()
        if (how === 'list') {
          const page = await acme.orders.list({ where: { label }, ...options })
          expect(page.rows).toHaveLength(1)
        }
        if (how === 'query') {
          const rows = await acme.query(
            (q) => q.selectFrom('orders').select('id').where('label', '=', label),
            options,
          )
          expect(rows).toHaveLength(1)
        }
        if (how === 'view') {
          expect(await acme.view('totals').get({ label }, options)).toBeDefined()
        }
        const there = await moved(reader, 'ap')
        const call = open.ap.tenant('acme').orders.get(label, { session: there, deadlineMs: 60 })
        expect(UNREACHABLE).toContain(await codeOf(call))
      } finally {
        open.meridian.heal()
      }
    },
  )

  it('sees in a view and in a query what it wrote in another region', async () => {
    const session = open.ap.session()
    const row = { id: 'v', label: 'viewed', amount: 3 }
    await open.ap.tenant('acme').orders.insert(row, { session })
    const there = await moved(session, 'eu')
    const group = await open.eu
      .tenant('acme')
      .view('totals')
      .get({ label: 'viewed' }, { session: there })
    expect(group).toMatchObject({ total: 3 })
    const rows = await open.eu
      .tenant('acme')
      .query((q) => q.selectFrom('orders').select('id').where('label', '=', 'viewed'), {
        session: there,
      })
    expect(rows).toEqual([{ id: 'v' }])
  })

  it('is the client’s own when none is named', async () => {
    await open.eu.tenant('acme').orders.insert({ id: 'own', label: 'x' })
    expect((await open.eu.tenant('acme').orders.get('own'))?.label).toBe('x')
  })

  it('that cannot be met fails typed within its deadline', async () => {
    const session = open.us.session()
    open.meridian.partition(US, EU)
    try {
      await open.us.tenant('acme').carts.insert({ id: 'cut', label: 'x' }, { session })
      const there = await moved(session, 'eu')
      const { carts } = open.eu.tenant('acme')
      const error = await refusal(() => carts.get('cut', { session: there, deadlineMs: 500 }))
      expect(error).toMatchObject({ code: 'SESSION_NOT_MET', retry: 'safe' })
      expect(error.receipt).toEqual({ level: 'session', region: EU, crossRegionRoundTrips: 0 })
      expect(error.elapsedMs).toBeLessThan(5_000)
      const wishes = [{ level: 'session', withinMs: 50 }, { level: 'stale' }] as const
      const stale = open.eu.tenant('acme').carts.get('cut', { session: there, consistency: wishes })
      expect(await stale).toBeUndefined()
    } finally {
      open.meridian.heal()
    }
    const there = await moved(session, 'eu')
    expect(await open.eu.tenant('acme').carts.get('cut', { session: there })).toBeDefined()
  })

  it('reads pinned rows at home while the replica is behind', async () => {
    const session = open.us.session()
    open.meridian.partition(US, AP)
    await open.us.tenant('acme').orders.insert({ id: 'behind', label: 'x' }, { session })
    const there = await moved(session, 'ap')
    const cut = open.ap.tenant('acme').orders.get('behind', { session: there, deadlineMs: 100 })
    expect(UNREACHABLE).toContain(await codeOf(cut))
    open.meridian.heal()
    expect(await open.ap.tenant('acme').orders.get('behind', { session: there })).toBeDefined()
  })

  it.each(['get', 'query'] as const)(
    'that saw by %s that a row has expired sees it nowhere, whose clock ever is behind',
    async (how) => {
      const session = open.us.session()
      const id = `ttl-${how}`
      const expiresAt = new Date(open.meridian.clock.nowMs() + 60_000)
      const acme = open.us.tenant('acme')
      await acme.orders.insert({ id, label: 'x', expiresAt }, { session })
      open.meridian.clock.advance(61_000)
      if (how === 'get') expect(await acme.orders.get(id, { session })).toBeUndefined()
      else {
        const rows = await acme.query(
          (q) => q.selectFrom('orders').select('id').where('id', '=', id),
          {
            session,
          },
        )
        expect(rows).toEqual([])
      }
      open.meridian.clock.advance(-61_000)
      for (const region of ['us', 'eu'] as const) {
        const there = await moved(session, region)
        const row = open[region].tenant('acme').orders.get(id, { session: there })
        expect(await row).toBeUndefined()
      }
    },
  )
})

describe('a token', () => {
  it('is compact text of positions, and nothing else', async () => {
    const session = open.us.session()
    await open.us.tenant('acme').orders.insert({ id: 'token', label: 'secret words' }, { session })
    const token = await session.export()
    expect(token).toMatch(/^[A-Za-z0-9_-]+$/)
    expect(token.length).toBeLessThan(200)
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('secret')
  })

  it('that was forged or cut is refused', async () => {
    const session = open.us.session()
    await open.us.tenant('acme').orders.get('token', { session })
    const token = await session.export()
    const bytes = Buffer.from(token, 'base64url')
    for (let at = 0; at < bytes.length; at += 7) {
      const forged = Buffer.from(bytes)
      forged[at] = (forged[at] as number) ^ 1
      const call = open.us.importSession(forged.toString('base64url'))
      expect(await failure(call)).toMatchObject({ code: 'SESSION_INVALID', retry: 'never' })
    }
    for (const bad of ['', 'x', token.slice(0, -4), `${token}AAAA`, '@@@', undefined, 5, {}]) {
      expect(await codeOf(open.us.importSession(bad as string))).toBe('SESSION_INVALID')
    }
  })

  it('of nobody is refused as an option', async () => {
    const foreign = { export: () => Promise.resolve('') }
    const call = open.us.tenant('acme').orders.get('o', { session: foreign })
    expect(await codeOf(call)).toBe('INVALID_ARGUMENT')
  })
})
