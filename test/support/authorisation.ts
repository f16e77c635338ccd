/** A deployment whose nodes are asked by whomever a test says: callers, requests and answers. */
import { vi } from 'vitest'
import { defaultConfig } from '../../src/config/parse-config.ts'
import { defineSchema, table, text } from '../../src/client/index.ts'
import type { WriteOp } from '../../src/core/operations.ts'
import { FULL_PRINCIPAL, type Caller, type Principal } from '../../src/core/principal.ts'
import { RequestHandler } from '../../src/node/request-handler.ts'
import { decodeRequest, decodeResponse, encodeRequest } from '../../src/protocol/codec.ts'
import type { ReadLevel, Request, RequestBody, Response } from '../../src/protocol/messages.ts'
import { testMeridian, type TestMeridian } from '../../src/testing/index.ts'

const columns = { id: text().primaryKey(), label: text() }

/** A table of each mode and scope, a view of each tenant table, one across tenants. */
export const offices = defineSchema({
  tables: {
    notes: table(columns, { consistency: 'pinned' }),
    accounts: table(columns, { consistency: 'strong' }),
    carts: table(columns, { consistency: 'eventual' }),
    plans: table(columns, { consistency: 'strong', scope: 'global' }),
    posts: table(columns, { consistency: 'eventual', scope: 'global' }),
  },
  views: (v) => ({
    notesByLabel: v('notes')
      .groupBy('label')
      .select((a) => ({ rows: a.count() })),
    accountsByLabel: v('accounts')
      .groupBy('label')
      .select((a) => ({ rows: a.count() })),
    cartsByLabel: v('carts')
      .groupBy('label')
      .select((a) => ({ rows: a.count() })),
    plansByLabel: v('plans')
      .groupBy('label')
      .select((a) => ({ rows: a.count() })),
    postsByLabel: v('posts')
      .groupBy('label')
      .select((a) => ({ rows: a.count() })),
    everyNote: v('notes')
      .groupBy('label')
      .select((a) => ({ rows: a.count() }))
      .acrossTenants(),
  }),
})

export type TableName = keyof typeof offices.tables

export const TENANT_TABLES: readonly TableName[] = ['notes', 'accounts', 'carts']
export const GLOBAL_TABLES: readonly TableName[] = ['plans', 'posts']

export const US = 'us-east'
export const EU = 'eu-west'
export const AP = 'ap-south'

/** What stands in every row of the foreign tenant and nowhere else. */
export const CANARY = 'canary-7f3a9c'

/** A deployment, and the way to its nodes as any caller. */
export interface Offices extends AsyncDisposable {
  readonly meridian: TestMeridian<typeof offices>
  /** Headers of the requests that nodes have sent each other. */
  readonly forwarded: Request['header'][]
  /** Asks the node of a region. */
  ask(caller: Caller, request: Request, region?: string): Promise<Response>
  /** The same with bytes as they are. */
  askBytes(caller: Caller, message: Uint8Array, region?: string): Promise<Uint8Array>
  /** A request for a body. */
  request(body: RequestBody, header?: Partial<Request['header']>): Request
  tableId(name: TableName): number
  viewId(name: string): number
}

type Handle = (this: RequestHandler, message: Uint8Array, caller: Caller) => Promise<Uint8Array>

/**
 * Opens it with the tenants `acme` and `zeta` of us-east and `kept`, which ap-south may not have.
 * Each has rows in every tenant table; those of `zeta` hold the canary.
 */
