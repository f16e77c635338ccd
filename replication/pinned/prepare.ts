/** A request as it came, checked against the schema and brought to the form that is stored. */
import { MeridianError, type ErrorCode } from '../../src/core/errors.ts'
import { MAX_IDEMPOTENCY_KEY_LENGTH, MAX_OPERATIONS } from '../../src/core/limits.ts'
import {
  isRowCheck,
  type CellChange,
  type CellCondition,
  type RowCheck,
  type TransactionRequest,
  type WriteOp,
} from '../../src/core/operations.ts'
import { sameValue, type SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { groupBy } from './group-by.ts'
import { factsOf, normalizeImage, normalizeKey } from '../../src/schema/table-facts.ts'

/** Rows to insert or to upsert. */
export interface PutOp {
  readonly kind: 'insert' | 'upsert'
  readonly table: CompiledTable
  readonly images: readonly (readonly SqlValue[])[]
}

/** Changes of one row. */
export interface UpdateOp {
  readonly kind: 'update'
  readonly table: CompiledTable
  readonly key: readonly SqlValue[]
  readonly cells: readonly CellChange[]
  readonly conditions: readonly CellCondition[]
}

/** A row to delete. */
export interface DeleteOp {
  readonly kind: 'delete'
  readonly table: CompiledTable
  readonly key: readonly SqlValue[]
  readonly conditions: readonly CellCondition[]
}

/** One operation. */
export type PinnedOp = PutOp | UpdateOp | DeleteOp

/** Rows of one table that were read. */
export interface PreparedReads {
  readonly table: CompiledTable
  readonly checks: readonly { readonly key: readonly SqlValue[]; readonly version: string | null }[]
}

/** A transaction that can be turned into statements. */
export interface PreparedTransaction {
  readonly request: TransactionRequest
  readonly reads: readonly PreparedReads[]
  readonly ops: readonly PinnedOp[]
}

/**
 * @throws MeridianError `UNKNOWN_TABLE`, `MODE_MISMATCH`, `TENANT_REQUIRED`, `INVALID_ARGUMENT`,
 * `TRANSACTION_TOO_LARGE`, `SCHEMA_INCOMPATIBLE`, `CONSTRAINT_VIOLATED`
 */
export function prepareTransaction(
  schema: CompiledSchema,
  request: TransactionRequest,
): PreparedTransaction {
  if (request.tenant === '') {
    throw new MeridianError('TENANT_REQUIRED', 'Pinned tables belong to tenants.', {
      fix: 'Write through `db.tenant(id)`.',
    })
  }
  requireKey(request.idempotencyKey)
  requireSize(request)
  const reads = groupBy(rowChecks(request), (read) => pinnedTable(schema, read.table))
  return {
    request,
    reads: Array.from(reads, ([table, checks]) => ({
      table,
      checks: checks.map(({ key, version }) => ({ key: storedKey(table, key), version })),
    })),
    ops: request.ops.map((op) => prepareOp(pinnedTable(schema, op.table), op)),
  }
}

function rowChecks({ reads }: TransactionRequest): RowCheck[] {
  return reads.map((read) => {
    if (isRowCheck(read)) return read
    throw new MeridianError('MODE_MISMATCH', 'A pinned transaction reads whole rows alone.', {
      fix: 'Read the rows by their keys, or keep them in a strong table.',
    })
  })
}

/** Parts of an outcome are stored behind a control character (see `outcomes.ts`). */
function requireKey(key: string): void {
  // eslint-disable-next-line no-control-regex
  const valid = key.length > 0 && key.length <= MAX_IDEMPOTENCY_KEY_LENGTH && !/[\0-\x1f]/.test(key)
  if (valid) return
  throw new MeridianError('INVALID_ARGUMENT', 'The idempotency key cannot be stored.', {
    fix: `Use 1 to ${MAX_IDEMPOTENCY_KEY_LENGTH} characters, none of them a control character.`,
  })
}

function requireSize(request: TransactionRequest): void {
  let size = request.reads.length
  for (const op of request.ops) size += 'rows' in op ? op.rows.length : 1
  if (size <= MAX_OPERATIONS) return
  throw new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The transaction has ${size} reads and rows; ${MAX_OPERATIONS} are allowed.`,
    { fix: 'Split it.' },
  )
}

function pinnedTable(schema: CompiledSchema, id: number): CompiledTable {
  const table = schema.tableById.get(id)
  if (table === undefined) {
    throw new MeridianError('UNKNOWN_TABLE', `There is no table with id ${id} here.`)
  }
  if (table.consistency === 'pinned') return table
  throw new MeridianError('MODE_MISMATCH', `Table '${table.name}' is ${table.consistency}.`, {
    fix: 'Use one transaction a mode.',
  })
}

function prepareOp(table: CompiledTable, op: WriteOp): PinnedOp {
  switch (op.kind) {
    case 'insert':
    case 'upsert':
      return { kind: op.kind, table, images: op.rows.map((row) => storedImage(table, row)) }
    case 'update': {
      const key = storedKey(table, op.key)
      const cells = op.cells.filter((cell) => !keepsKey(table, key, cell))
      for (const cell of cells) requireCell(table, cell)
      requireDistinct(table, cells)
      requireConditions(table, op.conditions)
      return { kind: 'update', table, key, cells, conditions: op.conditions }
    }
    case 'delete':
      requireConditions(table, op.conditions)
      return { kind: 'delete', table, key: storedKey(table, op.key), conditions: op.conditions }
  }
}

function storedImage(table: CompiledTable, row: readonly SqlValue[]): readonly SqlValue[] {
  if (row.length > table.physical.length) {
    throw refused('SCHEMA_INCOMPATIBLE', table, `was written by a newer schema`)
  }
  const image = normalizeImage(table, row)
  if (typeof image === 'number') throw violated(table, image)
  return image
}

function storedKey(table: CompiledTable, given: readonly SqlValue[]): readonly SqlValue[] {
  if (given.length !== table.primaryKey.length) {
    throw refused('INVALID_ARGUMENT', table, `has a key of ${table.primaryKey.length} columns`)
  }
  const key = normalizeKey(table, given)
  if (typeof key === 'number') throw violated(table, key)
  return key
}

/** Whether a cell of the primary key is set to what it is; anything else would move the row. */
function keepsKey(table: CompiledTable, key: readonly SqlValue[], cell: CellChange): boolean {
  const place = factsOf(table).key.indexOf(cell.column)
  if (place === -1) return false
  if (cell.op.kind === 'set' && sameValue(cell.op.value, key[place] ?? null)) return true
  throw violated(table, cell.column)
}

function requireCell(table: CompiledTable, { column, op }: CellChange): void {
  const physical = table.physical[column]
  if (physical === undefined) {
    throw refused('SCHEMA_INCOMPATIBLE', table, 'was written by a newer schema')
  }
  switch (op.kind) {
    case 'set':
      if (op.value === null && !physical.nullable) throw violated(table, column)
      return
    case 'max':
    case 'min':
      if (op.value !== null) return
      break
    case 'increment':
      if (physical.storage === 'INTEGER' || physical.storage === 'REAL') return
      break
    case 'add':
    case 'remove':
    case 'text':
  }
  throw refused('INVALID_ARGUMENT', table, `cannot be changed by '${op.kind}' in that column`)
}

function requireDistinct(table: CompiledTable, cells: readonly CellChange[]): void {
  if (new Set(cells.map((cell) => cell.column)).size === cells.length) return
  throw refused('INVALID_ARGUMENT', table, 'has a cell that one update changes twice')
}

const CONDITIONS: ReadonlySet<string> = new Set(['=', '!=', '<', '<=', '>', '>='])

function requireConditions(table: CompiledTable, conditions: readonly CellCondition[]): void {
  for (const { column, op } of conditions) {
    if (table.physical[column] === undefined || !CONDITIONS.has(op)) {
      throw refused('INVALID_ARGUMENT', table, 'has no such condition')
    }
  }
}

function violated(table: CompiledTable, place: number): MeridianError {
  const id = table.physical[place]?.columnId ?? -1
  const column = table.columnById.get(id)?.name ?? String(place)
  return new MeridianError(
    'CONSTRAINT_VIOLATED',
    `A value cannot be stored in '${table.name}.${column}'.`,
    { details: { table: table.name, columns: [column] } },
  )
}

function refused(code: ErrorCode, table: CompiledTable, what: string): MeridianError {
  return new MeridianError(code, `Table '${table.name}' ${what}.`, {
    details: { table: table.name },
  })
}
