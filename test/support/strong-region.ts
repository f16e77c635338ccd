/** Regions of strong tables on memory stores, and transactions written by column name. */
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { Clock, Runtime } from '../../src/core/ports/runtime.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { CellOp, ReadCheck, TransactionRequest, WriteOp } from '../../src/core/operations.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { createSchema } from '../../src/schema/ddl.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { bigint, blob, boolean, integer, real, text, timestamp } from '../../src/schema/columns.ts'
import { SYSTEM_TABLES } from '../../src/schema/system-tables.ts'
import { createStrongEngine, type StrongEngine } from '../../replication/strong/strong-engine.ts'
import type { StrongEngineOptions } from '../../replication/strong/strong-engine.ts'
import { MemoryStore } from './memory-store.ts'

/** Accounts (global), with a unique e-mail and every storage class; sessions with TTL (tenant). */
export const schema: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      accounts: table(
        {
          id: text().primaryKey(),
          email: text().unique().optional(),
          balance: integer(),
          total: bigint(),
          ratio: real().optional(),
          active: boolean().default(true),
          note: blob().optional(),
        },
        { consistency: 'strong', scope: 'global' },
      ),
      sessions: table(
        {
          id: text().primaryKey(),
          seat: text().unique().optional(),
          expiresAt: timestamp().optional(),
        },
        { consistency: 'strong', ttl: 'expiresAt' },
      ),
    },
  }),
).compiled

export const accounts: CompiledTable = schema.tableByName.get('accounts') as CompiledTable
export const sessions: CompiledTable = schema.tableByName.get('sessions') as CompiledTable

/** A clock that a test moves. */
export class ManualClock implements Clock {
  ms: number

  constructor(ms = 1_700_000_000_000) {
    this.ms = ms
  }

  nowMs(): number {
    return this.ms
  }

  monotonicMs(): number {
    return performance.now()
  }

  bootMs(): number {
    return performance.now()
  }
}

/** A store with the schema laid. */
export async function openMemoryStore(): Promise<MemoryStore> {
  const store = new MemoryStore()
  await layTables(store)
  return store
}

/** Lays the system's and the schema's tables. */
export async function layTables(store: Store): Promise<void> {
  await store.write([...SYSTEM_TABLES, ...createSchema(schema)].map((sql) => ({ sql, args: [] })))
}

export interface Region {
  readonly engine: StrongEngine
  readonly store: Store
  readonly clock: ManualClock
  readonly failures: unknown[]
}

/** Opens a region's engine over `log`. */
export async function openRegion(
  log: CommitLog,
  options: Partial<StrongEngineOptions> & { readonly wall?: ManualClock } = {},
): Promise<Region> {
  const clock = options.wall ?? new ManualClock()
  const store = options.store ?? (await openMemoryStore())
  const runtime: Runtime = { ...systemRuntime, clock }
  const failures: unknown[] = []
  const engine = await createStrongEngine({
    schema,
    group: 'main',
    log,
    clock: new StoreClock(clock, await storedHlc(store)),
    runtime,
    admit: () => Promise.resolve(),
    onFailure: (error) => failures.push(error),
    ...options,
    store,
  })
  return { engine, store, clock, failures }
}

async function storedHlc(store: Store): Promise<string> {
  const [result] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
  return result?.rows[0]?.[0] as string
}

let made = 0

