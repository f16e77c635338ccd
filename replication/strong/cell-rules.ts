/** What an update does to a row's cells, and what must hold before it does. */
import { MeridianError } from '../../src/core/errors.ts'
import type { CellChange, CellCondition } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { applyCellOp, conditionHolds } from '../../src/schema/evaluate.ts'
import { refusedAt } from './refused.ts'
import type { Row } from './row-reads.ts'

/** The row's image after the cell changes. @throws Refused */
export function changeCells(
  table: CompiledTable,
  row: Row,
  changes: readonly CellChange[],
): readonly SqlValue[] {
  const image = [...row.image]
  for (const { column, op } of changes) {
    if (table.physical[column] === undefined) throw refusedAt('SCHEMA_INCOMPATIBLE', table)
    try {
      image[column] = applyCellOp(table, column, image[column] ?? null, op)
    } catch (error) {
      if (!(error instanceof MeridianError)) throw error
      throw refusedAt(error.code, table, column)
    }
  }
  return image
}

/** @throws Refused `CONDITION_FAILED` */
export function requireConditions(
  table: CompiledTable,
  row: Row,
  conditions: readonly CellCondition[],
): void {
  const broken = conditions.find((c) => !conditionHolds(row.image[c.column] ?? null, c))
  if (broken !== undefined) throw refusedAt('CONDITION_FAILED', table, broken.column)
}
