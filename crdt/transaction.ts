/** Evaluates one transaction on rows: what the operations mean in an eventual table. */
import type { Cause, RowImage } from '../src/core/change.ts'
import { MeridianError } from '../src/core/errors.ts'
import { hlcMs } from '../src/core/hlc.ts'
import { MAX_ROWS_BYTES } from '../src/core/limits.ts'
import {
  isRowCheck,
  type CellCondition,
  type TransactionRequest,
  type WriteOp,
} from '../src/core/operations.ts'
import { rowBytes, type SqlValue } from '../src/core/values.ts'
import type { CompiledSchema, CompiledTable } from '../src/schema/compiled.ts'
import { conditionHolds } from '../src/schema/evaluate.ts'
import { keyOfImage } from '../src/schema/rows.ts'
import { encodeDelta } from './codec.ts'
import type { RoundRows } from './lane.ts'
import { isLive, isVisible, project } from './project.ts'
import { RowEditor, type Author } from './row-editor.ts'
import { rowRef, type RowRef, type StoredRow } from './stored-rows.ts'
import type { WriteSet } from './write-set.ts'

/** One operation on one row. */
interface RowOp {
  readonly ref: RowRef
  readonly op: WriteOp
  /** Inserts and upserts: the row. */
  readonly image: RowImage
}

/** A request, resolved against the schema. */
export interface PreparedTransaction {
  readonly request: TransactionRequest
  readonly ops: readonly RowOp[]
  readonly reads: readonly { readonly ref: RowRef; readonly version: string | null }[]
  /** Every row that it reads or writes. */
  readonly rows: readonly RowRef[]
}

/**
 * What the texts of a transaction may cost, in edits beyond the first of a cell. Each costs time as
 * its text is long, and an operation repeats those of the operations before it on its row.
 */
const MAX_TEXT_WORK = 2_000

/**
 * Resolves tables and keys.
 *
 * @throws MeridianError `UNKNOWN_TABLE`, `MODE_MISMATCH`, `TENANT_REQUIRED`, `INVALID_ARGUMENT`,
 * `TRANSACTION_TOO_LARGE`
 */
export function prepareTransaction(
  schema: CompiledSchema,
  request: TransactionRequest,
): PreparedTransaction {
  const refOf = (tableId: number, key: readonly SqlValue[]): RowRef => {
    const table = eventualTable(schema, tableId, request.tenant)
    if (key.length !== table.primaryKey.length || key.some((value) => value === null)) {
      throw new MeridianError('INVALID_ARGUMENT', `The key is not one of \`${table.name}\`.`)
    }
    return rowRef(table, request.tenant, key)
  }
  const ops = request.ops.flatMap((op): RowOp[] => {
    if ('key' in op) return [{ ref: refOf(op.table, op.key), op, image: [] }]
    const table = eventualTable(schema, op.table, request.tenant)
    return op.rows.map((image) => ({ ref: refOf(op.table, keyOfImage(table, image)), op, image }))
  })
  requireTextWork(ops)
  const reads = request.reads.map((read) => {
    if (isRowCheck(read)) return { ref: refOf(read.table, read.key), version: read.version }
    throw new MeridianError('MODE_MISMATCH', 'An eventual transaction reads whole rows alone.', {
      fix: 'Read the rows by their keys, or keep them in a strong table.',
    })
  })
  const rows = new Map([...ops, ...reads].map(({ ref }) => [ref.id, ref]))
  return { request, ops, reads, rows: [...rows.values()] }
}

function requireTextWork(ops: readonly RowOp[]): void {
  const editsByRow = new Map<string, number>()
  let work = 0
  for (const { ref, op } of ops) {
    const more = textEdits(ref.table, op)
    if (more === 0) continue
    const edits = (editsByRow.get(ref.id) ?? 0) + more
    editsByRow.set(ref.id, edits)
    work += edits - 1
  }
  if (work <= MAX_TEXT_WORK) return
  throw new MeridianError('TRANSACTION_TOO_LARGE', 'The transaction edits texts too often.', {
    fix: 'Split it, join edits, or replace the text.',
  })
}

/** How often an operation edits texts of its row. */
function textEdits(table: CompiledTable, op: WriteOp): number {
  const texts = table.columns.filter((column) => column.type === 'collaborativeText')
  if (texts.length === 0 || op.kind === 'delete') return 0
  if (op.kind !== 'update') return 1
  const isText = (place: number): boolean =>
    texts.some(({ id }) => id === table.physical[place]?.columnId)
  return op.cells
    .filter(({ column }) => isText(column))
    .reduce((sum, cell) => sum + (cell.op.kind === 'text' ? cell.op.edits.length : 1), 0)
}

function eventualTable(schema: CompiledSchema, tableId: number, tenant: string): CompiledTable {
  const table = schema.tableById.get(tableId)
  if (table === undefined) {
    throw new MeridianError('UNKNOWN_TABLE', `The schema has no table with id ${tableId}.`)
  }
  if (table.consistency !== 'eventual') {
    throw new MeridianError('MODE_MISMATCH', `Table \`${table.name}\` is ${table.consistency}.`, {
      fix: 'A transaction has tables of one mode.',
    })
  }
  if ((table.scope === 'global') !== (tenant === '')) {
    throw new MeridianError(
      'TENANT_REQUIRED',
      `Table \`${table.name}\` is of ${table.scope} scope, the transaction is not.`,
      { fix: 'A transaction has tables of one tenant, or of global scope.' },
    )
  }
  return table
}

