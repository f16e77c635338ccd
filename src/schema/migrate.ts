/**
 * Makes a store fit a schema: creates what a fresh store needs, gives an older one what is new, and
 * refuses, before anything is written, what does not fit.
 */
import { MeridianError } from '../core/errors.ts'
import type { Hlc } from '../core/hlc.ts'
import { newShortId } from '../core/ids.ts'
import type { Random } from '../core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../core/ports/store.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledSchema, CompiledTable } from './compiled.ts'
import {
  addColumn,
  captureTriggers,
  createSchema,
  createTable,
  dropCaptureTriggers,
} from './ddl.ts'
import { describeAddition, diffSchema, type SchemaAddition } from './diff.ts'
import { blindIndexes, createIndex, declaredIndex, ttlIndexes } from './indexes.ts'
import { planStatistics } from './statistics.ts'
import { describeSchema, mergeSchema, parseStoredSchema } from './stored-schema.ts'
import { SYSTEM_TABLES } from './system-tables.ts'

/** A store that fits the schema. */
export interface PreparedStore {
  /** This life of the store: with the region it makes the source id. */
  readonly incarnation: string
  /** The store's clock row: stamps drawn from now on must be above it. */
  readonly lastHlc: Hlc
  /** What was created or added, in words; empty: nothing was. */
  readonly changes: readonly string[]
}

/** What preparing needs besides the store. */
export interface PrepareOptions {
  /** Draws the incarnation of a fresh store. */
  readonly random: Random
}

/** Another process may prepare the same store at the same time: look again this often. */
const MAX_ATTEMPTS = 3

/**
 * Prepares a store. Additions (tables, optional or defaulted columns, indexes, a TTL) are applied
 * in one write; a store whose schema is newer is taken as it is where this schema still fits.
 *
 * @throws MeridianError `SCHEMA_INCOMPATIBLE` with all differences in `details.differences`;
 * nothing was written. `STORE_CORRUPT`
 */
export async function prepareStore(
  store: Store,
  compiled: CompiledSchema,
  options: PrepareOptions,
): Promise<PreparedStore> {
  for (let attempt = 1; ; attempt++) {
    const stored = await readStoredSchema(store)
    const prepared =
      stored === null ? creation(compiled, options.random) : migration(stored, compiled)
    const { changes } = prepared
    const statements = statementsFor(store, prepared)
    try {
      if (statements.length > 0) await store.write(statements)
      return { ...(await readState(store)), changes }
    } catch (error) {
      if (!isRace(error) || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

interface Preparation {
  readonly statements: readonly Statement[]
  /** What the planner is told, behind the definitions. */
  readonly statistics: readonly Statement[]
  readonly changes: readonly string[]
}

function statementsFor(store: Store, { statements, statistics }: Preparation): Statement[] {
  return store.takesStatistics === false ? [...statements] : [...statements, ...statistics]
}

function creation(compiled: CompiledSchema, random: Random): Preparation {
  const created = [...SYSTEM_TABLES, ...createSchema(compiled)].map((sql) => ({ sql, args: [] }))
  const meta = 'INSERT INTO _meta (key, value) VALUES (?, ?)'
  return {
    statements: [
      ...created,
      { sql: meta, args: ['incarnation', newShortId(random)] },
      { sql: meta, args: ['schema', JSON.stringify(describeSchema(compiled))] },
    ],
    statistics: planStatistics(compiled.tables),
    changes: compiled.tables.map((table) => describeAddition({ kind: 'table', table })),
  }
}

function migration(stored: string, compiled: CompiledSchema): Preparation {
  const description = parseStoredSchema(stored)
  const { additions, conflicts } = diffSchema(description, compiled)
  if (conflicts.length > 0) {
    throw new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `The store (schema version ${description.version}) does not fit the schema (version ${compiled.version}): ${conflicts.join('; ')}.`,
      {
        fix: 'Add columns as optional or with a default, rename with `renamedFrom` and the committed lock file, and take other changes to a new table or column.',
        details: {
          differences: conflicts,
          storeVersion: description.version,
          schemaVersion: compiled.version,
        },
      },
    )
  }
  if (additions.length === 0) return { statements: [], statistics: [], changes: [] }
  const widened = new Set(additions.flatMap((a) => (a.kind === 'column' ? [a.table] : [])))
  return {
    statements: [
      // Applies to the schema that was compared, or not at all.
      {
        sql: `INSERT INTO _guard SELECT 1 WHERE (SELECT value FROM _meta WHERE key = 'schema') <> ?`,
        args: [stored],
      },
      ...[...additions.flatMap(additionSql), ...[...widened].flatMap(recapture)].map((sql) => ({
        sql,
        args: [],
      })),
      {
        sql: `UPDATE _meta SET value = ? WHERE key = 'schema'`,
        args: [JSON.stringify(mergeSchema(description, compiled))],
      },
    ],
    statistics: planStatistics([...new Set(additions.map((addition) => addition.table))]),
    changes: additions.map(describeAddition),
  }
}

function additionSql(addition: SchemaAddition): string[] {
  const { table } = addition
  switch (addition.kind) {
    case 'table':
      return createTable(table)
    case 'column':
      return [
        ...addColumn(table, addition.column),
        ...blindIndexes(table, addition.column).map(createIndex),
      ]
    case 'index':
      return [createIndex(declaredIndex(table, addition.index))]
    case 'ttl':
      return ttlIndexes(table).map(createIndex)
  }
}

/** Images have more columns now. */
function recapture(table: CompiledTable): string[] {
  return [...dropCaptureTriggers(table), ...captureTriggers(table)]
}

async function readStoredSchema(store: Store): Promise<string | null> {
  const isFresh =
    (await readValue(store, `SELECT 1 FROM sqlite_schema WHERE name = '_meta'`)) === null
  if (isFresh) return null
  return String(await readValue(store, `SELECT value FROM _meta WHERE key = 'schema'`))
}

async function readState(store: Store): Promise<{ incarnation: string; lastHlc: Hlc }> {
  const [meta, clock] = await store.read([
    { sql: `SELECT value FROM _meta WHERE key = 'incarnation'`, args: [] },
    { sql: 'SELECT hlc FROM _tx', args: [] },
  ])
  return { incarnation: String(meta?.rows[0]?.[0]), lastHlc: String(clock?.rows[0]?.[0]) }
}

async function readValue(store: Store, sql: string): Promise<SqlValue> {
  const [result] = await store.read([{ sql, args: [] }])
  return result?.rows[0]?.[0] ?? null
}

/** The guard on what was compared failed, or the rows of `_meta` were there already. */
function isRace(error: unknown): boolean {
  return error instanceof StatementFailed && (error.kind === 'unique' || error.kind === 'check')
}
