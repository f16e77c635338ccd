/** Whatever arrives at a node gets a typed answer; what does not fit changes nothing. */
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../../src/client/index.ts'
import type { WriteOp } from '../../../src/core/operations.ts'
import { decodeResponse, encodeRequest } from '../../../src/protocol/codec.ts'
import type { Request, RequestBody, Response } from '../../../src/protocol/messages.ts'
import { openMarket, US, writeCounts, type OpenMarket } from '../../support/market.ts'

let open: OpenMarket

beforeAll(async () => {
  open = await openMarket()
  await open.us.tenant('acme').orders.insert({ id: 'o', label: 'x' })
  await open.us.tenant('acme').accounts.insert({ id: 'o', label: 'x' })
  await open.us.tenant('acme').carts.insert({ id: 'o', label: 'x' })
  await open.meridian.settle()
})

afterAll(() => open.meridian.close())

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

function tableId(name: string): number {
  return open.meridian.deployment.compiled.tableByName.get(name)?.id ?? -1
}

function header(): Request['header'] {
  return {
    version: 1,
    schemaVersion: open.meridian.deployment.compiled.version,
    principal: null,
    clientRegion: US,
    timeoutMs: 500,
    session: { positions: {}, nowMs: 0 },
    trace: null,
    forwarded: false,
  }
}

let sent = 0

/** A request of every kind, and a commit of every operation in every mode. */
function requests(): readonly Request[] {
  const commits = ['orders', 'accounts', 'carts'].flatMap((name) => {
    const table = tableId(name)
    const key = ['missing']
    const ops: WriteOp[] = [
      { kind: 'delete', table, key, conditions: [{ column: 1, op: '=', value: 'x' }] },
      {
        kind: 'update',
        table,
        key,
        cells: [{ column: 1, op: { kind: 'set', value: 'y' } }],
        conditions: [],
      },
      {
        kind: 'insert',
        table,
        rows: [['o', 'x', null, 0, null, null, null, null, null, null, null]],
      },
    ]
    return ops.map((op): RequestBody => {
      const id = `tx-${sent++}`
      return {
        kind: 'commit',
        request: {
          txId: id,
          tenant: 'acme',
          reads: [{ table, key: ['o'], version: null }],
          ops: [op],
          idempotencyKey: id,
          contentHash: id,
          issuedAtMs: open.meridian.clock.nowMs(),
          basis: 0,
        },
      }
    })
  })
  const level = 'session'
  const table = tableId('orders')
  const query = {
    where: [{ column: 1, op: '=' as const, values: ['x'] }],
    orderBy: [{ column: 2, descending: true }],
    limit: 5,
    after: null,
  }
  const bodies: RequestBody[] = [
    ...commits,
    { kind: 'hello' },
    { kind: 'get', table, tenant: 'acme', keys: [['o'], ['p']], level },
    { kind: 'list', table, tenant: 'acme', query, level },
    {
      kind: 'query',
      tenant: 'acme',
      sql: 'SELECT id FROM orders WHERE label = ?',
      args: ['x'],
      level,
    },
    {
      kind: 'view',
      view: open.meridian.deployment.compiled.viewByName.get('totals')?.id ?? 0,
      tenant: 'acme',
      prefix: ['x'],
      limit: 5,
      level,
    },
    { kind: 'tenant', tenant: 'acme', fresh: true },
    { kind: 'keys', tenant: 'acme', fresh: false },
    { kind: 'createTenant', tenant: 'acme', home: US, tenantClass: null, txId: 'again' },
  ]
  return bodies.map((body) => ({ header: header(), body }))
}

async function answerTo(bytes: Uint8Array): Promise<Response> {
  const { deployment } = open.meridian
  return decodeResponse(await deployment.transport(US).request(US, bytes))
}

function expectTyped(response: Response): void {
  if (response.ok) return
  expect(ERROR_CODES).toContain(response.error.code)
  // INTERNAL means that a check is missing: something went wrong that nobody foresaw.
  expect(response.error).not.toMatchObject({ code: 'INTERNAL' })
}

