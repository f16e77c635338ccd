/** What a schema must keep besides its types: checked when it is defined, `SCHEMA_INVALID` if not. */
import { MeridianError } from '../core/errors.ts'
import { MAX_PAGE_ROWS } from '../core/limits.ts'
import type { ColumnDefinition } from './columns.ts'
import type { ColumnType } from './compiled.ts'
import { toStored } from './convert.ts'
import type { Table, Tables, Views } from './define.ts'
import { checkColumnName, checkDistinct, checkTableName } from './names.ts'
import type { Aggregate, ViewDefinition, ViewPredicate } from './view-builder.ts'

const MERGED: readonly ColumnType[] = ['counter', 'set', 'collaborativeText']
const NUMERIC: readonly ColumnType[] = ['integer', 'bigint', 'real', 'counter']
const ORDERED: readonly ColumnType[] = [...NUMERIC, 'text', 'timestamp']
const COMPARABLE: readonly ColumnType[] = [...ORDERED, 'boolean']
/** A counter changes with every write: a group or a key of it would be another each time. */
const GROUPABLE: readonly ColumnType[] = COMPARABLE.filter((type) => type !== 'counter')

/** @throws MeridianError `SCHEMA_INVALID` */
export function validateTables(tables: Tables): void {
  const names = Object.keys(tables)
  if (names.length === 0) throw invalid('The schema has no table.', 'Declare one in `tables`.')
  checkDistinct(names, 'table')
  for (const [name, table] of Object.entries(tables)) {
    checkTableName(name)
    validateTable(name, table)
    checkRename('table', name, table.renamedFrom, names)
  }
}

function validateTable(name: string, table: Table): void {
  if (!isObject(table) || !isObject(table.columns)) {
    throw invalid(`\`${name}\` is not a table.`, 'Declare it with `table(columns, options)`.')
  }
  if (!['strong', 'pinned', 'eventual'].includes(table.consistency)) {
    throw invalid(
      `Table \`${name}\` does not say how consistent it is.`,
      "Give `consistency: 'strong' | 'pinned' | 'eventual'`.",
    )
  }
  if (!['tenant', 'global'].includes(table.scope)) {
    throw invalid(`Table \`${name}\` has an unknown scope.`, "Give 'tenant' or 'global'.")
  }
  if (table.consistency === 'pinned' && table.scope === 'global') {
    throw invalid(
      `Table \`${name}\` is pinned and global.`,
      'A pinned table is pinned to the home of a tenant: leave `scope` out, or make it strong.',
    )
  }
  if (!['deleteWins', 'updateWins'].includes(table.onConcurrentDelete)) {
    throw invalid(
      `Table \`${name}\` has an unknown \`onConcurrentDelete\`.`,
      "Give 'deleteWins' or 'updateWins'.",
    )
  }
  validateReads(name, table)
  const columnNames = Object.keys(table.columns)
  checkDistinct(columnNames, 'column')
  for (const column of columnNames) validateColumn(name, table, column, columnNames)
  if (!columnNames.some((column) => definitionOf(table, column)?.primaryKey === true)) {
    throw invalid(`Table \`${name}\` has no primary key.`, 'Mark a column with `.primaryKey()`.')
  }
  validateTtl(name, table)
  validateIndexes(name, table)
}

function validateColumn(
  tableName: string,
  table: Table,
  name: string,
  names: readonly string[],
): void {
  checkColumnName(name)
  const definition = definitionOf(table, name)
  if (definition === undefined) {
    throw invalid(
      `\`${tableName}.${name}\` is not a column.`,
      'Declare it with `text()`, `integer()` and their kin.',
    )
  }
  const eventual = table.consistency === 'eventual'
  if (MERGED.includes(definition.type) && !eventual) {
    throw invalid(
      `\`${tableName}.${name}\` is a ${definition.type} in a ${table.consistency} table.`,
      'counter(), set() and collaborativeText() are for eventual tables.',
    )
  }
  if (definition.unique && eventual) {
    throw invalid(
      `\`${tableName}.${name}\` is unique in an eventual table.`,
      'Regions write without asking each other: make the value the primary key, or the table strong.',
    )
  }
  if (definition.default !== null) {
    try {
      toStored({ name: tableName }, { ...definition, name }, definition.default.value)
    } catch (error) {
      throw unfit(`The default of \`${tableName}.${name}\``, error)
    }
  }
  checkRename('column', name, definition.renamedFrom, names)
}

