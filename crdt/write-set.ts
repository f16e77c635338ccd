/**
 * What one atomic write does: next states of rows, the outbox rows that say so, and the meaning of
 * each statement's failure.
 */
import type { Cause, ChangeOp, Origin } from '../src/core/change.ts'
import { asMeridianError, MeridianError } from '../src/core/errors.ts'
import type { Hlc } from '../src/core/hlc.ts'
import {
  StatementFailed,
  type Statement,
  type StatementResult,
  type Store,
} from '../src/core/ports/store.ts'
import type { StoreClock } from '../src/core/store-clock.ts'
import type { CompiledSchema, CompiledTable } from '../src/schema/compiled.ts'
import { beginContext } from '../src/schema/system-tables.ts'
import { outboxRows, type NewOutboxChange } from '../src/sql/outbox-rows.ts'
import { isVisible, project } from './project.ts'
import { StaleRound, type RoundRows } from './lane.ts'
import { guardRows, writeStates, type RowUpdate, type StoredRow } from './stored-rows.ts'
import type { RowState } from './state.ts'

/** What a change says besides the row. */
export interface ChangeFacts {
  readonly txId: string
  readonly hlc: Hlc
  readonly cause: Cause
  /** Null: the change is made here. */
  readonly origin: Pick<Origin, 'source' | 'seq'> | null
}

/** A row's next state and how it came about. */
export interface RowChange {
  readonly row: StoredRow
  readonly state: RowState
  readonly delta: Uint8Array
  /** The row's version after it: an HLC of this store, so that it rises with every change. */
  readonly version: Hlc
  readonly facts: ChangeFacts
}

/** Collects the changes of one write. */
export class WriteSet {
  readonly #schema: CompiledSchema
  readonly #rows: RoundRows
  readonly #updates = new Map<string, RowUpdate>()
  readonly #changes: NewOutboxChange[] = []
  readonly #consulted = new Map<string, StoredRow>()

  constructor(schema: CompiledSchema, rows: RoundRows) {
    this.#schema = schema
    this.#rows = rows
  }

  /** Notes that the write rests on the row as it is. */
  consult(row: StoredRow): void {
    this.#consulted.set(row.id, row)
  }

  /** Records a change; returns the row after it. */
  change(change: RowChange): StoredRow {
    const { row, state, version } = change
    const { table, tenant, key } = row
    const before = isVisible(table, row.state) ? project(table, key, row.state) : null
    const after = isVisible(table, state) ? project(table, key, state) : null
    const op = opOf(before === null, after === null)
    this.#changes.push({
      epoch: 0,
      origin: change.facts.origin,
      txId: change.facts.txId,
      hlc: change.facts.hlc,
      schemaVersion: this.#schema.version,
      cause: change.facts.cause,
      tableId: table.id,
      op,
      tenant,
      key,
      before,
      after,
      version: op === 'delete' ? (row.version ?? version) : version,
      delta: change.delta,
    })
    const first = this.#updates.get(row.id)?.row ?? row
    this.#updates.set(row.id, { row: first, state, version })
    return { ...row, state, version }
  }

  /** The statements, and the rows for the jobs after this one. */
  finish(): Statement[] {
    const statements: Statement[] = []
    const consulted = [...this.#consulted.values()].filter((row) => !this.#updates.has(row.id))
    for (const [table, rows] of byTable(consulted, (row) => row.table)) {
      statements.push(guardRows(table, rows))
    }
    const updates = [...this.#updates.values()]
    for (const [table, group] of byTable(updates, ({ row }) => row.table)) {
      statements.push(...writeStates(table, group))
    }
    if (this.#changes.length > 0) statements.push(outboxRows(this.#schema, this.#changes))
    for (const { row, state, version } of updates) this.#rows.put({ ...row, state, version })
    return statements
  }
}

/**
 * A change that shows nothing is a delete of nothing: it carries its origin on, which sessions
 * wait for.
 */
function opOf(wasAbsent: boolean, isAbsent: boolean): ChangeOp {
  if (isAbsent) return 'delete'
  return wasAbsent ? 'insert' : 'update'
}

function byTable<T>(
  items: readonly T[],
  tableOf: (item: T) => CompiledTable,
): Map<CompiledTable, T[]> {
  const groups = new Map<CompiledTable, T[]>()
  for (const item of items) {
    const group = groups.get(tableOf(item))
    if (group === undefined) groups.set(tableOf(item), [item])
    else group.push(item)
  }
  return groups
}

/** Begins a write whose changes the writer records itself. */
export function beginWrite(
  schema: CompiledSchema,
  txId: string,
  hlc: Hlc,
  cause: Cause,
): Statement {
  return beginContext({
    txId,
    hlc,
    epoch: 0,
    cause,
    schemaVersion: schema.version,
    capture: false,
    origin: null,
  })
}

/**
 * Writes; a guard that found changed rows, and a clock behind the store's, mean `StaleRound`. The
 * first statement is `beginWrite`'s.
 *
 * @throws MeridianError `INVALID_VALUE` for a value that is not of its column's type
 */
export async function writeGuarded(
  write: () => Promise<readonly StatementResult[]>,
  store: Store,
  clock: StoreClock,
): Promise<readonly StatementResult[]> {
  try {
    return await write()
  } catch (error) {
    if (!(error instanceof StatementFailed)) throw asMeridianError(error)
    if (error.kind === 'raise' && error.statementIndex === 0) {
      // Another writer of the store is ahead: go on from where it stands.
      const [result] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
      clock.observe(result?.rows[0]?.[0] as Hlc)
    } else if (error.kind !== 'check' && error.kind !== 'unique') {
      throw refused(error)
    }
    throw new StaleRound(error.message)
  }
}

function refused(error: StatementFailed): MeridianError {
  if (error.kind !== 'type' && error.kind !== 'not-null') return asMeridianError(error)
  return new MeridianError('INVALID_VALUE', 'A value is not of the type of its column.', {
    fix: 'Give values in the stored form of their columns.',
    cause: error,
  })
}
