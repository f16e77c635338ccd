/**
 * A pinned transaction as one list of statements, known before it runs: the writer is never held
 * over a network wait (protocol rule 23). What must hold is a guard, a statement that fails when it
 * does not; each statement remembers what its failure means.
 */
import type { ErrorCode } from '../../src/core/errors.ts'
import { hlcMs, type Hlc } from '../../src/core/hlc.ts'
import { MAX_ROWS_BYTES } from '../../src/core/limits.ts'
import type { Statement, StoreFailureKind } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { pinnedVersion } from '../../src/core/version.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { beginContext, LAST_LOCAL_SEQ, setCause } from '../../src/schema/system-tables.ts'
import { fromJsonCell, keyColumns, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { expiredRow, liveRow } from '../../src/sql/live-row.ts'
import { keyOf, hasWideColumns, rowColumns } from '../../src/sql/select.ts'
import { insertRows, upsertRows, type RowWrite } from '../../src/sql/write-rows.ts'
import { factsOf } from '../../src/schema/table-facts.ts'
import type { PinnedFaults } from './faults.ts'
import { insertOutcome, insertOutcomePart } from './outcomes.ts'
import type {
  DeleteOp,
  PinnedOp,
  PreparedReads,
  PreparedTransaction,
  PutOp,
  UpdateOp,
} from './prepare.ts'
import { brokenConditions, changedCell, joinFragments, type Fragment } from './update-sql.ts'

/** Where and when a transaction runs. */
export interface ProgramContext {
  readonly hlc: Hlc
  readonly epoch: number
  readonly tenantKey: string
  readonly region: string
  readonly schemaVersion: number
  /**
   * Row by row instead of in bulk, with a guard before each insert: what failed is then known
   * exactly. For the second run of a transaction that met a unique key.
   */
  readonly careful: boolean
  readonly faults: PinnedFaults
}

/** What the failure of a statement means. */
export type StepMeaning =
  /** The stamp is not above the store's clock. */
  | { readonly kind: 'clock' }
  /** The tenant's home is not here, or not at this epoch. */
  | { readonly kind: 'home' }
  /** The idempotency key has an outcome. */
  | { readonly kind: 'outcome' }
  /** The transaction is refused. */
  | { readonly kind: 'guard'; readonly code: ErrorCode; readonly table: CompiledTable }
  /** A constraint of the table; `ambiguous`: whether it is the primary key's is not known. */
  | { readonly kind: 'write'; readonly table: CompiledTable; readonly ambiguous: boolean }
  /** It cannot fail by what the transaction asks. */
  | { readonly kind: 'other' }

/** A row that an update gave. */
export interface UpdateStep {
  readonly statement: number
  readonly table: CompiledTable
}

/** The statements of a transaction. The last one gives its position. */
export interface Program {
  readonly hlc: Hlc
  readonly statements: readonly Statement[]
  readonly meanings: readonly StepMeaning[]
  readonly updates: readonly UpdateStep[]
}

/** Turns a transaction into statements. */
export function compileProgram(transaction: PreparedTransaction, context: ProgramContext): Program {
  return new ProgramBuilder(transaction, context).build()
}

class ProgramBuilder {
  readonly #transaction: PreparedTransaction
  readonly #context: ProgramContext
  readonly #tenant: string
  readonly #nowMs: number
  readonly #version: string
  readonly #statements: Statement[] = []
  readonly #meanings: StepMeaning[] = []
  readonly #updates: UpdateStep[] = []
  /** What an update gives back is stored, too: of all together no more than of a read. */
  readonly #maxUpdateBytes: number

  constructor(transaction: PreparedTransaction, context: ProgramContext) {
    this.#transaction = transaction
    const updates = transaction.ops.filter((op) => op.kind === 'update').length
    this.#maxUpdateBytes = Math.floor(MAX_ROWS_BYTES / Math.max(1, updates))
    this.#context = context
    this.#tenant = transaction.request.tenant
    // Not below the wall clock, and never back: the instant that expiry is judged at.
    this.#nowMs = hlcMs(context.hlc)
    this.#version = pinnedVersion(context.epoch, context.hlc)
  }

  build(): Program {
    const { request, reads, ops } = this.#transaction
    const { hlc, epoch, tenantKey, region, schemaVersion, faults } = this.#context
    const { txId } = request
    this.#add(
      beginContext({ txId, hlc, epoch, cause: 'user', schemaVersion, capture: true, origin: null }),
      { kind: 'clock' },
    )
    if (faults.trustsDirectoryCache !== true) {
      this.#add(homeGuard(tenantKey, region, epoch), { kind: 'home' })
    }
    if (faults.forgetsOutcomes !== true) {
      this.#add(insertOutcome(request, hlc, this.#nowMs), { kind: 'outcome' })
    }
    for (const group of reads) this.#add(this.#readGuard(group), refusal('CONFLICT', group.table))
    for (const op of ops) this.#op(op)
    this.#add(LAST_LOCAL_SEQ, { kind: 'other' })
    return {
      hlc,
      statements: this.#statements,
      meanings: this.#meanings,
      updates: this.#updates,
    }
  }

  #add(statement: Statement, meaning: StepMeaning): void {
    this.#statements.push(statement)
    this.#meanings.push(meaning)
  }

  /** Fails when a row is not at the version that was read; absent rows have the version NULL. */
  #readGuard({ table, checks }: PreparedReads): Statement {
    const columns = keyColumns(table)
    const live = liveRow(table, 'r')
    const same = columns.map((c, i) => `r.${c.name} = ${fromJsonCell(c, 'j.value', i)}`)
    const json = checks.map(({ key, version }) => [
      ...key.map((value, i) => toJsonCell(columns[i] as CellColumn, value)),
      version,
    ])
    return {
      sql: `INSERT INTO _guard SELECT 1 FROM json_each(?) j
        WHERE j.value->>${columns.length} IS NOT (SELECT r._ver FROM ${table.physicalName} r
          WHERE r.tenant = ? AND ${same.join(' AND ')} AND ${live.sql})`,
      args: [JSON.stringify(json), this.#tenant, ...(live.takesNow ? [this.#nowMs] : [])],
    }
  }

  #op(op: PinnedOp): void {
    switch (op.kind) {
      case 'insert':
      case 'upsert':
        if (this.#context.careful) for (const image of op.images) this.#put(op, [image])
        else if (op.images.length > 0) this.#put(op, op.images)
        return
      case 'update':
        return this.#update(op)
      case 'delete':
        return this.#delete(op)
    }
  }

  #put({ kind, table }: PutOp, images: readonly (readonly SqlValue[])[]): void {
    const { careful, epoch } = this.#context
    const { key, uniques } = factsOf(table)
    this.#deleteExpired(table, [key, ...uniques.map((u) => u.columns)], images)
    if (careful && kind === 'insert') {
      for (const image of images) {
        const row = this.#keyFragment(table, keyOf(table, image), table.physicalName)
        this.#add(
          {
            sql: `INSERT INTO _guard SELECT 1 FROM ${table.physicalName} WHERE ${row.sql}`,
            args: row.args,
          },
          refusal('ALREADY_EXISTS', table),
        )
      }
    }
    const rows = images.map((image): RowWrite => ({
      tenant: this.#tenant,
      image,
      version: this.#version,
      epoch,
    }))
    const statement = kind === 'insert' ? insertRows(table, rows) : upsertRows(table, rows)
    this.#add(statement, { kind: 'write', table, ambiguous: !careful })
  }

  #update(op: UpdateOp): void {
    const { table, key, cells, conditions } = op
    const { physicalName } = table
    const row = this.#liveFragment(table, key, 'r')
    const broken = brokenConditions(table, conditions, cells, 'r')
    if (broken !== undefined) this.#guardRow(table, row, broken, 'CONDITION_FAILED')
    this.#deleteExpiredHolders(op, row)
    const sets = cells.map((cell): Fragment => {
      const value = changedCell(table, cell, 'r')
      return { sql: `${table.physical[cell.column]?.name} = ${value.sql}`, args: value.args }
    })
    sets.push({ sql: '_ver = ?', args: [this.#version] })
    sets.push({ sql: '_epoch = ?', args: [this.#context.epoch] })
    const set = joinFragments(sets, ', ')
    this.#updates.push({ statement: this.#statements.length, table })
    this.#add(
      {
        sql: `UPDATE ${physicalName} AS r SET ${set.sql} WHERE ${row.sql}
          RETURNING ${rowColumns(table, physicalName)}`,
        args: [...set.args, ...row.args],
        bigints: hasWideColumns(table),
        maxBytes: this.#maxUpdateBytes,
      },
      { kind: 'write', table, ambiguous: false },
    )
    this.#add(NOTHING_CHANGED, refusal('NOT_FOUND', table))
    if (this.#context.faults.forgetsOutcomes === true) return
    const { request } = this.#transaction
    this.#add(insertOutcomePart(request, table, key, this.#updates.length, this.#nowMs), {
      kind: 'other',
    })
  }

  #delete({ table, key, conditions }: DeleteOp): void {
    const row = this.#liveFragment(table, key, 'r')
    const broken = brokenConditions(table, conditions, [], 'r')
    if (broken !== undefined) this.#guardRow(table, row, broken, 'CONDITION_FAILED')
    this.#add(
      { sql: `DELETE FROM ${table.physicalName} AS r WHERE ${row.sql}`, args: row.args },
      { kind: 'other' },
    )
  }

  #guardRow(table: CompiledTable, row: Fragment, broken: Fragment, code: ErrorCode): void {
    this.#add(
      {
        sql: `INSERT INTO _guard SELECT 1 FROM ${table.physicalName} r
          WHERE ${row.sql} AND (${broken.sql})`,
        args: [...row.args, ...broken.args],
      },
      refusal(code, table),
    )
  }

  /** Deletes expired rows that hold what `images` are to have (protocol rule 15). */
  #deleteExpired(
    table: CompiledTable,
    constraints: readonly (readonly number[])[],
    images: readonly (readonly SqlValue[])[],
  ): void {
    if (table.ttl === null || this.#context.faults.keepsExpiredRows === true) return
    this.#add(setCause('ttl'), { kind: 'other' })
    for (const places of constraints) {
      const columns = places.map((place) => table.physical[place] as CellColumn)
      const values = images.map((image) =>
        places.map((place, i) => toJsonCell(columns[i] as CellColumn, image[place] ?? null)),
      )
      const cells = columns.map((column, i) => fromJsonCell(column, 'value', i)).join(', ')
      this.#add(
        {
          sql: `DELETE FROM ${table.physicalName} AS r
            WHERE (r.tenant, ${columns.map((c) => `r.${c.name}`).join(', ')}) IN (
              SELECT ?, ${cells} FROM json_each(?)) AND ${expiredRow(table, 'r')}`,
          args: [this.#tenant, JSON.stringify(values), this.#nowMs],
        },
        { kind: 'other' },
      )
    }
    this.#add(setCause('user'), { kind: 'other' })
  }

  /** Deletes expired rows that hold unique values which the update gives to its row. */
  #deleteExpiredHolders({ table, cells }: UpdateOp, row: Fragment): void {
    const uniques = factsOf(table).uniques.filter((unique) =>
      cells.some((cell) => unique.columns.includes(cell.column)),
    )
    if (table.ttl === null || uniques.length === 0) return
    if (this.#context.faults.keepsExpiredRows === true) return
    this.#add(setCause('ttl'), { kind: 'other' })
    for (const { columns } of uniques) {
      const names = columns.map((place) => table.physical[place]?.name)
      const values = joinFragments(
        columns.map((place): Fragment => {
          const change = cells.find((cell) => cell.column === place)
          return change === undefined
            ? { sql: `r.${table.physical[place]?.name}`, args: [] }
            : changedCell(table, change, 'r')
        }),
        ', ',
      )
      this.#add(
        {
          sql: `DELETE FROM ${table.physicalName} AS h
            WHERE (h.tenant, ${names.map((name) => `h.${name}`).join(', ')}) IN (
              SELECT r.tenant, ${values.sql} FROM ${table.physicalName} r WHERE ${row.sql})
            AND ${expiredRow(table, 'h')}`,
          args: [...values.args, ...row.args, this.#nowMs],
        },
        { kind: 'other' },
      )
    }
    this.#add(setCause('user'), { kind: 'other' })
  }

  #keyFragment(table: CompiledTable, key: readonly SqlValue[], alias: string): Fragment {
    const names = keyColumns(table).map((column) => `${alias}.${column.name} = ?`)
    return { sql: [`${alias}.tenant = ?`, ...names].join(' AND '), args: [this.#tenant, ...key] }
  }

  #liveFragment(table: CompiledTable, key: readonly SqlValue[], alias: string): Fragment {
    const row = this.#keyFragment(table, key, alias)
    const live = liveRow(table, alias)
    return {
      sql: `${row.sql} AND ${live.sql}`,
      args: live.takesNow ? [...row.args, this.#nowMs] : row.args,
    }
  }
}

/** Fails unless the tenant's home is here, at this epoch, and takes writes. */
export function homeGuard(tenantKey: string, region: string, epoch: number): Statement {
  return {
    sql: `INSERT INTO _guard SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM _tenants
      WHERE tenant_key = ? AND home = ? AND epoch = ? AND state = 'active')`,
    args: [tenantKey, region, epoch],
  }
}

/** Fails when the statement before it changed no row. */
const NOTHING_CHANGED: Statement = {
  sql: 'INSERT INTO _guard SELECT 1 WHERE changes() = 0',
  args: [],
}

function refusal(code: ErrorCode, table: CompiledTable): StepMeaning {
  return { kind: 'guard', code, table }
}

/** The code that a write's failure has; undefined: not one of the transaction's own doing. */
export function violationCode(kind: StoreFailureKind): ErrorCode | undefined {
  switch (kind) {
    case 'unique':
    case 'check':
    case 'not-null':
    case 'foreign-key':
    case 'type':
      return 'CONSTRAINT_VIOLATED'
    case 'raise':
    case 'other':
      return undefined
  }
}
