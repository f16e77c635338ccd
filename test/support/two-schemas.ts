/** Two schemas of one strong table: the later one gives it a TTL, two columns and a neighbour. */
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { Store } from '../../src/core/ports/store.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { boolean, integer, text, timestamp } from '../../src/schema/columns.ts'
import { compileSchema, type CompileResult } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import type { openRegion, Region, RegionPool } from './strong-region.ts'
import { MemoryStore } from './memory-store.ts'

const columns = {
  id: text().primaryKey(),
  seat: text().unique().optional(),
  uses: integer().default(0),
  expiresAt: timestamp().optional(),
}

const before: CompileResult = compileSchema(
  defineSchema({
    tables: { passes: table(columns, { consistency: 'strong', scope: 'global' }) },
  }),
)

/** Schema N-1. */
export const older: CompiledSchema = before.compiled

/** Schema N. */
export const newer: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      passes: table(
        { ...columns, valid: boolean().default(true), note: text().optional() },
        { consistency: 'strong', scope: 'global', ttl: 'expiresAt' },
      ),
      gates: table(
        { id: text().primaryKey(), code: text().unique() },
        {
          consistency: 'strong',
          scope: 'global',
        },
      ),
    },
  }),
  before.lock,
).compiled

/** Another schema behind the one before: a column more, which a store can go back from. */
export const widened: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      passes: table(
        { ...columns, note: text().optional() },
        { consistency: 'strong', scope: 'global' },
      ),
    },
  }),
  before.lock,
).compiled

/** The schema before with a unique column that its stores do not have. */
export const withUnique: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      passes: table(
        { ...columns, code: text().unique().optional() },
        { consistency: 'strong', scope: 'global' },
      ),
    },
  }),
  before.lock,
).compiled

/** `passes` as each of them has it, and what the later one added. */
export const olderPasses = older.tableByName.get('passes') as CompiledTable
export const passes = newer.tableByName.get('passes') as CompiledTable
export const gates = newer.tableByName.get('gates') as CompiledTable

/** Opens a node of this schema over `store`, which it makes fit first, as nodes do. */
export async function openSchemaNode(
  pool: RegionPool,
  log: CommitLog,
  schema: CompiledSchema,
  options: Parameters<typeof openRegion>[1] = {},
): Promise<Region> {
  const store: Store = options.store ?? new MemoryStore()
  await prepareStore(store, schema, { random: systemRuntime.random })
  return pool.open(log, { ...options, schema, store })
}

/** What the log decides, in the columns that both schemas have. */
export async function sharedState(store: Pick<Store, 'read'>): Promise<string> {
  const columns = olderPasses.physical.map(({ name }) => name).join(', ')
  const results = await store.read(
    [
      `SELECT tenant, ${columns}, _ver FROM ${passes.physicalName} ORDER BY 1, 2`,
      'SELECT tx, log_index, hash, hex(outcome) FROM _strong_outcomes ORDER BY tx',
      'SELECT * FROM _log_positions ORDER BY 1',
      `SELECT * FROM _meta WHERE key LIKE 'machine-version:%' OR key LIKE 'active-schema:%' ORDER BY 1`,
      `SELECT seq, origin_source, origin_seq, tx, schema_version, cause, table_id, op, tenant, key, ver
        FROM _outbox ORDER BY seq`,
    ].map((sql) => ({ sql, args: [] })),
  )
  return JSON.stringify(results.map(({ rows }) => rows))
}
