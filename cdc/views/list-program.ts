/** Views of rows: those that pass the filter, with the columns that were asked for. */
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { passes } from './filter.ts'
import { RowColumns, rowKey } from './row-columns.ts'
import { scopeOf, viewTable } from './view-names.ts'
import type { ViewProgram, ViewSql, ViewStep } from './view-program.ts'

export class ListProgram implements ViewProgram {
  readonly view: CompiledView
  readonly create: readonly string[]
  /** Reads leave out what has expired; nothing else depends on it. */
  readonly nextExpiry = null
  readonly #columns: RowColumns

  constructor(view: CompiledView) {
    this.view = view
    this.#columns = new RowColumns(view)
    this.create = this.#columns.create()
  }

  reads(): readonly Statement[] {
    return []
  }

  writes(step: ViewStep): readonly Statement[] {
    const gone: [string, string][] = []
    const kept: unknown[][] = []
    for (const { tenant, key, after } of step.deltas) {
      if (after !== null && passes(this.view, after)) {
        kept.push(this.#columns.toJson(tenant, key, after))
      } else gone.push([scopeOf(this.view, tenant), rowKey(tenant, key)])
    }
    const statements: Statement[] = []
    if (gone.length > 0) {
      statements.push({
        sql: `DELETE FROM ${viewTable(this.view)} WHERE (tenant, rk) IN (SELECT value->>0, value->>1 FROM json_each(?))`,
        args: [JSON.stringify(gone)],
      })
    }
    if (kept.length > 0) {
      statements.push({ sql: this.#columns.upsertSql(), args: [JSON.stringify(kept)] })
    }
    return statements
  }

  select(tenant: string, _prefix: readonly SqlValue[], nowMs: number): ViewSql {
    const order = this.#columns.order.map((o) => `v.${o.name}`).join(', ')
    return {
      sql: `SELECT ${this.#columns.shownSql()} FROM ${viewTable(this.view)} v
        WHERE v.tenant = ? AND (v.expires IS NULL OR v.expires > ?) ORDER BY ${order}`,
      args: [scopeOf(this.view, tenant), nowMs],
    }
  }
}
