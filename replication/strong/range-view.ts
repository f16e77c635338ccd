/**
 * The ranges of a batch as evaluation sees them: what was read before the batch, overlaid by what
 * the batch did (protocol rule 13). As with single rows, what is not known yet is noted, and the
 * batch is evaluated again once it is read.
 */
import type { ListOrder, ListQuery } from '../../src/core/list-query.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { compareInOrder, meetsAll, orderValues, rangeOrder } from '../../src/schema/range.ts'
import { isExpired } from '../../src/schema/table-facts.ts'
import type { VersionedKey } from '../../src/session/range-digest.ts'
import { hasWideColumns, selectListOrder } from '../../src/sql/select.ts'
import { idCell, rowId, type RowView } from './row-view.ts'

/** A range of one table and tenant, with its values as columns hold them, at an instant. */
interface RangeScope {
  readonly table: CompiledTable
  readonly tenant: string
  /** Rows that have expired by then are absent. */
  readonly nowMs: number
}

interface RangeRow extends VersionedKey {
  /** What the range is ordered by; the last of it is the key. */
  readonly values: readonly SqlValue[]
}

/** The first rows of a range as the store holds them. */
interface StoredRange {
  readonly rows: readonly RangeRow[]
  /** Whether no row of the range is behind them. */
  readonly isWhole: boolean
}

interface WantedRange {
  readonly id: string
  readonly scope: RangeScope
  readonly order: readonly ListOrder[]
  readonly limit: number
  readonly statement: Statement
}

/** Rows read beyond those compared: what the batch deletes or moves away lets later ones in. */
const SPARE_ROWS = 8

export class RangeView {
  readonly #rows: RowView
  readonly #ignoreOverlay: boolean
  readonly #stored = new Map<string, StoredRange>()
  #wanted = new Map<string, WantedRange>()
  #reading: readonly WantedRange[] = []

  constructor(rows: RowView, ignoreOverlay: boolean) {
    this.#rows = rows
    this.#ignoreOverlay = ignoreOverlay
  }

  /**
   * The first `range.limit` rows in order.
   *
   * @throws MeridianError `INVALID_ARGUMENT` for what is no range of the table
   */
  first(scope: RangeScope, range: ListQuery): readonly VersionedKey[] {
    const id = rangeId(scope, range)
    const order = rangeOrder(scope.table, range.orderBy)
    const stored = this.#stored.get(id)
    if (stored === undefined) {
      this.#want(id, scope, order, { ...range, limit: range.limit + SPARE_ROWS })
      return []
    }
    const rows = this.#overlaid(stored, scope, range, order)
    if (rows.length < range.limit && !stored.isWhole) {
      // Each row that the batch has written takes away one stored row at most.
      const written = this.#rows.touched(scope.table, scope.tenant)?.size ?? 0
      this.#want(id, scope, order, { ...range, limit: range.limit + written + SPARE_ROWS })
    }
    return rows.slice(0, range.limit)
  }

  /** The statements that read what was missed since the last call. */
  takeReads(): Statement[] {
    this.#reading = [...this.#wanted.values()]
    this.#wanted = new Map()
    return this.#reading.map(({ statement }) => statement)
  }

  /** Takes the results of the last `takeReads`. */
  load(results: readonly StatementResult[]): void {
    this.#reading.forEach(({ id, scope, order, limit }, i) => {
      const found = results[i]?.rows ?? []
      const read = rangeRowReader(scope.table, order)
      this.#stored.set(id, {
        rows: found.slice(0, limit).map(read),
        isWhole: found.length <= limit,
      })
    })
    this.#reading = []
  }

  #want(id: string, scope: RangeScope, order: readonly ListOrder[], range: ListQuery): void {
    const already = this.#wanted.get(id)
    if (already !== undefined && already.limit >= range.limit) return
    const { limit } = range
    const statement = selectListOrder(scope.table, scope.tenant, range, scope.nowMs)
    this.#wanted.set(id, { id, scope, order, limit, statement })
  }

  /** What is known of the range in order: up to the last stored row, or all of it. */
  #overlaid(
    stored: StoredRange,
    scope: RangeScope,
    range: ListQuery,
    order: readonly ListOrder[],
  ): readonly RangeRow[] {
    const { table, tenant, nowMs } = scope
    const touched = this.#ignoreOverlay ? undefined : this.#rows.touched(table, tenant)
    if (touched === undefined || touched.size === 0) return stored.rows
    const end = stored.isWhole ? undefined : stored.rows.at(-1)?.values
    const rows = stored.rows.filter(({ key }) => !touched.has(rowId(table, tenant, key)))
    for (const row of touched.values()) {
      if (row === null || isExpired(table, row.image, nowMs)) continue
      if (!meetsAll(row.image, range.where)) continue
      const values = orderValues(order, row.image)
      if (range.after !== null && compareInOrder(order, values, range.after) <= 0) continue
      if (end !== undefined && compareInOrder(order, values, end) > 0) continue
      rows.push({ values, key: keyOf(table, values), version: row.version })
    }
    return rows.toSorted((a, b) => compareInOrder(order, a.values, b.values))
  }
}

/** Equal for equal ranges, whatever their limits: what was read serves all that it is enough for. */
function rangeId({ table, tenant, nowMs }: RangeScope, range: ListQuery): string {
  return JSON.stringify([
    table.id,
    tenant,
    table.ttl === null ? 0 : nowMs,
    range.where.map(({ column, op, values }) => [column, op, values.map(idCell)]),
    range.orderBy.map(({ column, descending }) => [column, descending]),
    range.after?.map(idCell) ?? null,
  ])
}

/** Reads the rows of `selectListOrder`. */
function rangeRowReader(
  table: CompiledTable,
  order: readonly ListOrder[],
): (row: SqlRow) => RangeRow {
  const isWide = order.map(({ column }) => table.physical[column]?.wide === true)
  const hasBigints = hasWideColumns(table)
  return (row) => {
    const values = isWide.map((wide, i) => {
      const value = row[i] ?? null
      return hasBigints && !wide && typeof value === 'bigint' ? Number(value) : value
    })
    return { values, key: keyOf(table, values), version: row[values.length] as string }
  }
}

function keyOf(table: CompiledTable, values: readonly SqlValue[]): readonly SqlValue[] {
  return values.slice(-table.primaryKey.length)
}
