/**
 * Who may do what, cell by cell: every principal, every table, every verb, by messages as they
 * come over a wire. What is expected stands in the tables below, not in code.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { WriteOp } from '../../src/core/operations.ts'
import { FULL_PRINCIPAL, SCOPES, type Caller, type Principal } from '../../src/core/principal.ts'
import { decodeResponse, encodeRequest } from '../../src/protocol/codec.ts'
import type { Request, RequestBody, Response } from '../../src/protocol/messages.ts'
import {
  AP,
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
  type TableName,
} from '../support/authorisation.ts'

let open: Offices

beforeAll(async () => {
  open = await openOffices()
})

afterAll(() => open[Symbol.asyncDispose]())

const acme = (...scopes: Principal['scopes']): Principal => ({ tenants: ['acme'], scopes })
const all = (...scopes: Principal['scopes']): Principal => ({ tenants: null, scopes })
const zeta: Principal = { tenants: ['zeta'], scopes: SCOPES }

/** Who asks for what is acme's, and what the header of the request claims. */
const ASKERS: Readonly<Record<string, [Caller, Partial<Request['header']>?]>> = {
  'no scope': [client(acme())],
  metrics: [client(acme('metrics'))],
  read: [client(acme('read'))],
  write: [client(acme('write'))],
  'read, write': [client(acme('read', 'write'))],
  admin: [client(acme('admin'))],
  'all scopes': [client(acme(...SCOPES))],
  'other tenant': [client(zeta)],
  'no tenant': [client({ tenants: [], scopes: SCOPES })],
  'all: read': [client(all('read'))],
  'all: write': [client(all('write'))],
  'all: all': [client(FULL_PRINCIPAL)],
  elsewhere: [client({ ...FULL_PRINCIPAL, regions: [EU] })],
  here: [client({ ...FULL_PRINCIPAL, regions: [EU, US] })],
  'liar, none': [client(acme()), { principal: FULL_PRINCIPAL, forwarded: true }],
  'liar, read': [client(acme('read')), { principal: FULL_PRINCIPAL }],
  'liar, other': [client(zeta), { principal: acme(...SCOPES), forwarded: true }],
  'node for read': [node(EU), { principal: acme('read'), clientRegion: EU, forwarded: true }],
  'node for other': [node(EU), { principal: zeta, clientRegion: EU, forwarded: true }],
  'node for write': [node(EU), { principal: acme('write'), clientRegion: EU, forwarded: true }],
  'node for none': [node(EU), { principal: acme(), clientRegion: EU, forwarded: true }],
  'node itself': [node(EU), { clientRegion: EU, forwarded: true }],
  'node, lying': [node(EU), { clientRegion: US, forwarded: true }],
  'node, not on': [node(EU), { principal: FULL_PRINCIPAL, clientRegion: EU }],
}

/** What is allowed (`+`) and what is `PERMISSION_DENIED` (`-`). */
const SPECIFICATION = `
                | acme's tables           | global tables           | acme        | global    |
                | get list query view     | get list query view     | tenant keys | keys      | hello
                |     insert update delete|     insert update delete| createTenant createKeys | everyNote
 no scope       |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 metrics        |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 read           |  +   +    +    +  - - - |  +   +    +    +  - - - |  +  +  -  - |  +  -     | +  -
 write          |  -   -    -    -  + + + |  -   -    -    -  - - - |  -  -  -  + |  -  -     | -  -
 read, write    |  +   +    +    +  + + + |  +   +    +    +  - - - |  +  +  -  + |  +  -     | +  -
 admin          |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  +  - |  -  -     | -  -
 all scopes     |  +   +    +    +  + + + |  +   +    +    +  - - - |  +  +  +  + |  +  -     | +  -
 other tenant   |  -   -    -    -  - - - |  +   +    +    +  - - - |  -  -  -  - |  +  -     | +  -
 no tenant      |  -   -    -    -  - - - |  +   +    +    +  - - - |  -  -  -  - |  +  -     | +  -
 all: read      |  +   +    +    +  - - - |  +   +    +    +  - - - |  +  +  -  - |  +  -     | +  +
 all: write     |  -   -    -    -  + + + |  -   -    -    -  + + + |  -  -  -  + |  -  +     | -  -
 all: all       |  +   +    +    +  + + + |  +   +    +    +  + + + |  +  +  +  + |  +  +     | +  +
 elsewhere      |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 here           |  +   +    +    +  + + + |  +   +    +    +  + + + |  +  +  +  + |  +  +     | +  +
 liar, none     |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 liar, read     |  +   +    +    +  - - - |  +   +    +    +  - - - |  +  +  -  - |  +  -     | +  -
 liar, other    |  -   -    -    -  - - - |  +   +    +    +  - - - |  -  -  -  - |  +  -     | +  -
 node for read  |  +   +    +    +  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 node for other |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 node for write |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 node for none  |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 node itself    |  +   +    +    +  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 node, lying    |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
 node, not on   |  -   -    -    -  - - - |  -   -    -    -  - - - |  -  -  -  - |  -  -     | -  -
`

