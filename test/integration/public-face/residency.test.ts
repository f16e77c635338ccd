/** A region outside a class's set stores, receives and reads nothing of it. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeRequest, decodeResponse } from '../../../src/protocol/codec.ts'
import type { RequestBody } from '../../../src/protocol/messages.ts'
import {
  AP,
  codeOf,
  EU,
  failure,
  openMarket,
  restrictedConfig,
  loggedChanges,
  storedRows,
  US,
  writeCounts,
  type OpenMarket,
} from '../../support/market.ts'

let open: OpenMarket

const TENANT = 'geheime-gmbh'
const MARK = 'Donaudampfschifffahrt'

beforeAll(async () => {
  open = await openMarket({ config: restrictedConfig() })
  await open.us.tenants.create({ id: TENANT, home: EU, tenantClass: 'eu' })
  const tenant = open.eu.tenant(TENANT)
  await tenant.orders.insertMany([
    { id: 'o1', label: `${MARK}-1`, amount: 1 },
    { id: 'o2', label: `${MARK}-2`, amount: 2 },
  ])
  await tenant.orders.update('o1', { note: `${MARK}-3` })
  await tenant.orders.delete('o2')
  await tenant.carts.insert({ id: 'c1', label: `${MARK}-4`, tags: [`${MARK}-5`] })
  await tenant.residents.insert({ id: 'r1', name: `${MARK}-6`, street: `${MARK}-7` })
  await open.us.tenant('acme').orders.insert({ id: 'o1', label: 'plain', amount: 10 })
  await open.meridian.settle()
})

afterAll(() => open.meridian.close())

describe('a permitted region', () => {
  it('holds and reads the tenant', async () => {
    for (const db of [open.us, open.eu]) {
      expect((await db.tenant(TENANT).orders.get('o1'))?.note).toBe(`${MARK}-3`)
      expect((await db.tenant(TENANT).carts.get('c1'))?.tags).toEqual([`${MARK}-5`])
      expect((await db.tenant(TENANT).residents.get('r1'))?.name).toBe(`${MARK}-6`)
    }
  })
})

describe('a forbidden region', () => {
  it.each([
    ['get', () => open.ap.tenant(TENANT).orders.get('o1')],
    ['a stale get', () => open.ap.tenant(TENANT).orders.get('o1', { consistency: 'stale' })],
    ['a strong get', () => open.ap.tenant(TENANT).orders.get('o1', { consistency: 'strong' })],
    [
      'a wish',
      () =>
        open.ap
          .tenant(TENANT)
          .orders.get('o1', { consistency: [{ level: 'session' }, { level: 'stale' }] }),
    ],
    ['getMany', () => open.ap.tenant(TENANT).orders.getMany(['o1'])],
    ['list', () => open.ap.tenant(TENANT).carts.list()],
    ['a query', () => open.ap.tenant(TENANT).query((q) => q.selectFrom('orders').selectAll())],
    ['a view', () => open.ap.tenant(TENANT).view('totals').list()],
    ['a pinned write', () => open.ap.tenant(TENANT).orders.insert({ id: 'x', label: 'x' })],
    ['an eventual write', () => open.ap.tenant(TENANT).carts.insert({ id: 'x', label: 'x' })],
    ['an update', () => open.ap.tenant(TENANT).orders.update('o1', { label: 'x' })],
    ['a delete', () => open.ap.tenant(TENANT).orders.delete('o1')],
    [
      'a transaction',
      () => open.ap.tenant(TENANT).transaction('pinned', (tx) => tx.orders.delete('o1')),
    ],
    [
      'encryption',
      () => open.ap.tenant(TENANT).residents.insert({ id: 'x', name: 'x', street: 'x' }),
    ],
    ['decryption', () => open.ap.tenant(TENANT).residents.list({ where: { name: `${MARK}-6` } })],
  ])('is refused: %s', async (_what, call) => {
    const before = await writeCounts(open)
    const error = await failure(call())
    expect(error).toMatchObject({ code: 'RESIDENCY_DENIED', retry: 'never' })
    expect(error.fix).toContain(EU)
    expect(await writeCounts(open)).toBe(before)
  })

  it('is refused by its node and by the home as well, whatever the client believes', async () => {
    const bodies: RequestBody[] = [
      { kind: 'get', table: tableId('orders'), tenant: TENANT, keys: [['o1']], level: 'stale' },
      { kind: 'keys', tenant: TENANT, fresh: false },
      {
        kind: 'view',
        view: viewId('totals'),
        tenant: TENANT,
        prefix: [],
        limit: 5,
        level: 'stale',
      },
    ]
    for (const [asked, clientRegion] of [
      [AP, AP],
      [EU, AP],
      [AP, EU],
    ] as const) {
      for (const body of bodies) {
        // A client elsewhere has the keys of its own region alone.
        if (body.kind === 'keys' && clientRegion === EU) continue
        const response = await ask(asked, clientRegion, body)
        expect(response).toMatchObject({ ok: false, error: { code: 'RESIDENCY_DENIED' } })
      }
    }
  })

  it('gets no key of the tenant, from whichever region', async () => {
    const keys = await storedRows(open, EU, 'SELECT region FROM _keys ORDER BY 1')
    expect(keys).toEqual([[EU], [US]])
  })

  it('has no row of it in any table, and its views leave it out', async () => {
    expect(await open.ap.view('everywhere').list()).toEqual([{ label: 'plain', orders: 1 }])
    expect(await open.us.view('everywhere').list()).toHaveLength(2)
    const changes = await loggedChanges(open, AP)
    expect([...new Set(changes.map((change) => change.tenant))]).toEqual(['acme'])
    // The outbox forgets what all have seen; until then it has no other tenant either.
    const outbox = await storedRows(open, AP, "SELECT 1 FROM _outbox WHERE tenant <> 'acme'")
    expect(outbox).toEqual([])
  })

  it('has no byte of it in its files, nor has the log that all regions share', async () => {
    const folder = open.meridian.directory
    const places = { forbidden: [join(folder, AP), folder], permitted: [join(folder, EU)] }
    expect(await bytesIn(places.permitted, MARK)).toBe(true)
    expect(await bytesIn(places.permitted, TENANT)).toBe(true)
    for (const text of [MARK, TENANT]) expect(await bytesIn(places.forbidden, text)).toBe(false)
    expect(await bytesIn(places.forbidden, 'plain')).toBe(true)
  })
})

describe('a strong table of tenants', () => {
  it('takes no tenant that may not be everywhere', async () => {
    const before = await writeCounts(open)
    for (const db of [open.us, open.eu, open.ap]) {
      const error = await failure(db.tenant(TENANT).accounts.insert({ id: 'a', label: MARK }))
      expect(error).toMatchObject({ code: 'RESIDENCY_DENIED', retry: 'never' })
      expect(error.fix).toBeDefined()
    }
    expect(await writeCounts(open)).toBe(before)
    await open.us.tenant('acme').accounts.insert({ id: 'a', label: 'x' })
  })
})

describe('a tenant', () => {
  it('has a home that its class allows, and a class that there is', async () => {
    const create = (home: string, tenantClass: string): PromiseLike<unknown> =>
      open.us.tenants.create({ id: 'new', home, tenantClass })
    expect(await codeOf(create(AP, 'eu'))).toBe('RESIDENCY_DENIED')
    expect(await codeOf(create(EU, 'mars'))).toBe('RESIDENCY_DENIED')
    expect(await codeOf(create('mars', 'eu'))).toBe('REGION_UNKNOWN')
    expect(await open.us.tenants.get('new')).toBeUndefined()
  })
})

function tableId(name: string): number {
  return open.meridian.deployment.compiled.tableByName.get(name)?.id ?? -1
}

function viewId(name: string): number {
  return open.meridian.deployment.compiled.viewByName.get(name)?.id ?? -1
}

async function ask(region: string, clientRegion: string, body: RequestBody): Promise<unknown> {
  const { deployment } = open.meridian
  const header = {
    version: 1,
    schemaVersion: deployment.compiled.version,
    principal: null,
    clientRegion,
    timeoutMs: 1_000,
    session: { positions: {}, nowMs: 0 },
    trace: null,
    forwarded: false,
  }
  const message = encodeRequest({ header, body })
  return decodeResponse(await deployment.transport(clientRegion).request(region, message))
}

/** Whether the files right in these folders hold the text. */
async function bytesIn(folders: readonly string[], text: string): Promise<boolean> {
  for (const folder of folders) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isFile()) continue
      if ((await readFile(join(folder, entry.name))).includes(text)) return true
    }
  }
  return false
}
