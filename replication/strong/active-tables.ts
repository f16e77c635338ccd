/**
 * The tables of a node as far as its log has come to them, and what of a transaction reaches beyond:
 * that has to wait for the log (protocol rule 13).
 */
import {
  isColumnGuard,
  isRangeGuard,
  isSqlGuard,
  type ReadCheck,
  type WriteOp,
} from '../../src/core/operations.ts'
import { sameValue, type SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { normalizeImage } from '../../src/schema/table-facts.ts'
import { activeSchemaOf, restrictSchema, type ActiveSchema } from './active-schema.ts'
import type { MachineSchemas } from './state-machine.ts'
import type { TransactionCommand } from './transaction-codec.ts'

export class ActiveTables implements MachineSchemas<TransactionCommand> {
  readonly own: ActiveSchema
  readonly #schema: CompiledSchema
  readonly #group: string
  readonly #isIgnored: boolean
  #active: CompiledSchema

  /** `isIgnored`: see `StrongFaults.activeSchemaIgnored`. */
  constructor(schema: CompiledSchema, group: string, isIgnored: boolean) {
    this.own = activeSchemaOf(schema, group)
    this.#schema = schema
    this.#group = group
    this.#isIgnored = isIgnored
    this.#active = schema
  }

  /** What records are evaluated by. */
  schema(): CompiledSchema {
    return this.#active
  }

  require(active: ActiveSchema): void {
    restrictSchema(this.#schema, this.#group, active)
  }

  adopt(active: ActiveSchema | undefined): void {
    const isOwn = active === undefined || this.#isIgnored
    this.#active = isOwn ? this.#schema : restrictSchema(this.#schema, this.#group, active)
  }

  fit(command: TransactionCommand): TransactionCommand | undefined {
    if (this.#active === this.#schema) return command
    if (command.reads.some((read) => this.#readsBeyond(read))) return undefined
    const ops = command.ops.map((op) => this.#fitOp(op))
    return ops.every((op) => op !== undefined) ? { ...command, ops } : undefined
  }

  /** An image as the store has it: with the columns that the log has yet to come to. */
  widen(tableId: number, image: readonly SqlValue[]): readonly SqlValue[] {
    const table = this.#schema.tableById.get(tableId)
    if (table === undefined || image.length >= table.physical.length) return image
    const wide = normalizeImage(table, image)
    return typeof wide === 'number' ? image : wide
  }

  /** The table here and as the log has it; undefined: the log has all of it. */
  #beyond(id: number): { own: CompiledTable; active: CompiledTable | undefined } | undefined {
    const own = this.#schema.tableById.get(id)
    const active = this.#active.tableById.get(id)
    return own === undefined || own === active ? undefined : { own, active }
  }

  #readsBeyond(read: ReadCheck): boolean {
    if (isSqlGuard(read)) {
      return read.tables.some(({ id, columns }) => {
        const beyond = this.#beyond(id)
        const known = beyond?.active?.columnById
        return beyond !== undefined && !columns.every(([column]) => known?.has(column))
      })
    }
    const beyond = this.#beyond(read.table)
    if (beyond === undefined) return false
    if (isColumnGuard(read)) return usesNew(beyond, read.columns)
    if (!isRangeGuard(read)) return usesNew(beyond, [])
    const { where, orderBy } = read.range
    return usesNew(
      beyond,
      [...where, ...orderBy].map(({ column }) => column),
    )
  }

  #fitOp(op: WriteOp): WriteOp | undefined {
    const beyond = this.#beyond(op.table)
    if (beyond === undefined) return op
    switch (op.kind) {
      case 'insert':
        return this.#fitInsert(op, beyond)
      case 'upsert':
        // What it leaves out it would leave as it is: by then that need not be the default.
        return usesNew(
          beyond,
          op.rows.map((row) => row.length - 1),
        )
          ? undefined
          : op
      case 'update':
        return usesNew(
          beyond,
          [...op.cells, ...op.conditions].map(({ column }) => column),
        )
          ? undefined
          : op
      case 'delete':
        return usesNew(
          beyond,
          op.conditions.map(({ column }) => column),
        )
          ? undefined
          : op
    }
  }

  /** New columns that hold their defaults are left out: writers need not know which nodes are old. */
  #fitInsert(
    op: Extract<WriteOp, { kind: 'insert' | 'upsert' }>,
    { own, active }: { own: CompiledTable; active: CompiledTable | undefined },
  ): WriteOp | undefined {
    if (active === undefined) return undefined
    const width = active.physical.length
    const rows = op.rows.map((row) => {
      const narrow = row.slice(0, width)
      const defaults = row.length > own.physical.length ? 0 : normalizeImage(own, narrow)
      const given = typeof defaults === 'number' ? 0 : normalizeImage(own, row)
      if (typeof defaults === 'number' || typeof given === 'number') return row
      return given.every((value, i) => sameValue(value, defaults[i] ?? null)) ? narrow : row
    })
    const isFit = rows.every((row) => row.length <= width)
    return isFit ||
      !usesNew(
        { own, active },
        rows.map((row) => row.length - 1),
      )
      ? { ...op, rows }
      : undefined
  }
}

/** Whether one of the places in images is a column that this node has and the log has not. */
function usesNew(
  { own, active }: { own: CompiledTable; active: CompiledTable | undefined },
  places: readonly number[],
): boolean {
  if (active === undefined) return true
  const [from, end] = [active.physical.length, own.physical.length]
  // What this node has not either is refused where it is applied.
  return places.some((place) => place >= from && place < end)
}