export async function openOffices(): Promise<Offices> {
  const callers = new WeakMap<Uint8Array, Caller>()
  const forwarded: Request['header'][] = []
  const handle: Handle = Reflect.get(RequestHandler.prototype, 'handle')
  // The network of one process calls as the process: a message that a test sent has its caller.
  const spy = vi.spyOn(RequestHandler.prototype, 'handle').mockImplementation(function (
    this: RequestHandler,
    message,
    caller,
  ) {
    const given = callers.get(message)
    if (given === undefined && caller.kind === 'process') {
      const { header } = decodeRequest(message)
      if (header.forwarded) forwarded.push(header)
    }
    return handle.call(this, message, given ?? caller)
  })
  const config = { ...defaultConfig(), residency: { default: [US, EU, AP], kept: [US, EU] } }
  const meridian = await testMeridian({ schema: offices, config })
  await seed(meridian)
  const { compiled, network } = meridian.deployment
  const askBytes: Offices['askBytes'] = (caller, message, region = US) => {
    callers.set(message, caller)
    return network.transport(region).request(region, message)
  }
  return {
    meridian,
    forwarded,
    askBytes,
    ask: async (caller, request, region) =>
      decodeResponse(await askBytes(caller, encodeRequest(request), region)),
    request: (body, header) => ({
      header: {
        version: 1,
        schemaVersion: compiled.version,
        principal: null,
        clientRegion: US,
        timeoutMs: 10_000,
        session: { positions: {}, nowMs: 0 },
        trace: null,
        forwarded: false,
        ...header,
      },
      body,
    }),
    tableId: (name) => compiled.tableByName.get(name)?.id ?? -1,
    viewId: (name) => compiled.viewByName.get(name)?.id ?? -1,
    async [Symbol.asyncDispose]() {
      spy.mockRestore()
      await meridian.close()
    },
  }
}

async function seed(meridian: TestMeridian<typeof offices>): Promise<void> {
  const rowsOf = (label: string): Record<string, { id: string; label: string }[]> =>
    Object.fromEntries(TENANT_TABLES.map((name) => [name, [{ id: 'o', label }]]))
  await meridian.seed({
    global: { plans: [{ id: 'o', label: 'public' }], posts: [{ id: 'o', label: 'public' }] },
    tenants: {
      acme: { home: US, rows: rowsOf('own') },
      zeta: { home: US, rows: rowsOf(CANARY) },
      kept: { home: US, tenantClass: 'kept', rows: { notes: [{ id: 'o', label: 'kept' }] } },
    },
  })
}

export function client(principal: Principal): Caller {
  return { kind: 'client', subject: 'web', principal }
}

export function node(region: string): Caller {
  return { kind: 'node', subject: region, principal: { ...FULL_PRINCIPAL, regions: [region] } }
}

let made = 0

/** A transaction of one operation, unlike any other. */
function commit(tenant: string, op: WriteOp, issuedAtMs: number): RequestBody {
  const id = `tx-${made++}`.padStart(32, '0')
  const request = { tenant, reads: [], ops: [op], basis: 0, issuedAtMs }
  return {
    kind: 'commit',
    request: { ...request, txId: id, idempotencyKey: id, contentHash: id },
  }
}

/** The body of a verb on a table. */
export function bodyOf(
  open: Offices,
  verb: string,
  name: TableName,
  tenant: string,
  level: ReadLevel = 'session',
): RequestBody {
  const tableId = open.tableId(name)
  const issuedAtMs = open.meridian.clock.nowMs()
  const row = `row-${made++}`
  switch (verb) {
    case 'get':
      return { kind: 'get', table: tableId, tenant, keys: [['o']], level }
    case 'list': {
      const query = { where: [], orderBy: [], limit: 10, after: null }
      return { kind: 'list', table: tableId, tenant, query, level }
    }
    case 'query':
      return { kind: 'query', tenant, sql: `SELECT id, label FROM ${name}`, args: [], level }
    case 'view': {
      const view = open.viewId(`${name}ByLabel`)
      return { kind: 'view', view, tenant, prefix: [], limit: 10, level }
    }
    case 'insert':
      return commit(tenant, { kind: 'insert', table: tableId, rows: [[row, 'new']] }, issuedAtMs)
    case 'update': {
      const cells = [{ column: 1, op: { kind: 'set' as const, value: 'own' } }]
      const op = { kind: 'update' as const, table: tableId, key: ['o'], cells, conditions: [] }
      return commit(tenant, op, issuedAtMs)
    }
    case 'delete': {
      const op = { kind: 'delete' as const, table: tableId, key: [row], conditions: [] }
      return commit(tenant, op, issuedAtMs)
    }
    default:
      throw new Error(`There is no verb ${verb}.`)
  }
}
