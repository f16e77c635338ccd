/** Lists of a table as they travel: predicates, order, page. Columns are physical columns' indexes. */
import type { SqlValue } from './values.ts'

/** A comparison. All of a list's must hold. */
export interface ListPredicate {
  readonly column: number
  /** NULL is a value for `=`, `!=` and `in`, as in SQL's IS; it fails every other operator. */
  readonly op: '=' | '!=' | '<' | '<=' | '>' | '>=' | 'in'
  /** For `in`: the values; otherwise one value. */
  readonly values: readonly SqlValue[]
}

/** An order. NULLs are the smallest. */
export interface ListOrder {
  readonly column: number
  readonly descending: boolean
}

/** A page of a table. */
export interface ListQuery {
  readonly where: readonly ListPredicate[]
  /** The primary key breaks ties, in the direction of the last order named. */
  readonly orderBy: readonly ListOrder[]
  /** 1 to `MAX_PAGE_ROWS`. */
  readonly limit: number
  /** Values of the order's columns, then of the primary key, of the last row of the page before. */
  readonly after: readonly SqlValue[] | null
}
