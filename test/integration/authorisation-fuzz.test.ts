/**
 * 10,000 messages of a caller who may do everything with one tenant, changed in every place that
 * messages have: no answer holds a row of the other tenant, and none is a failure nobody foresaw.
 */
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/client/index.ts'
import { FULL_PRINCIPAL, SCOPES, type Caller } from '../../src/core/principal.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts'
import type { Request, RequestBody } from '../../src/protocol/messages.ts'
import {
  bodyOf,
  CANARY,
  client,
  EU,
  GLOBAL_TABLES,
  node,
  openOffices,
  TENANT_TABLES,
  US,
  type Offices,
} from '../support/authorisation.ts'

const RUNS = 5_000

let open: Offices

beforeAll(async () => {
  open = await openOffices()
})

afterAll(() => open[Symbol.asyncDispose]())

const acme = { tenants: ['acme'], scopes: SCOPES }
const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })
const needle = Buffer.from(CANARY)

/** Callers that may have nothing of zeta's, one of them a node that speaks for such a client. */
const CALLERS: readonly (readonly [Caller, Partial<Request['header']>])[] = [
  [client(acme), {}],
  [client(acme), { principal: FULL_PRINCIPAL, forwarded: true }],
  [client({ tenants: [], scopes: SCOPES }), {}],
  [node(EU), { principal: acme, forwarded: true, clientRegion: EU }],
]

const TEXTS = [
  'zeta',
  '',
  'acme',
  'acme\0zeta',
  US,
  EU,
  'SELECT * FROM notes',
  'SELECT * FROM everyNote',
  'SELECT * FROM notesByLabel',
  'SELECT * FROM t1',
  'SELECT * FROM main.t1',
  'SELECT sql FROM sqlite_master',
  "SELECT * FROM notes WHERE tenant = 'zeta'",
  'SELECT * FROM pragma_table_info(1)',
  'SELECT n.* FROM notes n JOIN everyNote e',
  'WITH notes AS (SELECT 1) SELECT * FROM notes, t2',
  "x' OR '1' = '1",
]

/** Values that a message holds in other places, and some that it holds nowhere. */
const oddValue = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 2, arbitrary: fc.nat(12) },
  fc.constantFrom(null, undefined, true, false, [], {}, [['o']], [null], -1, 2 ** 53, 1e300, NaN),
  fc.constantFrom(FULL_PRINCIPAL, acme, { tenants: ['zeta'], scopes: SCOPES }),
  fc.constantFrom('strong', 'stale', 'session', { maxStalenessMs: 1e9 }),
  fc.uint8Array({ maxLength: 4 }),
)

/** A request of every verb on every table. */
function bodies(): readonly RequestBody[] {
  const verbs = ['get', 'list', 'query', 'view', 'insert', 'update', 'delete']
  const tables = [...TENANT_TABLES, ...GLOBAL_TABLES]
  const key = { lineage: 'lineage', generation: 1, region: US, wrapped: Uint8Array.of(1) }
  const view = open.viewId('everyNote')
  return [
    ...verbs.flatMap((verb) => tables.map((name) => bodyOf(open, verb, name, 'acme'))),
    { kind: 'view', view, tenant: '', prefix: [], limit: 10, level: 'session' },
    { kind: 'query', tenant: '', sql: 'SELECT * FROM everyNote', args: [], level: 'session' },
    { kind: 'tenant', tenant: 'acme', fresh: false },
    { kind: 'keys', tenant: 'acme', fresh: false },
    { kind: 'createTenant', tenant: 'acme', home: US, tenantClass: null, txId: 'again' },
    { kind: 'createKeys', tenant: 'acme', keys: [key] },
    { kind: 'hello' },
  ]
}

type Way = readonly string[]

/** Every place of a structure, as the way to it. */
function placesOf(value: unknown, way: Way = []): Way[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [way]
  const below = Object.entries(value).flatMap(([key, child]) => placesOf(child, [...way, key]))
  return way.length === 0 ? below : [way, ...below]
}

function replaced(value: unknown, [first, ...rest]: Way, by: unknown): unknown {
  if (first === undefined) return by
  // An earlier change may have taken away what the way leads through.
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) {
    return value.map((child, i) => (String(i) === first ? replaced(child, rest, by) : child))
  }
  const child = (value as Record<string, unknown>)[first]
  return { ...value, [first]: replaced(child, rest, by) }
}

/** Sends messages to the nodes of two regions, and looks at the bytes of the answers. */
async function probe(caller: Caller, bytes: Uint8Array, region: string): Promise<void> {
  const answer = await open.askBytes(caller, bytes, region)
  expect(Buffer.from(answer).includes(needle)).toBe(false)
  const response = decodeResponse(answer)
  if (response.ok) return
  expect(ERROR_CODES).toContain(response.error.code)
  expect(response.error).not.toMatchObject({ code: 'INTERNAL' })
}

describe('no answer holds a row of another tenant', () => {
  it(`to ${RUNS} messages with up to three fields changed`, { timeout: 120_000 }, async () => {
    const originals = bodies()
    const message = fc
      .tuple(fc.constantFrom(...CALLERS), fc.nat(originals.length - 1), fc.constantFrom(US, EU))
      .chain(([[caller, header], which, region]) => {
        const request = open.request(originals[which] as RequestBody, { timeoutMs: 200, ...header })
        // A node is believed when it says for whom it asks: that is not for the messages to change.
        const places = placesOf(request).filter(
          ([part, field]) => caller.kind === 'client' || part !== 'header' || field !== 'principal',
        )
        const change = fc.tuple(fc.constantFrom(...places), oddValue)
        return fc.tuple(
          fc.constant({ caller, region, request }),
          fc.array(change, { minLength: 1, maxLength: 3 }),
        )
      })
    await fc.assert(
      fc.asyncProperty(message, async ([{ caller, region, request }, changes]) => {
        let changed: unknown = request
        for (const [way, by] of changes) changed = replaced(changed, way, by)
        await probe(caller, Uint8Array.from(packr.pack(changed)), region)
      }),
      { numRuns: RUNS },
    )
  })

  it(`to ${RUNS} messages with bytes changed, cut or doubled`, { timeout: 120_000 }, async () => {
    const originals = bodies().map((body) => encodeRequest(open.request(body, { timeoutMs: 200 })))
    const message = fc.tuple(
      fc.constantFrom(...CALLERS.filter(([caller]) => caller.kind === 'client')),
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(),
      fc.constantFrom('whole', 'whole', 'cut', 'doubled'),
    )
    await fc.assert(
      fc.asyncProperty(message, async ([[caller], original, changes, length, how]) => {
        let bytes = Uint8Array.from(original)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        if (how === 'cut') bytes = bytes.slice(0, length % bytes.length)
        if (how === 'doubled') bytes = Uint8Array.from([...bytes, ...bytes])
        await probe(caller, bytes, US)
      }),
      { numRuns: RUNS },
    )
  })

  it('though the rows are there, and found by whoever may', async () => {
    const request = open.request(bodyOf(open, 'get', 'notes', 'zeta'))
    const answer = await open.askBytes(client(FULL_PRINCIPAL), encodeRequest(request))
    expect(Buffer.from(answer).includes(needle)).toBe(true)
  })
})
