/** Applies pinned changes that other regions made: rows in bulk, outbox rows with their origin. */
import type { Change } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeApplier } from '../../src/core/ports/changes.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { completeImage, encodeKey } from '../../src/schema/image.ts'
import { outboxRows, type NewOutboxChange } from '../../src/sql/outbox-rows.ts'
import { fromJsonCell, keyColumns, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { hasWideColumns, rowColumns, rowReader } from '../../src/sql/select.ts'
import {
  deleteRowsUpTo,
  upsertRows,
  type RowWrite,
  type VersionedKey,
} from '../../src/sql/write-rows.ts'
import { factsOf } from '../../src/schema/table-facts.ts'
import type { PinnedFaults } from './faults.ts'
import { groupBy } from './group-by.ts'

/** What an applier needs. */
export interface PinnedApplierOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  /** Test-only. */
  readonly faults?: PinnedFaults
}

/**
 * Creates the applier of a store; all importers of the store share it. A change whose version is
 * not above that of the stored row has no effect and no outbox row (protocol rule 3): rows carry
 * (epoch, seq), so what an old home sends late never overwrites what the new one wrote.
 *
 * The write that `commit` makes must have set `capture = 0`.
 */
export function createPinnedApplier(options: PinnedApplierOptions): ChangeApplier {
  return new PinnedApplier(options)
}

/** A row as a batch of changes leaves it. */
interface NetRow {
  readonly table: CompiledTable
  readonly tenant: string
  readonly key: readonly SqlValue[]
  /** Whether the store has it, and at which version. */
  stored: string | null
  /** Null: absent. */
  image: readonly SqlValue[] | null
  version: string
  epoch: number
  changed: boolean
}

