/**
 * A store's file as Meridian lays it out, with rows of one tenant in it, and the statements that
 * Meridian itself runs on it: compiled by its own compilers, so that the raw engine does the same.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createPinnedEngine } from '../../replication/pinned/engine.ts'
import { prepareTransaction } from '../../replication/pinned/prepare.ts'
import { compileProgram } from '../../replication/pinned/program.ts'
import type { TransactionRequest, WriteOp } from '../../src/core/operations.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { rowToImage } from '../../src/schema/rows.ts'
import { selectByKeys } from '../../src/sql/select.ts'
import { tenantKey } from '../../src/tenancy/tenant-key.ts'
import { anyReadId, rowsToRead } from '../cells/rows.ts'
import { schema as benchSchema, tenantOf } from '../workloads/schema.ts'

const REGION = 'bench'
const TENANT = tenantOf(REGION)
const HOME = { home: REGION, epoch: 1, state: 'active' } as const
const TABLE = 'pinnedRows'

/** What a transaction does to one row. */
export type PinnedWriteKind = 'insert' | 'upsert' | 'update'

/** What differs between one transaction and the next. */
export interface WriteNames {
  /** Of the transaction; nothing else has it. */
  readonly txId: string
  readonly rowId: string
  /** What the row holds from then on, where it is not a number that is added to. */
  readonly value: string
  /** Above that of the transaction before. */
  readonly hlc: string
}

/** A file that is ready, and what is asked of it. */
export interface LibsqlStore {
  readonly path: string
  /** Of the table that is written and read. */
  readonly physicalName: string
  /** Draws the stamps of transactions. */
  readonly clock: StoreClock
  /** The statement of Meridian's point read of one row. */
  pointRead(rowId: string): Statement
  /** The statements of a pinned write of Meridian, in their order, ready to be filled in. */
  pinnedWrite(kind: PinnedWriteKind): (names: WriteNames) => readonly Statement[]
  /** The id of one of the rows that are there: all over the table, in no order. */
  rowIdAt(index: number): string
}

/** Makes the file in `directory`. @throws MeridianError `STORE_UNAVAILABLE` */
export async function makeLibsqlStore(directory: string): Promise<LibsqlStore> {
  await mkdir(directory, { recursive: true })
  const { compiled } = compileSchema(benchSchema)
  const table = compiled.tableByName.get(TABLE) as CompiledTable
  const clock = new StoreClock(systemRuntime.clock)
  const path = join(directory, 'store.db')
  const store = await openFileStore({ path, timers: systemRuntime.timers })
  try {
    await fill(store, compiled, table, clock)
  } finally {
    await store.close()
  }
  return {
    path,
    physicalName: table.physicalName,
    clock,
    pointRead: (rowId) => selectByKeys(table, TENANT, [[rowId]], systemRuntime.clock.nowMs()),
    pinnedWrite: (kind) => template(compiled, table, kind),
    rowIdAt: anyReadId,
  }
}

async function fill(
  store: Store,
  compiled: CompiledSchema,
  table: CompiledTable,
  clock: StoreClock,
): Promise<void> {
  await prepareStore(store, compiled, systemRuntime)
  await store.write([
    {
      sql: `INSERT INTO _tenants VALUES (?, ?, ?, ?, 'standard')`,
      args: [tenantKey(TENANT), HOME.home, HOME.epoch, HOME.state],
    },
  ])
  const engine = createPinnedEngine({
    store,
    schema: compiled,
    clock,
    wallClock: systemRuntime.clock,
    region: REGION,
    source: `${REGION}.1`,
    directory: { lookup: () => Promise.resolve(HOME) },
  })
  const rows = rowsToRead().map((row) => rowToImage(table, row))
  await engine.commit(requestOf('fill', { kind: 'insert', table: table.id, rows }))
}

function imageOf(table: CompiledTable): readonly SqlValue[] {
  return rowToImage(table, { id: ROW_ID, value: VALUE, amount: 1 })
}

function requestOf(txId: string, op: WriteOp): TransactionRequest {
  return {
    txId,
    tenant: TENANT,
    reads: [],
    ops: [op],
    idempotencyKey: txId,
    contentHash: txId,
    issuedAtMs: systemRuntime.clock.nowMs(),
    basis: 0,
  }
}

/** Stand in a compiled transaction for what differs; nothing else in it looks like them. */
const TX_ID = '<transaction>'
const ROW_ID = '<row>'
const VALUE = '<value>'
const HLC = '0000000000000001'

function template(
  compiled: CompiledSchema,
  table: CompiledTable,
  kind: PinnedWriteKind,
): (names: WriteNames) => readonly Statement[] {
  const request = requestOf(TX_ID, writeOf(table, kind))
  const { statements } = compileProgram(prepareTransaction(compiled, request), {
    hlc: HLC,
    epoch: HOME.epoch,
    tenantKey: tenantKey(TENANT),
    region: REGION,
    schemaVersion: compiled.version,
    careful: false,
    faults: {},
  })
  return (names) =>
    statements.map(({ sql, args }) => ({
      sql,
      args: args.map((arg) => (typeof arg === 'string' ? named(arg, names) : arg)),
    }))
}

function named(text: string, { txId, rowId, value, hlc }: WriteNames): string {
  return text.replace(TX_ID, txId).replace(ROW_ID, rowId).replace(VALUE, value).replace(HLC, hlc)
}

function writeOf(table: CompiledTable, kind: PinnedWriteKind): WriteOp {
  if (kind !== 'update') return { kind, table: table.id, rows: [imageOf(table)] }
  const column = table.physical.findIndex(
    ({ columnId }) => table.columnById.get(columnId)?.name === 'amount',
  )
  const op = { kind: 'increment', by: 1, floor: null } as const
  return { kind, table: table.id, key: [ROW_ID], cells: [{ column, op }], conditions: [] }
}