/**
 * Evaluates the transaction and records its changes. Returns the row after each update, in order.
 * All changes of a row become one, so that a stamp stands for one value; a row that was expired
 * ends first, in a change of its own.
 *
 * @throws MeridianError `CONFLICT`, `NOT_FOUND`, `ALREADY_EXISTS`, `CONDITION_FAILED`,
 * `INVALID_VALUE`, `CONSTRAINT_VIOLATED`
 */
export function evaluate(
  transaction: PreparedTransaction,
  rows: RoundRows,
  writes: WriteSet,
  author: Author,
): readonly RowImage[] {
  return new Evaluation(transaction, rows, writes, author).run()
}

interface Draft {
  readonly row: StoredRow
  readonly editor: RowEditor
}

class Evaluation {
  readonly #transaction: PreparedTransaction
  readonly #rows: RoundRows
  readonly #writes: WriteSet
  readonly #author: Author
  readonly #nowMs: number
  readonly #drafts = new Map<string, Draft>()
  readonly #updated: RowImage[] = []
  #updatedBytes = 0

  constructor(transaction: PreparedTransaction, rows: RoundRows, writes: WriteSet, author: Author) {
    this.#transaction = transaction
    this.#rows = rows
    this.#writes = writes
    this.#author = author
    this.#nowMs = hlcMs(author.hlc)
  }

  run(): readonly RowImage[] {
    for (const { ref, version } of this.#transaction.reads) this.#check(ref, version)
    for (const op of this.#transaction.ops) this.#apply(op)
    for (const [id, draft] of this.#drafts) this.#record(id, draft, 'user')
    return this.#updated
  }

  #check(ref: RowRef, version: string | null): void {
    const row = this.#rows.get(ref)
    this.#writes.consult(row)
    const current = isLive(ref.table, row.state, this.#nowMs) ? row.version : null
    if (current === version) return
    throw new MeridianError(
      'CONFLICT',
      `A row of \`${ref.table.name}\` that was read has changed.`,
      {
        fix: 'Run the transaction again.',
        details: { table: ref.table.name },
      },
    )
  }

  /** What an update gives back is stored with the outcome. */
  #noteUpdated(image: RowImage): void {
    this.#updated.push(image)
    this.#updatedBytes += rowBytes(image)
    if (this.#updatedBytes <= MAX_ROWS_BYTES) return
    throw new MeridianError('TRANSACTION_TOO_LARGE', 'The rows that it updates are too long.', {
      fix: 'Split the transaction.',
    })
  }

  #apply({ ref, op, image }: RowOp): void {
    const draft = this.#draft(ref)
    const live = isLive(ref.table, draft.editor.row, this.#nowMs)
    switch (op.kind) {
      case 'insert':
        if (live) throw alreadyExists(ref.table)
        return this.#insert(draft, image)
      case 'upsert':
        return live ? draft.editor.replace(image) : this.#insert(draft, image)
      case 'update':
        if (!live) throw notFound(ref.table)
        checkConditions(draft, op.conditions)
        for (const cell of op.cells) draft.editor.apply(cell.column, cell.op)
        return this.#noteUpdated(project(ref.table, ref.key, draft.editor.row))
      case 'delete':
        if (!live) return
        checkConditions(draft, op.conditions)
        return draft.editor.delete()
    }
  }

  #insert(draft: Draft, image: RowImage): void {
    const { table, id } = draft.row
    if (!isVisible(table, draft.editor.row)) return draft.editor.insert(image)
    // Expired, not swept yet. What the transaction itself did to the row comes before that.
    const before = this.#record(id, draft, 'user')
    const ending = this.#open(before)
    ending.editor.expire()
    this.#open(this.#record(id, ending, 'ttl')).editor.insert(image)
  }

  #draft(ref: RowRef): Draft {
    const draft = this.#drafts.get(ref.id)
    if (draft !== undefined) return draft
    const row = this.#rows.get(ref)
    this.#writes.consult(row)
    return this.#open(row)
  }

  #open(row: StoredRow): Draft {
    const draft = { row, editor: new RowEditor(row.table, row.state, this.#author) }
    this.#drafts.set(row.id, draft)
    return draft
  }

  /** Turns a draft into a change, unless it left nothing behind. Returns the row after it. */
  #record(id: string, { row, editor }: Draft, cause: Cause): StoredRow {
    this.#drafts.delete(id)
    const state = editor.row
    const isNothing =
      !editor.isDirty || (!isVisible(row.table, row.state) && !isVisible(row.table, state))
    if (isNothing) return row
    const { txId } = this.#transaction.request
    const { hlc } = this.#author
    return this.#writes.change({
      row,
      state,
      delta: encodeDelta(editor.delta()),
      version: hlc,
      facts: { txId, hlc, cause, origin: null },
    })
  }
}

function checkConditions(draft: Draft, conditions: readonly CellCondition[]): void {
  if (conditions.length === 0) return
  const { table, key } = draft.row
  const image = project(table, key, draft.editor.row)
  for (const condition of conditions) {
    if (conditionHolds(image[condition.column] ?? null, condition)) continue
    const column = table.physical[condition.column]
    throw new MeridianError('CONDITION_FAILED', `A condition on \`${table.name}\` does not hold.`, {
      details: { table: table.name, column: table.columnById.get(column?.columnId ?? -1)?.name },
    })
  }
}

function alreadyExists(table: CompiledTable): MeridianError {
  return new MeridianError('ALREADY_EXISTS', `Table \`${table.name}\` has a row with this key.`, {
    fix: 'Use `update` or `upsert`.',
    details: { table: table.name },
  })
}

function notFound(table: CompiledTable): MeridianError {
  return new MeridianError('NOT_FOUND', `Table \`${table.name}\` has no row with this key.`, {
    fix: 'Insert it, or use `upsert`.',
    details: { table: table.name },
  })
}
