/** Who reads what over the SQL endpoint: token × tenant × scope × region, cell by cell. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/core/principal.ts'
import { REGIONS, restrictedConfig } from '../../support/market.ts'
import { CANARY, openEndpoint, type EndpointWorld } from './endpoint-world.ts'

let world: EndpointWorld

beforeAll(async () => {
  world = await openEndpoint({ market: { config: restrictedConfig() } })
  const { us, meridian } = world.market
  await us.tenants.create({ id: 'other', home: 'us-east' })
  await us.tenants.create({ id: 'kept', home: 'eu-west', tenantClass: 'eu' })
  await us.tenant('acme').orders.insert({ id: 'own', label: 'own' })
  await us.tenant('other').orders.insert({ id: CANARY, label: CANARY })
  await world.market.eu.tenant('kept').orders.insert({ id: CANARY, label: CANARY })
  await us.plans.insert({ id: 'pro', label: 'Pro' })
  await meridian.settle()
})
afterAll(() => world[Symbol.asyncDispose]())

const TOKENS: Readonly<Record<string, Partial<Principal>>> = {
  everything: {},
  'acme alone': { tenants: ['acme'], scopes: ['read'] },
  'acme, to write': { tenants: ['acme'], scopes: ['write', 'admin', 'metrics'] },
  'no tenant': { tenants: [], scopes: ['read'] },
  'two tenants, of eu-west': { tenants: ['acme', 'kept'], scopes: ['read'], regions: ['eu-west'] },
  'two tenants, of ap-south': {
    tenants: ['acme', 'kept'],
    scopes: ['read'],
    regions: ['ap-south'],
  },
}

/** What `SELECT count(*)` gives: its count, or the code of the refusal. */
async function ask(
  name: string,
  tenant: string,
  region: string,
  scheme: 'http' | 'ws' = 'http',
): Promise<unknown> {
  const token = world.token(name, TOKENS[name] ?? {})
  const client = world.client(tenant, { token, region, scheme })
  const sql = `SELECT count(*) FROM ${tenant === '' ? 'plans' : 'orders'}`
  return client.execute(sql).then(
    ({ rows }) => rows[0]?.[0],
    (error: unknown) => (error as { code: string }).code,
  )
}

const DENIED = 'PERMISSION_DENIED'
const KEPT_OUT = 'RESIDENCY_DENIED'
const NONE = 'TENANT_NOT_FOUND'

/** By token and tenant, the answers in us-east, eu-west and ap-south. */
const MATRIX: readonly [token: string, tenant: string, answers: readonly unknown[]][] = [
  ['everything', 'acme', [1, 1, 1]],
  ['everything', 'other', [1, 1, 1]],
  ['everything', 'kept', [1, 1, KEPT_OUT]],
  ['everything', 'absent', [NONE, NONE, NONE]],
  ['everything', '', [1, 1, 1]],
  ['acme alone', 'acme', [1, 1, 1]],
  ['acme alone', 'other', [DENIED, DENIED, DENIED]],
  ['acme alone', 'kept', [DENIED, DENIED, DENIED]],
  // As with one that exists: nobody learns which tenants there are.
  ['acme alone', 'absent', [DENIED, DENIED, DENIED]],
  ['acme alone', '', [1, 1, 1]],
  ['acme, to write', 'acme', [DENIED, DENIED, DENIED]],
  ['acme, to write', '', [DENIED, DENIED, DENIED]],
  ['no tenant', 'acme', [DENIED, DENIED, DENIED]],
  ['no tenant', '', [1, 1, 1]],
  // The region of the token is where the caller stands, whichever node it asks.
  ['two tenants, of eu-west', 'kept', [1, 1, KEPT_OUT]],
  ['two tenants, of ap-south', 'kept', [KEPT_OUT, KEPT_OUT, KEPT_OUT]],
  ['two tenants, of ap-south', 'acme', [1, 1, 1]],
]

describe.each(MATRIX)('the token for %s, tenant %j', (token, tenant, answers) => {
  test.each(REGIONS.map((region, i) => [region, answers[i]] as const))(
    'in %s: %s',
    async (region, expected) => {
      expect(await ask(token, tenant, region)).toBe(expected)
      expect(await ask(token, tenant, region, 'ws')).toBe(expected)
    },
  )
})

async function pipeline(
  tenant: string,
  token: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string; baton: string | null }> {
  const answer = await fetch(new URL('v3/pipeline', world.url(tenant)), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  const { baton } = JSON.parse(text.startsWith('{') ? text : '{}') as { baton?: string }
  return { status: answer.status, text, baton: baton ?? null }
}

const BEGIN = { requests: [{ type: 'execute', stmt: { sql: 'BEGIN' } }] }
const READ = { requests: [{ type: 'execute', stmt: { sql: 'SELECT * FROM orders' } }] }

test('a stream of one tenant or caller is none of another, even with its baton', async () => {
  world.token('acme alone', TOKENS['acme alone'] ?? {})
  const acme = await pipeline('acme', 'all', BEGIN)
  for (const [tenant, token] of [
    ['other', 'all'],
    ['acme', 'acme alone'],
    ['', 'all'],
  ] as const) {
    const stolen = await pipeline(tenant, token, { ...READ, baton: acme.baton })
    expect(stolen.text).toContain('BATON_INVALID')
    expect(stolen.text).not.toContain(CANARY)
  }
})

test('a region that the token does not name is not where its caller stands', async () => {
  const token = world.token('from two', {
    ...TOKENS['everything'],
    regions: ['us-east', 'eu-west'],
  })
  const from = (region: string): Promise<{ text: string }> =>
    pipeline('kept', token, READ, { 'meridian-client-region': region })
  expect((await from('ap-south')).text).toContain(DENIED)
  expect((await from('eu-west')).text).toContain(CANARY)
})

test('a request without a known token is told nothing', async () => {
  const answer = await pipeline('acme', 'nobody', READ)
  expect(answer.status).toBe(401)
  expect(answer.text).not.toContain('orders')
})

test('a view over all tenants is for those who may read all', async () => {
  const token = world.token('acme alone', TOKENS['acme alone'] ?? {})
  const views = (name: string): Promise<unknown> =>
    world
      .client('', { token: name })
      .execute('SELECT sum(orders) FROM everywhere')
      .then(
        ({ rows }) => rows[0]?.[0],
        (error: unknown) => (error as { code: string }).code,
      )
  await world.market.us.view('everywhere').list()
  expect(await views('all')).toBe(3)
  expect(await views(token)).toBe(DENIED)
})