/** A transaction; what is left out is filled in, with a key of its own. */
export function transaction(
  ops: readonly WriteOp[],
  more: Partial<TransactionRequest> = {},
): TransactionRequest {
  made += 1
  return {
    txId: `tx${made}`,
    tenant: '',
    reads: [],
    ops,
    idempotencyKey: `key${made}`,
    contentHash: JSON.stringify(ops, (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    )
      .replaceAll(/[^\x21-\x7e]/g, '')
      .slice(0, 128),
    issuedAtMs: 0,
    basis: 0,
    ...more,
  }
}

/** An image of an account. */
export function account(
  id: string,
  values: Partial<
    Record<'email' | 'balance' | 'total' | 'ratio' | 'active' | 'note', SqlValue>
  > = {},
): SqlValue[] {
  const all: Record<string, SqlValue> = {
    id,
    email: null,
    balance: 0,
    total: 0n,
    ratio: null,
    active: 1,
    note: null,
    ...values,
  }
  return image(accounts, all)
}

/** An image of a session. */
export function session(
  id: string,
  expiresAt: number | null,
  seat: string | null = null,
): SqlValue[] {
  return image(sessions, { id, seat, expiresAt })
}

function image(of: CompiledTable, values: Readonly<Record<string, SqlValue>>): SqlValue[] {
  return of.physical.map((c) => values[of.columnById.get(c.columnId)?.name ?? ''] ?? null)
}

/** Where a column stands in images. */
export function columnAt(of: CompiledTable, name: string): number {
  return of.valueIndex.get(of.columnByName.get(name)?.id ?? -1) ?? -1
}

export function insert(of: CompiledTable, ...rows: SqlValue[][]): WriteOp {
  return { kind: 'insert', table: of.id, rows }
}

export function upsert(of: CompiledTable, ...rows: SqlValue[][]): WriteOp {
  return { kind: 'upsert', table: of.id, rows }
}

export function remove(of: CompiledTable, id: string): WriteOp {
  return { kind: 'delete', table: of.id, key: [id], conditions: [] }
}

/** An update of named cells. */
export function update(
  of: CompiledTable,
  id: string,
  cells: Readonly<Record<string, CellOp>>,
  conditions: readonly { column: string; op: '=' | '>=' | '<'; value: SqlValue }[] = [],
): WriteOp {
  return {
    kind: 'update',
    table: of.id,
    key: [id],
    cells: Object.entries(cells).map(([name, op]) => ({ column: columnAt(of, name), op })),
    conditions: conditions.map((c) => ({ ...c, column: columnAt(of, c.column) })),
  }
}

export function increment(by: number | bigint, floor: number | bigint | null = null): CellOp {
  return { kind: 'increment', by, floor }
}

export function put(value: SqlValue): CellOp {
  return { kind: 'set', value }
}

export function read(of: CompiledTable, id: string, version: string | null): ReadCheck {
  return { table: of.id, key: [id], version }
}

/** All rows of a table: tenant, the columns of the image, version. */
export async function rowsOf(
  store: Pick<Store, 'read'>,
  of: CompiledTable,
): Promise<readonly SqlRow[]> {
  const columns = of.physical.map((c) => c.name).join(', ')
  const sql = `SELECT tenant, ${columns}, _ver FROM ${of.physicalName} ORDER BY 1, 2`
  const [result] = await store.read([{ sql, args: [], bigints: true }])
  return result?.rows ?? []
}

/** The version of a row. */
export async function versionOf(store: Store, of: CompiledTable, id: string): Promise<string> {
  const [result] = await store.read([
    {
      sql: `SELECT _ver FROM ${of.physicalName} WHERE c${of.primaryKey[0]?.id} = ?`,
      args: [id],
    },
  ])
  return result?.rows[0]?.[0] as string
}

/**
 * Everything that the log decides: rows, outcomes, position, and the outbox but for the region's
 * own stamps. Equal in every region at equal index (protocol rule 13).
 */
export async function replicatedState(store: Pick<Store, 'read'>): Promise<string> {
  const selects = [
    ...schema.tables.map(
      (t) => `SELECT * FROM ${t.physicalName} ORDER BY tenant, c${t.primaryKey[0]?.id}`,
    ),
    'SELECT * FROM _strong_outcomes ORDER BY tx',
    'SELECT * FROM _log_positions ORDER BY 1',
    "SELECT * FROM _meta WHERE key LIKE 'machine-version:%' OR key LIKE 'active-schema:%' ORDER BY 1",
    `SELECT seq, origin_source, origin_epoch, origin_seq, tx, schema_version, cause, table_id, op,
      tenant, key, before, after, ver, delta FROM _outbox ORDER BY seq`,
    'SELECT * FROM _tenants ORDER BY 1',
    'SELECT * FROM _keys ORDER BY 1, 3, 4',
  ]
  const results = await store.read(selects.map((sql) => ({ sql, args: [], bigints: true })))
  return JSON.stringify(
    results.map((r) => r.rows),
    (_key, value: unknown) => {
      if (typeof value === 'bigint') return `${value}n`
      return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
    },
  )
}

/** Regions that a test opens and `closeAll` closes. */
export class RegionPool {
  readonly #opened: Region[] = []

  async open(...args: Parameters<typeof openRegion>): Promise<Region> {
    const region = await openRegion(...args)
    this.#opened.push(region)
    return region
  }

  async closeAll(): Promise<void> {
    for (const region of this.#opened.splice(0)) await region.engine.close()
  }
}

/** The balances of the accounts that a region holds. */
export async function balances(region: Region): Promise<unknown[]> {
  return (await rowsOf(region.store, accounts)).map((row) => row[3])
}
