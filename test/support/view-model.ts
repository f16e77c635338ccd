/** What a view must hold, computed in plain JavaScript from the rows of its source. */
import type { RowImage } from '../../src/core/change.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledAggregate, CompiledView } from '../../src/schema/compiled.ts'

/** A row of a table that readers see. */
export interface LiveRow {
  readonly tenant: string
  readonly image: RowImage
}

/** The view's rows for a tenant, as `viewColumns` has them, in their order. */
export function recompute(view: CompiledView, tenant: string, rows: readonly LiveRow[]): SqlRow[] {
  const { shape, source, span } = view
  const value = (row: LiveRow, id: number): SqlValue =>
    row.image[source.valueIndex.get(id) as number] ?? null
  const own = rows.filter(
    (row) =>
      (span === 'region' || row.tenant === tenant) &&
      view.filter.every((p) => holds(value(row, p.columnId), p.op, p.value)),
  )
  if (shape.kind === 'group') {
    const groups = new Map<string, LiveRow[]>()
    for (const row of own) {
      const id = shape.groupBy
        .map((g) => `${typeOf(value(row, g))} ${show(value(row, g))}`)
        .join('|')
      groups.set(id, [...(groups.get(id) ?? []), row])
    }
    return [...groups.values()]
      .map((members) => [
        ...shape.groupBy.map((id) => value(members[0] as LiveRow, id)),
        ...shape.aggregates.map((a) => aggregate(view, a, members, value)),
      ])
      .sort((a, b) => orderOf(a.slice(0, shape.groupBy.length), b))
  }
  const orderBy = shape.kind === 'top' ? shape.orderBy : []
  const keys = source.primaryKey.map((c) => c.id)
  const sorted = [...own].sort((a, b) => {
    for (const { columnId, descending } of orderBy) {
      const order = compare(value(a, columnId), value(b, columnId))
      if (order !== 0) return descending ? -order : order
    }
    const byTenant = compare(a.tenant, b.tenant)
    return byTenant === 0
      ? orderOf(
          keys.map((id) => value(a, id)),
          keys.map((id) => value(b, id)),
        )
      : byTenant
  })
  const shown = shape.kind === 'top' ? sorted.slice(0, shape.limit) : sorted
  const withTenant = span === 'region' && source.scope === 'tenant'
  return shown.map((row) => [
    ...(withTenant ? [row.tenant] : []),
    ...shape.columns.map((id) => value(row, id)),
  ])
}

function holds(current: SqlValue, op: string, value: SqlValue): boolean {
  if (op === 'is null') return current === null
  if (op === 'is not null') return current !== null
  if (current === null) return false
  const order = compare(current, value)
  if (op === '=') return order === 0
  if (op === '!=') return order !== 0
  if (op === '<') return order < 0
  if (op === '<=') return order <= 0
  return op === '>' ? order > 0 : order >= 0
}

function aggregate(
  view: CompiledView,
  { fn, columnId }: CompiledAggregate,
  members: readonly LiveRow[],
  value: (row: LiveRow, id: number) => SqlValue,
): SqlValue {
  if (columnId === null) return members.length
  const values = members.map((row) => value(row, columnId)).filter((v) => v !== null)
  if (fn === 'count') return values.length
  if (values.length === 0) return null
  const sorted = [...values].sort(compare)
  if (fn === 'min') return sorted[0] as SqlValue
  if (fn === 'max') return sorted.at(-1) as SqlValue
  const { type, storage } = view.source.columnById.get(columnId) as {
    type: string
    storage: string
  }
  if (storage === 'REAL') {
    const sum = total(exactParts(values as number[]))
    if (fn === 'sum') return sum
    const units = (values as number[]).reduce((all, x) => all + unitsOf(x), 0n)
    return mean(units, values.length, sum / values.length)
  }
  const sum = values.reduce((a: bigint, b) => a + BigInt(b as number | bigint), 0n)
  if (fn === 'avg') return mean(sum << 1074n, values.length, Number(sum) / values.length)
  return type === 'bigint' ? sum : Number(sum)
}

/** Shewchuk's partials, whose exact sum is that of the values: what `math.fsum` of Python does. */
function exactParts(values: readonly number[]): number[] {
  let parts: number[] = []
  for (let x of values) {
    const next: number[] = []
    for (let y of parts) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x]
      const high = x + y
      const low = y - (high - x)
      if (low !== 0) next.push(low)
      x = high
    }
    parts = [...next, x]
  }
  return parts
}

function total(parts: readonly number[]): number {
  // From the smallest part on nothing is lost but in the last addition, up to ties.
  let high = parts.at(-1) ?? 0
  let at = parts.length - 1
  let low = 0
  while (at > 0) {
    const x = high
    const y = parts[--at] as number
    high = x + y
    low = y - (high - x)
    if (low !== 0) break
  }
  const below = parts[at - 1] ?? 0
  if (at > 0 && ((low < 0 && below < 0) || (low > 0 && below > 0))) {
    const doubled = low * 2
    const other = high + doubled
    if (doubled === other - high) high = other
  }
  return high === 0 ? 0 : high
}

/** The double nearest to a quotient: of the one that division gives and its neighbours. */
function mean(sum: bigint, count: number, guess: number): number {
  const error = (x: number): bigint => {
    const difference = unitsOf(x) * BigInt(count) - sum
    return difference < 0n ? -difference : difference
  }
  const near = [guess, neighbour(guess, 1n), neighbour(guess, -1n)]
  return near.reduce((best, x) => {
    const [a, b] = [error(x), error(best)]
    return a < b || (a === b && isEven(x)) ? x : best
  })
}

function isEven(x: number): boolean {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  return (view.getBigUint64(0) & 1n) === 0n
}

/** A double in units of 2^-1074: doubled until it is whole. */
function unitsOf(x: number): bigint {
  let value = x
  let left = 1074
  while (!Number.isInteger(value)) {
    value *= 2
    left--
  }
  return BigInt(value) << BigInt(left)
}

function neighbour(x: number, by: bigint): number {
  if (x === 0) return x
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  view.setBigInt64(0, view.getBigInt64(0) + by)
  return view.getFloat64(0)
}

function orderOf(a: readonly SqlValue[], b: readonly SqlValue[]): number {
  for (const [i, value] of a.entries()) {
    const order = compare(value, b[i] ?? null)
    if (order !== 0) return order
  }
  return 0
}

function compare(a: SqlValue, b: SqlValue): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null)
  if (typeof a === 'string' && typeof b === 'string') {
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  return a < b ? -1 : Number(a > b)
}

function typeOf(value: SqlValue): string {
  return value === null ? 'null' : 'value'
}

function show(value: SqlValue): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}
