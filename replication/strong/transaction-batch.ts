/**
 * Evaluates transactions: dedupe is done, what is left is to compare what was read, to carry out
 * the operations on rows that are live on the log's clock, and to keep every constraint. A
 * transaction has all its effects or none.
 */
import { MAX_GUARDED_ROWS, MAX_NAMED_CONFLICTS, MAX_ROWS_BYTES } from '../../src/core/limits.ts'
import type { ListQuery } from '../../src/core/list-query.ts'
import {
  guardedRows,
  isColumnGuard,
  isRangeGuard,
  isSqlGuard,
  type CellCondition,
  type ColumnGuard,
  type ReadCheck,
  type WriteOp,
} from '../../src/core/operations.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import { rowBytes, sameValue, type SqlValue } from '../../src/core/values.ts'
import { strongVersion } from '../../src/core/version.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { isColumnList, normalizeRange } from '../../src/schema/range.ts'
import { columnDigest } from '../../src/session/column-digest.ts'
import { rangeDigest } from '../../src/session/range-digest.ts'
import type { ActiveTables } from './active-tables.ts'
import type { StrongFaults } from './faults.ts'
import { changeCells, requireConditions } from './cell-rules.ts'
import type { RowKey } from './leases/read-scope.ts'
import { RangeView } from './range-view.ts'
import { Refused, refusedAt } from './refused.ts'
import { rowKeyOf } from './row-keys.ts'
import type { Row } from './row-reads.ts'
import { RowView, type MadeChange, type RowChange } from './row-view.ts'
import { SqlView } from './sql-view.ts'
import { writeChanges } from './row-writes.ts'
import type { LogPlace, MachineBatch, Outcome, RowEffect, QueryOutcome } from './state-machine.ts'
import { factsOf, isExpired, normalizeImage, normalizeKey } from '../../src/schema/table-facts.ts'
import { RANGE_GUARD_VERSION, type TransactionCommand } from './transaction-codec.ts'

/** The value of a transaction's outcome. */
export interface TransactionValue {
  readonly txId: string
  /** For every `update`, in order: the row after it. */
  readonly updated: readonly (readonly SqlValue[])[]
}

/** Where a transaction runs. */
interface Scope {
  readonly tenant: string
  readonly version: string
  readonly logTimeMs: number
}

export class TransactionBatch implements MachineBatch<TransactionCommand> {
  readonly #tables: ActiveTables
  /** What the log has come to: the whole batch is evaluated by it. */
  readonly #schema: CompiledSchema
  readonly #group: string
  readonly #faults: StrongFaults
  readonly #rows: RowView
  /** Those of the last `takeWrites`. */
  #changes: readonly MadeChange[] = []
  readonly #ranges: RangeView
  readonly #sql: SqlView
  /** How many of the statements of the last `takeReads` are of ranges. */
  #rangeReads = 0

  constructor(tables: ActiveTables, group: string, faults: StrongFaults) {
    this.#tables = tables
    this.#schema = tables.schema()
    this.#group = group
    this.#faults = faults
    this.#rows = new RowView(faults.ignoreOverlay === true)
    this.#ranges = new RangeView(this.#rows, faults.rangeGuardWithoutOverlay === true)
    this.#sql = new SqlView(this.#schema, group)
  }

  announce(command: TransactionCommand, logTimeMs: number, place: number): void {
    try {
      // Behind the first of a record, SQL is refused.
      if (place === 0) this.#sql.announce(command.reads, command.tenant, logTimeMs)
      this.#announce(command, logTimeMs)
    } catch {
      // Malformed: `apply` will refuse it.
    }
  }

