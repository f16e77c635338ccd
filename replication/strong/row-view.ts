/**
 * The rows of a batch as evaluation sees them: what was read before the batch, overlaid by what
 * the batch did. Keys and unique constraints alike are looked up in prefetch and overlay together
 * (protocol rule 13). A lookup of something unknown answers "absent" and notes the miss; the batch
 * is evaluated again once that is read.
 */
import type { Cause } from '../../src/core/change.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { readRows, selectExpired, selectRows, type Row, type TenantValues } from './row-reads.ts'
import { factsOf, type UniqueConstraint } from '../../src/schema/table-facts.ts'

/** A change of one row. */
export interface RowChange {
  readonly table: CompiledTable
  readonly kind: 'insert' | 'update' | 'delete'
  readonly cause: Extract<Cause, 'user' | 'ttl'>
  readonly row: Row
}

/** A change that was made, and the row that it replaced or deleted. */
export interface MadeChange extends RowChange {
  readonly before: Row | undefined
}

interface Wanted {
  readonly table: CompiledTable
  readonly columns: readonly number[]
  readonly byId: Map<string, TenantValues>
}

interface WantedExpired {
  readonly table: CompiledTable
  readonly nowMs: number
  readonly limit: number
}

/** Undoes one change of the overlay. */
type Undo = () => void

export class RowView {
  readonly #ignoreOverlay: boolean
  /** What the store holds, by id of the row or of the constraint's values. */
  readonly #stored = new Map<string, Row | null>()
  readonly #expired = new Map<number, readonly Row[]>()
  readonly #overlay = new Map<string, Row | null>()
  /** The overlay once more, of keys alone, by table and tenant. */
  readonly #touched = new Map<string, Map<string, Row | null>>()
  #changes: MadeChange[] = []
  #undo: Undo[] = []
  #wanted = new Map<string, Wanted>()
  #wantedExpired: WantedExpired[] = []
  #reading: (Wanted | WantedExpired)[] = []

  constructor(ignoreOverlay: boolean) {
    this.#ignoreOverlay = ignoreOverlay
  }

  /** The stored row with this key, live or expired; undefined: none. */
  get(table: CompiledTable, tenant: string, key: readonly SqlValue[]): Row | undefined {
    return this.#lookup(table, 'k', factsOf(table).key, [tenant, ...key])
  }

  /** The row that holds the constraint's values of `image`; a NULL among them never conflicts. */
  holder(
    table: CompiledTable,
    constraint: UniqueConstraint,
    tenant: string,
    image: readonly SqlValue[],
  ): Row | undefined {
    const values = constraint.columns.map((place) => image[place] ?? null)
    if (values.includes(null)) return undefined
    return this.#lookup(table, constraint.number, constraint.columns, [tenant, ...values])
  }

  /** Up to `limit` rows that have expired, as they were before the batch. */
  expired(table: CompiledTable, nowMs: number, limit: number): readonly Row[] {
    const known = this.#expired.get(table.id)
    if (known === undefined) this.#wantedExpired.push({ table, nowMs, limit })
    return known ?? []
  }

  /** The rows of a table and tenant that the batch has written (null: deleted), by `rowId`. */
  touched(table: CompiledTable, tenant: string): ReadonlyMap<string, Row | null> | undefined {
    return this.#ignoreOverlay ? undefined : this.#touched.get(touchedId(table, tenant))
  }

  /** Applies a change. `before`: the row that it replaces or deletes. */
  change(change: RowChange, before: Row | undefined): void {
    const { table, kind, cause, row } = change
    if (before !== undefined) this.#setRow(table, before, null)
    if (kind !== 'delete') this.#setRow(table, row, row)
    this.#changes.push({ table, kind, cause, row, before })
    this.#undo.push(() => this.#changes.pop())
  }

  /** A point to which `rollback` returns. */
  mark(): number {
    return this.#undo.length
  }

