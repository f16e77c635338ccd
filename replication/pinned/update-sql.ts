/**
 * The SQL of an update: what `src/schema/evaluate.ts` does to cells, done by SQLite on the stored
 * row, so that concurrent increments neither conflict nor get lost.
 */
import type { CellChange, CellCondition } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledTable, PhysicalColumn } from '../../src/schema/compiled.ts'

/** SQL with its arguments, in order. */
export interface Fragment {
  readonly sql: string
  readonly args: readonly SqlValue[]
}

/** Joins fragments. */
export function joinFragments(fragments: readonly Fragment[], separator: string): Fragment {
  return {
    sql: fragments.map((fragment) => fragment.sql).join(separator),
    args: fragments.flatMap((fragment) => fragment.args),
  }
}

/** The value of a cell after its change, computed from the row `alias`. */
export function changedCell(table: CompiledTable, change: CellChange, alias: string): Fragment {
  const { name } = columnAt(table, change.column)
  const cell = `${alias}.${name}`
  const { op } = change
  switch (op.kind) {
    case 'increment':
      return { sql: `coalesce(${cell}, 0) + ?`, args: [op.by] }
    case 'max':
    case 'min':
      // SQLite's max and min of several values are NULL when one of them is.
      return { sql: `${op.kind}(coalesce(${cell}, ?), ?)`, args: [op.value, op.value] }
    case 'set':
      return { sql: '?', args: [op.value] }
    case 'add':
    case 'remove':
    case 'text':
      throw new TypeError(`no ${op.kind} in pinned tables`)
  }
}

/**
 * SQL that holds where the row `alias` breaks a condition or a floor; undefined when nothing can be
 * broken. Cells are judged in their order, as in `applyCellOp`: a floor behind a sum that leaves its
 * column's range is not asked, and that sum is left to the table's constraints.
 */
export function brokenConditions(
  table: CompiledTable,
  conditions: readonly CellCondition[],
  cells: readonly CellChange[],
  alias: string,
): Fragment | undefined {
  const holds = conditions.map((condition) => conditionSql(table, condition, alias))
  const broken: Fragment[] = []
  if (holds.length > 0) {
    const all = joinFragments(holds, ' AND ')
    broken.push({ sql: `NOT (${all.sql})`, args: all.args })
  }
  const earlierInRange: Fragment[] = []
  for (const change of cells) {
    if (change.op.kind !== 'increment') continue
    const column = columnAt(table, change.column)
    const sum = changedCell(table, change, alias)
    if (change.op.floor !== null) {
      const below = belowFloor(column, sum, change.op.floor)
      broken.push(joinFragments([below, ...earlierInRange], ' AND '))
    }
    earlierInRange.push(rangeSql(column, sum))
  }
  return broken.length === 0 ? undefined : joinFragments(broken, ' OR ')
}

function conditionSql(table: CompiledTable, condition: CellCondition, alias: string): Fragment {
  const cell = `${alias}.${columnAt(table, condition.column).name}`
  const args = [condition.value]
  if (condition.op === '=') return { sql: `${cell} IS ?`, args }
  if (condition.op === '!=') return { sql: `${cell} IS NOT ?`, args }
  return { sql: `coalesce(${cell} ${condition.op} ?, 0)`, args }
}

function belowFloor(column: PhysicalColumn, sum: Fragment, floor: number | bigint): Fragment {
  if (!column.wide) return { sql: `${sum.sql} < ?`, args: [...sum.args, floor] }
  // Beyond 64 bits SQLite's sum is a rounded real; if negative it is below every floor.
  return {
    sql: `(${sum.sql} < ? OR (typeof(${sum.sql}) = 'real' AND ${sum.sql} < 0))`,
    args: [...sum.args, floor, ...sum.args, ...sum.args],
  }
}

/** What the table's own CHECK constraints say of a sum. */
function rangeSql(column: PhysicalColumn, sum: Fragment): Fragment {
  if (column.storage === 'REAL') {
    // Infinity minus itself is NULL.
    return { sql: `(${sum.sql}) - (${sum.sql}) IS NOT NULL`, args: [...sum.args, ...sum.args] }
  }
  // Beyond 64 bits SQLite's sum is a real.
  if (column.wide) return { sql: `typeof(${sum.sql}) = 'integer'`, args: sum.args }
  const limit = Number.MAX_SAFE_INTEGER
  return { sql: `(${sum.sql}) BETWEEN -${limit} AND ${limit}`, args: sum.args }
}

function columnAt(table: CompiledTable, place: number): PhysicalColumn {
  return table.physical[place] as PhysicalColumn
}
