/** Views of rows: those that pass the filter, with the columns that were asked for. */
import type { Statement } from '../../src/core/ports/store.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { passes } from './filter.ts'
import { RowColumns } from './row-columns.ts'
import type { ViewPlan, ViewProgram, ViewSelection, ViewSql, ViewStep } from './view-program.ts'

export class ListProgram implements ViewProgram {
  readonly view: CompiledView
  readonly create: readonly string[]
  /** Reads leave out what has expired; nothing else depends on it. */
  readonly nextExpiry = null
  readonly #columns: RowColumns
  readonly #select: string

  constructor(view: CompiledView) {
    this.view = view
    this.#columns = new RowColumns(view)
    this.create = [this.#columns.createTable()]
    this.#select = `${this.#columns.selectSql()} ORDER BY ${this.#columns.orderSql()}`
  }

  plan(step: ViewStep): ViewPlan | undefined {
    const gone: unknown[] = []
    const kept: unknown[] = []
    for (const { tenant, key, before, after } of step.deltas) {
      if (after !== null && passes(this.view, after)) {
        kept.push(this.#columns.toJson(tenant, after))
      } else if (before !== null && passes(this.view, before)) {
        gone.push(this.#columns.keyJson(tenant, key))
      }
    }
    const statements: Statement[] = []
    if (gone.length > 0) {
      statements.push({ sql: this.#columns.deleteSql, args: [JSON.stringify(gone)] })
    }
    if (kept.length > 0) {
      statements.push({ sql: this.#columns.upsertSql, args: [JSON.stringify(kept)] })
    }
    return statements.length === 0 ? undefined : { reads: [], write: () => statements }
  }

  select({ tenant, nowMs, limit }: ViewSelection): ViewSql {
    const args = this.#columns.selectArgs(tenant, nowMs)
    if (limit === null) return { sql: this.#select, args }
    return { sql: `${this.#select} LIMIT ?`, args: [...args, limit] }
  }
}