  /** Undoes every change since the mark. */
  rollback(mark: number): void {
    while (this.#undo.length > mark) this.#undo.pop()?.()
  }

  /** The changes since the last call, in order. */
  takeChanges(): MadeChange[] {
    const changes = this.#changes
    this.#changes = []
    this.#undo = []
    return changes
  }

  /** Forgets the overlay; keeps what was read. */
  reset(): void {
    this.#overlay.clear()
    this.#touched.clear()
    this.#changes = []
    this.#undo = []
  }

  /** The statements that read what was missed since the last call. */
  takeReads(): Statement[] {
    this.#reading = [...this.#wanted.values(), ...this.#wantedExpired]
    this.#wanted = new Map()
    this.#wantedExpired = []
    return this.#reading.map((wanted) =>
      'byId' in wanted
        ? selectRows(wanted.table, wanted.columns, [...wanted.byId.values()])
        : selectExpired(wanted.table, wanted.nowMs, wanted.limit),
    )
  }

  /** Takes the results of the last `takeReads`. */
  load(results: readonly StatementResult[]): void {
    this.#reading.forEach((wanted, i) => {
      const rows = readRows(wanted.table, results[i]?.rows ?? [])
      if ('byId' in wanted) {
        for (const id of wanted.byId.keys()) this.#stored.set(id, null)
      } else {
        this.#expired.set(wanted.table.id, rows)
      }
      for (const row of rows) for (const id of idsOf(wanted.table, row)) this.#stored.set(id, row)
    })
    this.#reading = []
  }

  #lookup(
    table: CompiledTable,
    space: 'k' | number,
    columns: readonly number[],
    values: TenantValues,
  ): Row | undefined {
    const id = lookupId(table, space, values)
    const overlaid = this.#ignoreOverlay ? undefined : this.#overlay.get(id)
    const found = overlaid === undefined ? this.#stored.get(id) : overlaid
    if (found !== undefined) return found ?? undefined
    const group = `${table.id}/${space}`
    const wanted = this.#wanted.get(group) ?? { table, columns, byId: new Map() }
    this.#wanted.set(group, wanted)
    wanted.byId.set(id, values)
    return undefined
  }

  /** Sets what is found under the ids of `row`. */
  #setRow(table: CompiledTable, row: Row, found: Row | null): void {
    const [keyId, ...constraintIds] = idsOf(table, row)
    const place = touchedId(table, row.tenant)
    const touched = this.#touched.get(place) ?? new Map<string, Row | null>()
    this.#touched.set(place, touched)
    this.#set(touched, keyId, found)
    this.#set(this.#overlay, keyId, found)
    for (const id of constraintIds) this.#set(this.#overlay, id, found)
  }

  #set(overlay: Map<string, Row | null>, id: string, found: Row | null): void {
    const previous = overlay.get(id)
    overlay.set(id, found)
    this.#undo.push(() => {
      if (previous === undefined) overlay.delete(id)
      else overlay.set(id, previous)
    })
  }
}

/** The ids under which a row is found: its key, and each constraint's values. */
function idsOf(table: CompiledTable, row: Row): [keyId: string, ...constraintIds: string[]] {
  const { key, uniques } = factsOf(table)
  const at = (place: number): SqlValue => row.image[place] ?? null
  const ids: [string, ...string[]] = [rowId(table, row.tenant, key.map(at))]
  for (const unique of uniques) {
    const values = unique.columns.map(at)
    if (!values.includes(null)) ids.push(lookupId(table, unique.number, [row.tenant, ...values]))
  }
  return ids
}

/** The id under which a row is found by its key. */
export function rowId(table: CompiledTable, tenant: string, key: readonly SqlValue[]): string {
  return lookupId(table, 'k', [tenant, ...key])
}

function touchedId(table: CompiledTable, tenant: string): string {
  return `${table.id}/${tenant}`
}

function lookupId(table: CompiledTable, space: 'k' | number, values: TenantValues): string {
  let id = `${table.id}/${space}`
  // A text says how long it is, as it may hold anything: no two lists of values make one id.
  for (const value of values) {
    id += typeof value === 'string' ? `/${value.length}:${value}` : `/${String(idCell(value))}`
  }
  return id
}

/** Equal stored values have equal cells. */
export function idCell(value: SqlValue): string | number | null {
  if (typeof value === 'bigint') return `i${value}`
  if (value instanceof Uint8Array) return `b${value.join()}`
  return typeof value === 'string' ? `t${value}` : value
}