class PinnedApplier implements ChangeApplier {
  readonly #options: PinnedApplierOptions
  /** Importers wait for each other: what one computes must not change before it is written. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: PinnedApplierOptions) {
    this.#options = options
  }

  apply(
    changes: readonly Change[],
    commit: (statements: readonly Statement[]) => Promise<void>,
  ): Promise<void> {
    const run = this.#last.then(async () => commit(await this.#statements(changes)))
    this.#last = run.catch(() => undefined)
    return run
  }

  async #statements(changes: readonly Change[]): Promise<Statement[]> {
    const rows = this.#rowsOf(changes)
    await this.#load([...rows.values()])
    const outbox: NewOutboxChange[] = []
    for (const change of changes) {
      const row = rows.get(idOf(this.#table(change), change)) as NetRow
      const effective = this.#applyChange(row, change)
      if (effective !== undefined) outbox.push(effective)
    }
    if (outbox.length === 0) return []
    return [...this.#writes([...rows.values()]), outboxRows(this.#options.schema, outbox)]
  }

  #rowsOf(changes: readonly Change[]): Map<string, NetRow> {
    const rows = new Map<string, NetRow>()
    for (const change of changes) {
      const table = this.#table(change)
      const id = idOf(table, change)
      if (rows.has(id)) continue
      const { tenant, key } = change
      const nothing = { stored: null, image: null, version: '', epoch: 0, changed: false }
      rows.set(id, { table, tenant, key, ...nothing })
    }
    return rows
  }

  /** Reads what the store has of these rows, expired or not. */
  async #load(rows: readonly NetRow[]): Promise<void> {
    const groups = [...groupBy(rows, (row) => row.table)]
    if (groups.length === 0) return
    const results = await this.#options.store.read(
      groups.map(([table, group]) => selectStored(table, group)),
    )
    groups.forEach(([table, group], i) => {
      const read = rowReader(table)
      for (const result of results[i]?.rows ?? []) {
        const row = group[Number(result.at(-1))] as NetRow
        const { image, version } = read(result)
        row.image = image
        row.version = version
        row.stored = version
      }
    })
  }

  /** Carries out a change on the net row; undefined where it has no effect. */
  #applyChange(row: NetRow, change: Change): NewOutboxChange | undefined {
    const before = row.image
    if (this.#options.faults?.lowerVersionOverwrites !== true && isOutdated(row, change)) {
      return undefined
    }
    if (before === null && change.op === 'delete') return undefined
    row.image = change.op === 'delete' ? null : widen(row.table, change.after ?? [])
    row.version = change.version
    row.epoch = change.origin.epoch
    row.changed = true
    return {
      origin: { source: change.origin.source, seq: change.origin.seq },
      epoch: change.origin.epoch,
      txId: change.txId,
      hlc: change.hlc,
      schemaVersion: this.#options.schema.version,
      cause: change.cause,
      tableId: change.tableId,
      op: row.image === null ? 'delete' : before === null ? 'insert' : 'update',
      tenant: change.tenant,
      key: change.key,
      before,
      after: row.image,
      version: change.version,
      delta: null,
    }
  }

  #writes(rows: readonly NetRow[]): Statement[] {
    const statements: Statement[] = []
    const replace =
      this.#options.faults?.lowerVersionOverwrites === true ? 'always' : 'lower-version'
    const changed = rows.filter((row) => row.changed)
    for (const [table, group] of groupBy(changed, (row) => row.table)) {
      // A value of a unique column may pass from one row to another: all let go of theirs first.
      const passing = factsOf(table).uniques.length > 0
      const deletes: VersionedKey[] = []
      const upserts: RowWrite[] = []
      for (const { tenant, key, stored, image, version, epoch } of group) {
        if (stored !== null && (image === null || passing)) deletes.push({ tenant, key, version })
        if (image !== null) upserts.push({ tenant, image, version, epoch })
      }
      if (deletes.length > 0) statements.push(deleteRowsUpTo(table, deletes))
      if (upserts.length > 0) statements.push(upsertRows(table, upserts, replace))
    }
    return statements
  }

  #table(change: Change): CompiledTable {
    const table = this.#options.schema.tableById.get(change.tableId)
    if (table?.consistency === 'pinned') return table
    throw new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `A change of table ${change.tableId} came, which is no pinned table here.`,
      { fix: 'Bring this region to the schema of the region that sent it.' },
    )
  }
}

/**
 * Whether the row is at this change already, or beyond it. All changes that a transaction makes to
 * a row have one version, so within a batch an equal version is the next step, not a repetition.
 */
function isOutdated(row: NetRow, change: Change): boolean {
  if (row.image === null) return false
  if (row.version > change.version) return true
  return change.op !== 'delete' && row.version === change.version && !row.changed
}

/** An image of an older schema is shorter: columns added since are NULL. */
function widen(table: CompiledTable, image: readonly SqlValue[]): readonly SqlValue[] {
  const surplus = image.length - table.physical.length
  if (surplus <= 0) return completeImage(table, image)
  throw new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `A change of '${table.name}' has ${surplus} columns more than the table has here.`,
    { fix: 'Bring this region to the schema of the region that sent it.' },
  )
}

function idOf(table: CompiledTable, change: Change): string {
  return `${table.id}\n${change.tenant}\n${encodeKey(table, change.key)}`
}

function selectStored(table: CompiledTable, rows: readonly NetRow[]): Statement {
  const columns = keyColumns(table)
  const same = columns.map((c, i) => `r.${c.name} = ${fromJsonCell(c, 'j.value', i + 1)}`)
  const json = rows.map(({ tenant, key }) => [
    tenant,
    ...key.map((value, i) => toJsonCell(columns[i] as CellColumn, value)),
  ])
  return {
    sql: `SELECT ${rowColumns(table, 'r')}, j.key
      FROM json_each(?) j CROSS JOIN ${table.physicalName} r
      WHERE r.tenant = j.value->>0 AND ${same.join(' AND ')}`,
    args: [JSON.stringify(json)],
    bigints: hasWideColumns(table),
  }
}