/** Values that fit nowhere, or almost. */
const oddValue = fc.oneof(
  fc.constantFrom(
    null,
    undefined,
    -1,
    0,
    1.5,
    2 ** 53,
    NaN,
    Infinity,
    2n ** 63n - 1n,
    -1n,
    '',
    'x',
    'a\0b',
    true,
    [],
    {},
    [[]],
  ),
  fc.constantFrom('orders', 'acme', 'strong', 'set', 'increment', 'commit', 'in'),
  fc.uint8Array({ maxLength: 4 }),
  fc.date(),
  fc.array(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer()), { maxKeys: 2 }),
)

/** Every place of a structure, as the way to it. */
function placesOf(value: unknown, way: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [way]
  const below = Object.entries(value).flatMap(([key, child]) => placesOf(child, [...way, key]))
  return way.length === 0 ? below : [way, ...below]
}

function replaced(value: unknown, way: readonly string[], by: unknown): unknown {
  const [first, ...rest] = way
  if (first === undefined) return by
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string,
    unknown
  >
  if (rest.length === 0 && by === undefined) delete copy[first]
  else copy[first] = replaced(copy[first], rest, by)
  return copy
}

describe('a node', () => {
  it('answers every well-formed request', async () => {
    for (const request of requests()) expectTyped(await answerTo(encodeRequest(request)))
  })

  it.each([0, 2, 99, -1, 1.5])('refuses protocol version %s by name', async (version) => {
    const request = { header: { version, of: 'another time' }, body: { kind: 'telepathy' } }
    const response = await answerTo(packr.pack(request))
    expect(response).toMatchObject({
      ok: false,
      error: { code: 'PROTOCOL_VERSION', retry: 'never', fix: expect.stringContaining('versions') },
    })
  })

  it('refuses a request of an unknown kind', async () => {
    const response = await answerTo(packr.pack({ header: header(), body: { kind: 'telepathy' } }))
    expect(response).toMatchObject({ ok: false, error: { code: 'PROTOCOL_MALFORMED' } })
  })

  it('refuses clients whose schema is too far from its own', async () => {
    const { version } = open.meridian.deployment.compiled
    const request = { header: { ...header(), schemaVersion: version + 1 }, body: { kind: 'hello' } }
    expect(await answerTo(packr.pack(request))).toMatchObject({
      ok: false,
      error: { code: 'SCHEMA_INCOMPATIBLE' },
    })
  })

  it('gives a typed answer to 1,000 messages with a field that does not fit', async () => {
    const originals = requests()
    const mutated = fc
      .nat(originals.length - 1)
      .chain((which) => {
        const original = originals[which] as Request
        return fc.tuple(fc.constant(original), fc.constantFrom(...placesOf(original)), oddValue)
      })
      .map(([original, way, value]) => replaced(original, way, value))
    await fc.assert(
      fc.asyncProperty(mutated, async (message) => {
        expectTyped(await answerTo(packr.pack(message)))
      }),
      { numRuns: 1_000 },
    )
  })

  it('gives a typed answer to 1,000 messages with bytes changed, cut or made up', async () => {
    const originals = requests().map((request) => encodeRequest(request))
    const damaged = fc
      .tuple(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        fc.boolean(),
      )
      .map(([original, changes, length, isCut]) => {
        const bytes = Uint8Array.from(original)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        return isCut ? bytes.subarray(0, length % bytes.length) : bytes
      })
    const message = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }))
    await fc.assert(
      fc.asyncProperty(message, async (bytes) => {
        expectTyped(await answerTo(bytes))
      }),
      { numRuns: 1_000 },
    )
  })

  it('still serves after all of that, in every mode and region', async () => {
    await open.meridian.settle()
    for (const db of [open.us, open.eu, open.ap]) {
      const acme = db.tenant('acme')
      const id = `after-${db.region}`
      await acme.orders.insert({ id, label: 'x' })
      await acme.carts.insert({ id, label: 'x' })
      await acme.accounts.insert({ id, label: 'x' })
      expect(await acme.orders.get(id)).toBeDefined()
    }
    await open.meridian.settle()
  })

  it('writes nothing for a message that it refuses', async () => {
    const before = await writeCounts(open)
    const bad = { header: header(), body: { kind: 'commit', request: { ops: [{ kind: 'drop' }] } } }
    expect(await answerTo(packr.pack(bad))).toMatchObject({ ok: false })
    expect(await answerTo(new Uint8Array(0))).toMatchObject({ ok: false })
    expect(await writeCounts(open)).toBe(before)
  })
})