const TABLE_VERBS = ['get', 'list', 'query', 'view', 'insert', 'update', 'delete']

/** The columns of the specification, in order, each with the bodies that it stands for. */
const COLUMNS: readonly (readonly [string, () => readonly RequestBody[]])[] = [
  ...TABLE_VERBS.map((verb) => [`${verb} of acme`, bodies(verb, TENANT_TABLES, 'acme')] as const),
  ...TABLE_VERBS.map((verb) => [`${verb} of globals`, bodies(verb, GLOBAL_TABLES, '')] as const),
  ['tenant of acme', () => [{ kind: 'tenant', tenant: 'acme', fresh: true }]],
  ['keys of acme', () => [{ kind: 'keys', tenant: 'acme', fresh: true }]],
  ['createTenant of acme', () => [createTenant('acme')]],
  ['createKeys of acme', () => [createKeys('acme')]],
  ['keys of globals', () => [{ kind: 'keys', tenant: '', fresh: true }]],
  ['createKeys of globals', () => [createKeys('')]],
  ['hello', () => [{ kind: 'hello' }]],
  ['a view across tenants', acrossTenants],
]

function bodies(
  verb: string,
  tables: readonly TableName[],
  tenant: string,
): () => readonly RequestBody[] {
  return () => tables.map((name) => bodyOf(open, verb, name, tenant))
}

/** Both ways to it, and the one that names a tenant. */
function acrossTenants(): readonly RequestBody[] {
  const view = open.viewId('everyNote')
  const read = { prefix: [], limit: 10, level: 'session' } as const
  return [
    { kind: 'view', view, tenant: '', ...read },
    { kind: 'query', tenant: '', sql: 'SELECT * FROM everyNote', args: [], level: 'session' },
    {
      kind: 'query',
      tenant: '',
      sql: 'WITH a AS (SELECT * FROM "EVERYNOTE") SELECT count(*) FROM plans JOIN a',
      args: [],
      level: 'stale',
    },
  ]
}

function createTenant(tenant: string): RequestBody {
  return { kind: 'createTenant', tenant, home: EU, tenantClass: null, txId: 'again' }
}

function createKeys(tenant: string): RequestBody {
  const key = { lineage: 'lineage', generation: 1, region: US, wrapped: Uint8Array.of(1) }
  return { kind: 'createKeys', tenant, keys: [key] }
}

interface Cell {
  readonly asker: string
  readonly column: string
  readonly bodies: () => readonly RequestBody[]
  readonly allowed: boolean
}

function cells(): readonly Cell[] {
  const lines = SPECIFICATION.split('\n').filter((line) => /[-+] *$/.test(line))
  return lines.flatMap((line) => {
    const [asker = '', ...groups] = line.split('|').map((part) => part.trim())
    const marks = groups.join(' ').match(/[-+]/g) ?? []
    expect(marks).toHaveLength(COLUMNS.length)
    return COLUMNS.map(([column, own], i) => ({
      asker,
      column,
      bodies: own,
      allowed: marks[i] === '+',
    }))
  })
}

const CELLS = cells()

function requestOf(asker: string, body: RequestBody): Request {
  return open.request(body, ASKERS[asker]?.[1])
}

async function ask(asker: string, body: RequestBody): Promise<Response> {
  return open.ask(ASKERS[asker]?.[0] as Caller, requestOf(asker, body))
}

/** The tenant exists: whoever may create it learns that. */
function isServed(body: RequestBody, response: Response): boolean {
  if (body.kind === 'createTenant' && !response.ok) return response.error.code === 'TENANT_EXISTS'
  return response.ok
}

describe('the specification', () => {
  it('has a row for every asker', () => {
    expect(new Set(CELLS.map((cell) => cell.asker))).toEqual(new Set(Object.keys(ASKERS)))
  })
})

describe.each(Object.keys(ASKERS))('%s', (asker) => {
  const own = CELLS.filter((cell) => cell.asker === asker)
  it.each(own.map((cell) => [cell.allowed ? 'is allowed' : 'is denied', cell.column, cell]))(
    '%s: %s',
    async (_verdict, _column, cell) => {
      for (const body of cell.bodies()) {
        const response = await ask(asker, body)
        if (cell.allowed) {
          expect([response, isServed(body, response)]).toEqual([response, true])
          continue
        }
        expect(response).toMatchObject({
          ok: false,
          error: { code: 'PERMISSION_DENIED', retry: 'never' },
        })
        expect(JSON.stringify(response)).toContain(`\`${body.kind}\``)
      }
    },
  )
})