function validateReads(name: string, table: Table): void {
  if (!['log', 'local'].includes(table.reads)) {
    throw invalid(`Table \`${name}\` has an unknown \`reads\`.`, "Give 'log' or 'local'.")
  }
  if (table.reads === 'log') return
  if (table.consistency !== 'strong') {
    throw invalid(
      `Table \`${name}\` is ${table.consistency} and has \`reads: 'local'\`.`,
      'Leave `reads` out: it says where strong reads of strong tables are answered.',
    )
  }
  if (table.ttl === null) return
  throw invalid(
    `Table \`${name}\` has \`reads: 'local'\` and a \`ttl\`.`,
    'Rows that expire go by the log: leave `reads` or `ttl` out.',
  )
}

function validateTtl(name: string, table: Table): void {
  if (table.ttl === null) return
  const definition = requireColumn(name, table, table.ttl, '`ttl`')
  if (definition.type === 'timestamp' && definition.encrypted === null) return
  throw invalid(
    `The \`ttl\` of table \`${name}\` is not a plain timestamp.`,
    'Name a column that is `timestamp()` and not encrypted.',
  )
}

function validateIndexes(name: string, table: Table): void {
  const seen = new Set<string>()
  for (const index of table.indexes) {
    if (!Array.isArray(index) || index.length === 0 || new Set(index).size < index.length) {
      throw invalid(
        `An index of table \`${name}\` is empty or names a column twice.`,
        "Give lists of columns: `indexes: [['a', 'b']]`.",
      )
    }
    for (const column of index) {
      requirePlain(name, table, column, COMPARABLE, 'an index')
    }
    const key = index.join()
    if (seen.has(key)) throw invalid(`Table \`${name}\` has an index twice.`, 'Remove one.')
    seen.add(key)
  }
}

/** @throws MeridianError `SCHEMA_INVALID` */
export function validateViews(tables: Tables, views: Views): void {
  checkDistinct([...Object.keys(tables), ...Object.keys(views)], 'table and view')
  for (const [name, view] of Object.entries(views)) {
    checkTableName(name, 'view')
    const table = tables[view.definition.source]
    if (table === undefined) {
      throw invalid(
        `View \`${name}\` reads table \`${view.definition.source}\`, which does not exist.`,
        "Begin it with `v('…')` and a table of the schema.",
      )
    }
    validateView(name, view.definition, table)
  }
}

function validateView(name: string, view: ViewDefinition, table: Table): void {
  const use = `view \`${name}\``
  for (const predicate of view.filter) validatePredicate(use, view.source, table, predicate)
  const { shape } = view
  switch (shape.kind) {
    case 'group': {
      const { groupBy, aggregates } = shape
      checkOnce(use, groupBy)
      for (const column of groupBy) requirePlain(view.source, table, column, GROUPABLE, use)
      if (Object.keys(aggregates).length === 0) {
        throw invalid(`The ${use} aggregates nothing.`, 'Select at least `a.count()`.')
      }
      checkDistinct([...groupBy, ...Object.keys(aggregates)], 'view column')
      for (const [column, aggregate] of Object.entries(aggregates)) {
        checkColumnName(column)
        validateAggregate(use, view.source, table, column, aggregate)
      }
      return
    }
    case 'top':
      checkOnce(
        use,
        shape.orderBy.map((order) => order.column),
      )
      for (const { column } of shape.orderBy) {
        requirePlain(view.source, table, column, ORDERED, use)
      }
      if (!(Number.isInteger(shape.limit) && shape.limit > 0 && shape.limit <= MAX_PAGE_ROWS)) {
        throw invalid(`The limit of ${use} is not valid.`, `Give 1 to ${MAX_PAGE_ROWS}.`)
      }
      validateSelection(use, view, table, shape.columns)
      return
    case 'select':
      validateSelection(use, view, table, shape.columns)
  }
}

