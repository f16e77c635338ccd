/**
 * The active schema of a log group: what of its tables decides how a record is evaluated, as the log
 * itself says it (control record `schema`). Replicated state, which nodes of a newer schema evaluate
 * by until the log names theirs (protocol rule 13). Additions come last in row images, so the tables
 * that a node then works with are the beginnings of its own.
 */
import { MeridianError } from '../../src/core/errors.ts'
import { sameValue, type SqlValue } from '../../src/core/values.ts'
import type { CompiledColumn, CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { normalizeValue } from '../../src/schema/table-facts.ts'

/** What the log says of its tables. */
export interface ActiveSchema {
  /** Records name it: the schema of whoever says so. */
  readonly version: number
  readonly tables: readonly ActiveTable[]
}

/** A table of it. What is not here cannot change: keys, types, and what is unique. */
export interface ActiveTable {
  readonly id: number
  /** The column whose timestamp ends the row; null: none. */
  readonly ttl: number | null
  /** Ascending id. */
  readonly columns: readonly ActiveColumn[]
}

/** A column of it. */
export interface ActiveColumn {
  readonly id: number
  /** What a row has there that was written without it. */
  readonly default: SqlValue | undefined
}

/** What a schema says of the tables of a log group. */
export function activeSchemaOf(schema: CompiledSchema, group: string): ActiveSchema {
  const tables = schema.tables.filter((table) => table.logGroup === group)
  return {
    version: schema.version,
    tables: tables.map(({ id, ttl, columns }) => ({
      id,
      ttl: ttl?.id ?? null,
      columns: columns.map(({ id: column, encrypted, default: value }) => ({
        id: column,
        // Those of encrypted columns are known in clients alone.
        default: encrypted === null ? value : undefined,
      })),
    })),
  }
}

/**
 * The schema as far as the log has come to it: tables of the group that are not in `active` are left
 * out, and so are columns and a TTL. A table that is as the log says stays the same object.
 *
 * @throws MeridianError `SCHEMA_INCOMPATIBLE` where it has not all that the log says
 */
export function restrictSchema(
  schema: CompiledSchema,
  group: string,
  active: ActiveSchema,
): CompiledSchema {
  const said = new Map(active.tables.map((table) => [table.id, table]))
  const lacking = active.tables.find(({ id }) => schema.tableById.get(id)?.logGroup !== group)
  if (lacking !== undefined) throw incompatible(group, active, `table ${lacking.id} is missing`)
  const tables = schema.tables.flatMap((table) => {
    if (table.logGroup !== group) return [table]
    const of = said.get(table.id)
    return of === undefined ? [] : [restrictTable(table, of, group, active)]
  })
  const isWhole =
    tables.length === schema.tables.length && tables.every((table, i) => table === schema.tables[i])
  if (isWhole) return schema
  // Two schemas of one version are one, unless their lock files went two ways.
  if (active.version === schema.version) {
    throw incompatible(group, active, 'its tables are others than those of this version here')
  }
  return {
    ...schema,
    version: active.version,
    tables,
    tableByName: new Map(tables.map((table) => [table.name, table])),
    tableById: new Map(tables.map((table) => [table.id, table])),
  }
}

function restrictTable(
  table: CompiledTable,
  said: ActiveTable,
  group: string,
  active: ActiveSchema,
): CompiledTable {
  const columns = said.columns.map((of, i) => {
    const column = table.columns[i]
    // Images begin alike, or cells would be taken for those of other columns.
    if (column?.id === of.id) return withDefault(table, column, of.default)
    throw incompatible(group, active, `column ${of.id} of table '${table.name}' is not column ${i}`)
  })
  const columnById = new Map(columns.map((column) => [column.id, column]))
  const ttl = said.ttl === null ? null : (columnById.get(said.ttl) ?? null)
  const isSame =
    ttl?.id === table.ttl?.id &&
    columns.length === table.columns.length &&
    columns.every((column, i) => column === table.columns[i])
  if (isSame) return table
  return narrowed(table, columns, columnById, ttl)
}

function narrowed(
  table: CompiledTable,
  columns: readonly CompiledColumn[],
  columnById: ReadonlyMap<number, CompiledColumn>,
  ttl: CompiledColumn | null,
): CompiledTable {
  const physical = table.physical.filter(({ columnId }) => columnById.has(columnId))
  return {
    ...table,
    columns,
    physical,
    ttl,
    columnById,
    columnByName: new Map(columns.map((column) => [column.name, column])),
    primaryKey: table.primaryKey.flatMap(({ id }) => columnById.get(id) ?? []),
    valueIndex: new Map([...table.valueIndex].filter(([id]) => columnById.has(id))),
    encrypted: table.encrypted.filter(({ column }) => columnById.has(column.id)),
    indexes: table.indexes.filter((index) => index.columns.every((id) => columnById.has(id))),
  }
}

/** The column with the log's default, which is the one that a row is given in every region. */
function withDefault(
  table: CompiledTable,
  column: CompiledColumn,
  said: SqlValue | undefined,
): CompiledColumn {
  const physical = table.physical[table.valueIndex.get(column.id) ?? -1]
  // Encrypted cells have no default in stores.
  if (physical === undefined || column.encrypted !== null) return column
  const normal = (value: SqlValue | undefined): SqlValue => {
    return normalizeValue(physical, value ?? null) ?? null
  }
  return sameValue(normal(said), normal(column.default)) ? column : { ...column, default: said }
}

function incompatible(group: string, active: ActiveSchema, why: string): MeridianError {
  return new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `Log group '${group}' is at schema ${active.version}, which this node's schema does not go on from: ${why}.`,
    { fix: 'Start this node with the schema and the lock file of the others.' },
  )
}

/** MessagePack-able: `[version, [[table, ttl | null, [[column, default?], …]], …]]`. */
export function schemaToWire({ version, tables }: ActiveSchema): readonly unknown[] {
  return [
    version,
    tables.map(({ id, ttl, columns }) => [
      id,
      ttl,
      columns.map((column) =>
        column.default === undefined ? [column.id] : [column.id, column.default],
      ),
    ]),
  ]
}

/** `undefined`: it is none. */
export function schemaFromWire(version: unknown, tables: unknown): ActiveSchema | undefined {
  if (!isCount(version) || !Array.isArray(tables)) return undefined
  const read = tables.map(tableFromWire)
  return read.every((table) => table !== undefined) ? { version, tables: read } : undefined
}

function tableFromWire(wire: unknown): ActiveTable | undefined {
  const [id, ttl, columns] = Array.isArray(wire) ? (wire as unknown[]) : []
  if (!isCount(id) || !(ttl === null || isCount(ttl)) || !Array.isArray(columns)) return undefined
  const read = columns.map(columnFromWire)
  return read.every((column) => column !== undefined) ? { id, ttl, columns: read } : undefined
}

function columnFromWire(wire: unknown): ActiveColumn | undefined {
  const [id, value] = Array.isArray(wire) ? (wire as unknown[]) : []
  if (!isCount(id) || !(value === undefined || isSqlValue(value))) return undefined
  return { id, default: value instanceof Uint8Array ? Uint8Array.from(value) : value }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isSqlValue(value: unknown): value is SqlValue {
  const kinds = ['string', 'number', 'bigint']
  return value === null || kinds.includes(typeof value) || value instanceof Uint8Array
}