describe('what is denied', () => {
  const denied = CELLS.filter((cell) => !cell.allowed)

  it('changes nothing', async () => {
    const before = await contents()
    for (const cell of denied) for (const body of cell.bodies()) await ask(cell.asker, body)
    expect(await contents()).toEqual(before)
  })

  it('is denied at every level, in every region', async () => {
    const reader = client(acme('read'))
    const levels = ['strong', 'session', 'stale', { maxStalenessMs: 60_000 }] as const
    for (const region of [US, EU, AP]) {
      for (const level of levels) {
        for (const name of TENANT_TABLES) {
          const body = bodyOf(open, 'get', name, 'zeta', level)
          const request = open.request(body, { clientRegion: region })
          const response = await open.ask(reader, request, region)
          expect(response).toMatchObject({ ok: false, error: { code: 'PERMISSION_DENIED' } })
        }
      }
    }
  })

  it('is denied in the same bytes whether or not the tenant exists', async () => {
    const everything = client(acme(...SCOPES))
    const verbs = (tenant: string): RequestBody[] => [
      ...TABLE_VERBS.map((verb) => bodyOf(open, verb, 'notes', tenant)),
      { kind: 'tenant', tenant, fresh: true },
      { kind: 'keys', tenant, fresh: true },
      createTenant(tenant),
      createKeys(tenant),
    ]
    const answers = async (tenant: string): Promise<Uint8Array[]> =>
      Promise.all(
        verbs(tenant).map((body) => open.askBytes(everything, encodeRequest(open.request(body)))),
      )
    const [known, unknown] = [await answers('zeta'), await answers('nobody')]
    expect(known).toEqual(unknown)
    for (const bytes of known) {
      expect(decodeResponse(bytes)).toMatchObject({ error: { code: 'PERMISSION_DENIED' } })
    }
  })
})

describe('a read that a node forwards', () => {
  it('has the principal of the client, not what the client claims', async () => {
    const reader = acme('read')
    const seen = await forwardedHeaders(() =>
      open.ask(
        client(reader),
        open.request(bodyOf(open, 'get', 'notes', 'acme', 'strong'), {
          principal: FULL_PRINCIPAL,
          clientRegion: EU,
        }),
        EU,
      ),
    )
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ principal: reader, forwarded: true, clientRegion: EU })
  })

  it('is not forwarded again, nor is one whose client says that it was', async () => {
    let response: Response | undefined
    const seen = await forwardedHeaders(async () => {
      const body = bodyOf(open, 'get', 'notes', 'acme', 'strong')
      const request = open.request(body, { clientRegion: EU, forwarded: true })
      response = await open.ask(client(acme('read')), request, EU)
    })
    expect(response).toMatchObject({ ok: false, error: { code: 'NOT_HOME', retry: 'safe' } })
    expect(seen).toEqual([])
  })

  it('is refused for a tenant whose data the region of the node may not have', async () => {
    const body = bodyOf(open, 'get', 'notes', 'kept')
    const header = { principal: FULL_PRINCIPAL, clientRegion: US, forwarded: true }
    const from = (region: string): Promise<Response> =>
      open.ask(node(region), open.request(body, header))
    expect(await from(EU)).toMatchObject({ ok: true })
    expect(await from(AP)).toMatchObject({ ok: false, error: { code: 'RESIDENCY_DENIED' } })
  })
})

describe('a view across tenants', () => {
  it('is refused to a reader who stands where one of them may not be', async () => {
    const reader = client({ tenants: null, scopes: ['read'] })
    for (const body of acrossTenants()) {
      const from = (clientRegion: string, region: string): Promise<Response> =>
        open.ask(reader, open.request(body, { clientRegion }), region)
      expect(await from(EU, US)).toMatchObject({ ok: true })
      expect(await from(AP, AP)).toMatchObject({ ok: true })
      expect(await from(AP, US)).toMatchObject({ error: { code: 'RESIDENCY_DENIED' } })
    }
  })
})

describe('a transaction of more operations than a client sends', () => {
  it.each(['notes', 'accounts', 'carts'] as const)('is refused: %s', async (name) => {
    const body = bodyOf(open, 'delete', name, 'acme')
    if (body.kind !== 'commit') throw new Error('It is a commit.')
    const ops = Array.from({ length: 10_001 }, () => body.request.ops).flat()
    const request = open.request({ ...body, request: { ...body.request, ops } })
    expect(await open.ask(client(acme('write')), request)).toMatchObject({
      ok: false,
      error: { code: 'TRANSACTION_TOO_LARGE' },
    })
  })
})