function validateSelection(
  use: string,
  { source, span }: ViewDefinition,
  table: Table,
  columns: readonly string[],
): void {
  if (columns.length === 0) throw invalid(`The ${use} selects nothing.`, 'Name its columns.')
  checkOnce(use, columns)
  for (const column of columns) {
    const { encrypted } = requireColumn(source, table, column, use)
    if (encrypted === null || span === 'tenant' || table.scope === 'global') continue
    throw invalid(
      `\`${source}.${column}\` is encrypted with the key of its tenant, and ${use} spans tenants.`,
      'Leave the column out, or leave `acrossTenants()` out.',
    )
  }
}

function checkOnce(use: string, columns: readonly string[]): void {
  if (new Set(columns).size === columns.length) return
  throw invalid(`The ${use} names a column twice.`, 'Name it once.')
}

function validatePredicate(
  use: string,
  source: string,
  table: Table,
  predicate: ViewPredicate,
): void {
  const definition = requirePlain(source, table, predicate.column, COMPARABLE, use)
  switch (predicate.op) {
    case 'is null':
    case 'is not null':
      return
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      break
    default:
      throw invalid(`The ${use} compares with an unknown operator.`, 'Use =, !=, <, <=, > or >=.')
  }
  try {
    const column = { name: predicate.column, type: definition.type, optional: false }
    toStored({ name: source }, column, predicate.value)
  } catch (error) {
    throw unfit(`A comparison of ${use}`, error)
  }
}

function validateAggregate(
  use: string,
  source: string,
  table: Table,
  name: string,
  aggregate: Aggregate,
): void {
  switch (aggregate.fn) {
    case 'count':
      return
    case 'sum':
    case 'avg':
      requirePlain(source, table, aggregate.column ?? '', NUMERIC, `${use}, \`${name}\``)
      return
    case 'min':
    case 'max':
      requirePlain(source, table, aggregate.column ?? '', ORDERED, `${use}, \`${name}\``)
  }
}

function requirePlain(
  tableName: string,
  table: Table,
  name: string,
  types: readonly ColumnType[],
  use: string,
): ColumnDefinition {
  const definition = requireColumn(tableName, table, name, use)
  if (definition.encrypted !== null) {
    throw invalid(
      `\`${tableName}.${name}\` is encrypted, so ${use} cannot compare it.`,
      'The regions see its ciphertext alone.',
    )
  }
  if (!types.includes(definition.type)) {
    throw invalid(
      `\`${tableName}.${name}\` is of type ${definition.type}, which ${use} does not take.`,
      `It takes ${types.join(', ')}.`,
    )
  }
  return definition
}

function requireColumn(
  tableName: string,
  table: Table,
  name: string,
  use: string,
): ColumnDefinition {
  const definition = definitionOf(table, name)
  if (definition !== undefined) return definition
  throw invalid(
    `${use} of table \`${tableName}\` names column \`${name}\`, which does not exist.`,
    `The columns are ${Object.keys(table.columns).join(', ')}.`,
  )
}

function definitionOf(table: Table, name: string): ColumnDefinition | undefined {
  if (!Object.hasOwn(table.columns, name)) return undefined
  const column: unknown = table.columns[name]
  return isObject(column) ? (column as { definition?: ColumnDefinition }).definition : undefined
}

function checkRename(
  kind: 'table' | 'column',
  name: string,
  from: string | null,
  names: readonly string[],
): void {
  if (from === null || !names.includes(from)) return
  throw invalid(
    `The ${kind} \`${name}\` is renamed from \`${from}\`, which is still there.`,
    `Remove \`${from}\` or the rename.`,
  )
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** A value that its column does not take. */
function unfit(what: string, error: unknown): MeridianError {
  const text = error instanceof Error ? error.message : String(error)
  return new MeridianError('SCHEMA_INVALID', `${what} is not valid: ${text}`, {
    fix: 'Write a value that the column takes.',
    cause: error,
  })
}

function invalid(message: string, fix: string): MeridianError {
  return new MeridianError('SCHEMA_INVALID', message, { fix })
}