  #announce(command: TransactionCommand, logTimeMs: number): void {
    for (const read of command.reads) {
      if (isSqlGuard(read)) continue
      if (isRangeGuard(read)) this.#announceRange(command, read.table, read.range, logTimeMs)
      else this.#announceKey(command, read.table, read.key)
    }
    for (const op of command.ops) {
      if (op.kind === 'update' || op.kind === 'delete') {
        this.#announceKey(command, op.table, op.key)
      } else {
        this.#announceRows(command, op)
      }
    }
  }

  takeQueries(): Statement[] {
    return this.#sql.takeQueries()
  }

  loadQueries(outcomes: readonly QueryOutcome[]): void {
    this.#sql.loadQueries(outcomes)
  }

  takeReads(): Statement[] {
    const ranges = this.#ranges.takeReads()
    this.#rangeReads = ranges.length
    return [...ranges, ...this.#rows.takeReads()]
  }

  load(results: readonly StatementResult[]): void {
    this.#ranges.load(results.slice(0, this.#rangeReads))
    this.#rows.load(results.slice(this.#rangeReads))
  }

  reset(): void {
    this.#rows.reset()
  }

  takeWrites(): Statement[] {
    this.#changes = this.#rows.takeChanges()
    return writeChanges(this.#changes)
  }

  effects(): readonly RowEffect[] {
    return this.#changes.map(({ table, kind, row, before }) => ({
      table: table.physicalName,
      before: before === undefined ? null : this.#asStored(table, before),
      after: kind === 'delete' ? null : this.#asStored(table, row),
    }))
  }

  writtenRows(): readonly RowKey[] {
    return this.#changes.map(({ table, row }) => {
      const key = factsOf(table).key.map((place) => row.image[place] ?? null)
      return rowKeyOf(table, row.tenant, key)
    })
  }

  #asStored(table: CompiledTable, row: Row): Row {
    const image = this.#tables.widen(table.id, row.image)
    return image === row.image ? row : { ...row, image }
  }

  apply(command: TransactionCommand, at: LogPlace): Outcome {
    const scope: Scope = {
      tenant: command.tenant,
      version: strongVersion(at.index, this.#faults.versionWithoutPlace === true ? 0 : at.place),
      logTimeMs: at.logTimeMs,
    }
    const mark = this.#rows.mark()
    try {
      this.#requireReads(command, scope, at.machineVersion)
      const updated: SqlValue[][] = []
      let bytes = 0
      for (const op of command.ops) {
        this.#run(op, scope, updated)
        if (op.kind === 'update') bytes += rowBytes(updated.at(-1) ?? [])
        // They are stored with the outcome, in every region: what no store takes stops the log.
        if (bytes > MAX_ROWS_BYTES) throw new Refused('TRANSACTION_TOO_LARGE', {})
      }
      const value: TransactionValue = { txId: command.txId, updated }
      return { ok: true, value }
    } catch (error) {
      this.#rows.rollback(mark)
      // Whatever a malformed transaction trips over, it does so in every region: it may not stop
      // the log (protocol rule 25).
      const { code, details, unstored } =
        error instanceof Refused ? error : new Refused('INVALID_ARGUMENT', {})
      const failure = { code, details, ...(unstored === undefined ? {} : { unstored }) }
      return { ok: false, failure }
    }
  }

  /** Refuses a transaction of which a read is not as it was; says which, by their places. */
  #requireReads({ txId, reads }: TransactionCommand, scope: Scope, machineVersion: number): void {
    if (guardedRows(reads) > MAX_GUARDED_ROWS) throw new Refused('TRANSACTION_TOO_LARGE', {})
    const first = reads.findIndex((read) => this.#isStale(read, scope))
    if (first === -1) return
    const { table } = reads[first] as ReadCheck
    const stale = [first]
    for (let i = first + 1; i < reads.length && stale.length < MAX_NAMED_CONFLICTS; i++) {
      if (this.#isKnownStale(reads[i] as ReadCheck, scope)) stale.push(i)
    }
    // A machine of version 1 evaluates records of version 1, too, and stores the table alone.
    throw machineVersion < RANGE_GUARD_VERSION
      ? new Refused('CONFLICT', { table }, { reads: stale })
      : new Refused('CONFLICT', { table, reads: stale, run: txId })
  }

  #isStale(read: ReadCheck, scope: Scope): boolean {
    const table = this.#table(read.table, scope)
    if (isSqlGuard(read)) return this.#faults.sqlGuardIgnored !== true && this.#sql.isStale(read)
    if (!isRangeGuard(read)) {
      const row = this.#live(table, scope, this.#key(table, read.key))
      if (isColumnGuard(read)) return columnsAreStale(table, read, row, this.#faults)
      return (row?.version ?? null) !== read.version
    }
    if (this.#faults.rangeGuardIgnored === true) return false
    const range = normalizeRange(table, read.range)
    if (range === undefined) throw refusedAt('INVALID_ARGUMENT', table)
    const { tenant, logTimeMs } = scope
    const rows = this.#ranges.first({ table, tenant, nowMs: logTimeMs }, range)
    return rangeDigest(table, rows) !== read.digest
  }

  /** What is wrong with a read behind the first conflict is not told: that one comes first. */
  #isKnownStale(read: ReadCheck, scope: Scope): boolean {
    try {
      return this.#isStale(read, scope)
    } catch {
      return false
    }
  }

  sweep(at: LogPlace, limit: number): void {
    let left = limit
    for (const table of groupTables(this.#schema, this.#group)) {
      if (table.ttl === null || left === 0) continue
      const expired = this.#rows.expired(table, at.logTimeMs, limit).slice(0, left)
      for (const row of expired) this.#delete(table, row, 'ttl')
      left -= expired.length
    }
  }

  #run(op: WriteOp, scope: Scope, updated: SqlValue[][]): void {
    const table = this.#table(op.table, scope)
    switch (op.kind) {
      case 'insert':
      case 'upsert':
        for (const image of op.rows) this.#put(table, scope, op.kind, image)
        return
      case 'update':
        updated.push(this.#update(table, scope, op))
        return
      case 'delete':
        return this.#deleteIf(table, scope, op.key, op.conditions)
    }
  }

  #put(
    table: CompiledTable,
    scope: Scope,
    kind: 'insert' | 'upsert',
    given: readonly SqlValue[],
  ): void {
    const key = this.#key(
      table,
      factsOf(table).key.map((place) => given[place] ?? null),
    )
    const existing = this.#live(table, scope, key, 'delete-expired')
    if (existing !== undefined && kind === 'insert') throw refusedAt('ALREADY_EXISTS', table)
    this.#write(table, scope, this.#image(table, given, existing?.image), existing)
  }

  #update(
    table: CompiledTable,
    scope: Scope,
    op: Extract<WriteOp, { kind: 'update' }>,
  ): SqlValue[] {
    const existing = this.#live(table, scope, this.#key(table, op.key))
    if (existing === undefined) throw refusedAt('NOT_FOUND', table)
    requireConditions(table, existing, op.conditions)
    const image = this.#image(table, changeCells(table, existing, op.cells))
    const moved = factsOf(table).key.find(
      (place) => !sameValue(image[place] ?? null, existing.image[place] ?? null),
    )
    if (moved !== undefined) throw refusedAt('CONSTRAINT_VIOLATED', table, moved)
    this.#write(table, scope, image, existing)
    return image
  }

  #deleteIf(
    table: CompiledTable,
    scope: Scope,
    key: readonly SqlValue[],
    conditions: readonly CellCondition[],
  ): void {
    const existing = this.#live(table, scope, this.#key(table, key))
    if (existing === undefined) return
    requireConditions(table, existing, conditions)
    this.#delete(table, existing, 'user')
  }

  #write(
    table: CompiledTable,
    scope: Scope,
    image: readonly SqlValue[],
    existing: Row | undefined,
  ): void {
    for (const unique of factsOf(table).uniques) {
      const holder = this.#rows.holder(table, unique, scope.tenant, image)
      if (holder === undefined || holder === existing) continue
      if (!isExpired(table, holder.image, scope.logTimeMs)) {
        throw refusedAt('CONSTRAINT_VIOLATED', table, ...unique.columns)
      }
      this.#delete(table, holder, 'ttl')
    }
    const row: Row = { tenant: scope.tenant, image, version: scope.version }
    const kind = existing === undefined ? 'insert' : 'update'
    this.#rows.change({ table, kind, cause: 'user', row }, existing)
  }

  #delete(table: CompiledTable, row: Row, cause: RowChange['cause']): void {
    this.#rows.change({ table, kind: 'delete', cause, row }, row)
  }

  /** The row if it is live; an expired one is absent, and deleted where its key is written. */
  #live(
    table: CompiledTable,
    scope: Scope,
    key: readonly SqlValue[],
    expired: 'keep-expired' | 'delete-expired' = 'keep-expired',
  ): Row | undefined {
    const row = this.#rows.get(table, scope.tenant, key)
    if (row === undefined || !isExpired(table, row.image, scope.logTimeMs)) return row
    if (expired === 'delete-expired') this.#delete(table, row, 'ttl')
    return undefined
  }

  #table(id: number, scope: Scope): CompiledTable {
    const table = this.#schema.tableById.get(id)
    if (table?.logGroup !== this.#group) throw new Refused('SCHEMA_INCOMPATIBLE', { table: id })
    if ((table.scope === 'tenant') !== (scope.tenant !== '')) {
      throw refusedAt('TENANT_REQUIRED', table)
    }
    return table
  }

  #key(table: CompiledTable, key: readonly SqlValue[]): SqlValue[] {
    const normal = normalizeKey(table, key)
    if (typeof normal === 'number') throw refusedAt('CONSTRAINT_VIOLATED', table, normal)
    return normal
  }

  /** `existing`: keeps the columns that `image`, from an older schema, lacks. */
  #image(
    table: CompiledTable,
    image: readonly SqlValue[],
    existing?: readonly SqlValue[],
  ): SqlValue[] {
    // More columns than this schema has: sent by a schema that this one cannot serve.
    if (image.length > table.physical.length) throw refusedAt('SCHEMA_INCOMPATIBLE', table)
    const normal = normalizeImage(table, image, existing)
    if (typeof normal === 'number') throw refusedAt('CONSTRAINT_VIOLATED', table, normal)
    return normal
  }

  #announceKey(command: TransactionCommand, id: number, key: readonly SqlValue[]): void {
    const table = this.#schema.tableById.get(id)
    const normal = table === undefined ? 0 : normalizeKey(table, key)
    if (table === undefined || typeof normal === 'number') return
    this.#rows.get(table, command.tenant, normal)
  }

  #announceRange(command: TransactionCommand, id: number, range: ListQuery, nowMs: number): void {
    const table = this.#schema.tableById.get(id)
    const normal = table === undefined ? undefined : normalizeRange(table, range)
    if (table === undefined || normal === undefined) return
    this.#ranges.first({ table, tenant: command.tenant, nowMs }, normal)
  }

  #announceRows(
    command: TransactionCommand,
    op: Extract<WriteOp, { kind: 'insert' | 'upsert' }>,
  ): void {
    const table = this.#schema.tableById.get(op.table)
    if (table === undefined) return
    const { key, uniques } = factsOf(table)
    for (const given of op.rows) {
      const image = normalizeImage(table, given)
      if (typeof image === 'number') continue
      this.#rows.get(
        table,
        command.tenant,
        key.map((place) => image[place] ?? null),
      )
      for (const unique of uniques) this.#rows.holder(table, unique, command.tenant, image)
    }
  }
}

/** The tables of a log group, in the order in which ticks sweep them. */
export function groupTables(schema: CompiledSchema, group: string): CompiledTable[] {
  return schema.tables.filter((t) => t.logGroup === group).toSorted((a, b) => a.id - b.id)
}

/**
 * Whether the row as it is here, prefetched or written by the batch, has other values in the columns
 * of a guard, or is gone. Which write gave it its values does not matter: who read them
 * would read the same here, and do the same.
 */
function columnsAreStale(
  table: CompiledTable,
  { columns, digest }: ColumnGuard,
  row: Row | undefined,
  faults: StrongFaults,
): boolean {
  if (!isColumnList(table, columns)) throw refusedAt('INVALID_ARGUMENT', table)
  if (faults.columnGuardIgnored === true) return false
  if (row === undefined) return faults.columnGuardWithoutRow !== true
  return columnDigest(table, columns, row.image) !== digest
}