describe('a long row', () => {
  const owner = client(acme('read', 'write'))
  const key = 'long'
  const commitOf = (name: TableName, ops: readonly WriteOp[]): Promise<Response> => {
    const body = bodyOf(open, 'delete', name, 'acme')
    if (body.kind !== 'commit') throw new Error('It is a commit.')
    return open.ask(owner, open.request({ ...body, request: { ...body.request, ops } }))
  }

  it.each(['notes', 'accounts', 'carts'] as const)(
    'is not given a hundred times at once, by reads or updates: %s',
    async (name) => {
      const table = open.tableId(name)
      const row = [key, 'x'.repeat(1024 * 1024)]
      expect(await commitOf(name, [{ kind: 'insert', table, rows: [row] }])).toMatchObject({
        ok: true,
      })
      const get = { kind: 'get', table, tenant: 'acme', level: 'session' } as const
      const keys = Array.from({ length: 100 }, () => [key])
      expect(await open.ask(owner, open.request({ ...get, keys }))).toMatchObject({
        error: { code: 'RESULT_TOO_LARGE' },
      })
      const update = { kind: 'update', table, key: [key], cells: [], conditions: [] } as const
      expect(
        await commitOf(
          name,
          Array.from({ length: 100 }, () => update),
        ),
      ).toMatchObject({
        error: { code: expect.stringMatching(/^(RESULT|TRANSACTION)_TOO_LARGE$/) as string },
      })
      // Whatever was refused, the table goes on.
      expect(await commitOf(name, [update])).toMatchObject({ ok: true })
      const remove = { kind: 'delete', table, key: [key], conditions: [] } as const
      expect(await commitOf(name, [remove])).toMatchObject({ ok: true })
    },
  )
})

describe('a failure that nobody foresaw', () => {
  it('tells whoever is not this process that there was one, and nothing of it', async () => {
    const { store } = open.meridian.deployment.node(US)
    const read = store.read.bind(store)
    const spy = vi.spyOn(store, 'read').mockImplementation(async (statements) => {
      if (!statements.some(({ sql }) => sql.includes(`t${open.tableId('notes')}`))) {
        return read(statements)
      }
      throw new Error(`/data/us-east.db: ${CANARY}`)
    })
    const request = open.request(bodyOf(open, 'get', 'notes', 'acme'), {
      clientRegion: EU,
      forwarded: true,
    })
    for (const caller of [client(acme('read')), node(EU)]) {
      const answer = await open.ask(caller, request)
      expect(answer).toMatchObject({ ok: false, error: { code: 'INTERNAL' } })
      expect(JSON.stringify(answer)).not.toMatch(/canary|\.db/)
    }
    spy.mockRestore()
  })
})

describe('a session', () => {
  it('ahead of every clock is refused, and expires nothing for others', async () => {
    const nowMs = open.meridian.clock.nowMs()
    const ask = (leadMs: number): Promise<Response> =>
      open.ask(
        client(acme('read')),
        open.request(bodyOf(open, 'view', 'notes', 'acme'), {
          session: { positions: {}, nowMs: nowMs + leadMs },
        }),
      )
    expect(await ask(60_000)).toMatchObject({ ok: true })
    expect(await ask(600_000)).toMatchObject({ ok: false, error: { code: 'SESSION_INVALID' } })
  })
})

describe('a client whose schema', () => {
  const hello = (schemaFingerprint?: string): Promise<Response> =>
    open.ask(
      client(acme('read')),
      open.request({
        kind: 'hello',
        ...(schemaFingerprint === undefined ? {} : { schemaFingerprint }),
      }),
    )

  it('is the node’s own, or not told, is welcome', async () => {
    expect(await hello(open.meridian.deployment.compiled.fingerprint)).toMatchObject({ ok: true })
    expect(await hello()).toMatchObject({ ok: true })
  })

  it('has the same version and another content is refused', async () => {
    expect(await hello('0123456789abcdef')).toMatchObject({
      ok: false,
      error: { code: 'SCHEMA_INCOMPATIBLE', retry: 'never' },
    })
  })
})

describe('the rows of the foreign tenant', () => {
  it('are there to be found by whoever may', async () => {
    const response = await open.ask(
      client(zeta),
      open.request(bodyOf(open, 'get', 'notes', 'zeta')),
    )
    expect(JSON.stringify(response)).toContain(CANARY)
  })
})

/** What the tables and the directory hold. */
async function contents(): Promise<unknown> {
  await open.meridian.settle()
  const { store } = open.meridian.deployment.node(US)
  const tables = ['notes', 'accounts', 'carts', 'plans', 'posts'] as const
  const names = [...tables.map((name) => `t${open.tableId(name)}`), '_tenants', '_keys']
  const results = await store.read(
    names.map((name) => ({ sql: `SELECT * FROM ${name}`, args: [] })),
  )
  return results.map((result) => result.rows)
}

/** The headers of messages between nodes while something runs. */
async function forwardedHeaders(work: () => Promise<unknown>): Promise<Request['header'][]> {
  open.forwarded.length = 0
  await work()
  return [...open.forwarded]
}
