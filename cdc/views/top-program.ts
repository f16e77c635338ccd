/**
 * The first rows of an order. A scope holds the first rows and a reserve behind them; while it does
 * not hold all rows, it holds all that come before its last one, so a row behind that one is none of
 * its business. When deletes have used the reserve up, or inserts have made it too long, the scope is
 * filled anew from the source. The source may be ahead of the view then: the changes between come
 * along later and repeat what is there.
 */
import type { RowImage } from '../../src/core/change.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { compareStored } from '../../src/schema/evaluate.ts'
import { keySql } from '../../src/schema/image.ts'
import { liveRow } from '../../src/sql/live-row.ts'
import { expiryOf, filterSql, passes } from './filter.ts'
import { RowColumns, rowKey } from './row-columns.ts'
import { memoryTable, scopeOf, viewTable } from './view-names.ts'
import type { ViewProgram, ViewSql, ViewStep } from './view-program.ts'

const MIN_RESERVE = 64

/** What is known of a scope. */
interface Scope {
  held: number
  readonly isComplete: boolean
  /** Values of the order of the last row; undefined when there is none. */
  readonly last: SqlRow | undefined
}

export class TopProgram implements ViewProgram {
  readonly view: CompiledView
  readonly create: readonly string[]
  readonly nextExpiry: Statement | null
  readonly #columns: RowColumns
  readonly #limit: number
  readonly #reserve: number

  constructor(view: CompiledView) {
    this.view = view
    this.#columns = new RowColumns(view)
    this.#limit = view.shape.kind === 'top' ? view.shape.limit : 0
    this.#reserve = Math.max(MIN_RESERVE, this.#limit)
    this.create = [
      ...this.#columns.create(),
      `CREATE TABLE ${memoryTable(view)} (tenant TEXT PRIMARY KEY, held INTEGER NOT NULL, is_complete INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    ]
    this.nextExpiry =
      view.source.ttl === null
        ? null
        : { sql: `SELECT min(expires) FROM ${viewTable(view)} WHERE expires IS NOT NULL`, args: [] }
  }

  reads(step: ViewStep): readonly Statement[] {
    const table = viewTable(this.view)
    const memory = memoryTable(this.view)
    const scopes = [...new Set(step.deltas.map(({ tenant }) => scopeOf(this.view, tenant)))]
    const keys = step.deltas.map(({ tenant, key }) => [
      scopeOf(this.view, tenant),
      rowKey(tenant, key),
    ])
    const names = this.#columns.order.map((o) => `w.${o.name}`).join(', ')
    const backwards = this.#columns.order
      .map((o) => `${o.name}${o.descending ? '' : ' DESC'}`)
      .join(', ')
    const due = `SELECT tenant FROM ${table} WHERE expires <= ?`
    return [
      {
        sql: `SELECT m.tenant, m.held, m.is_complete, ${names} FROM ${memory} m
          LEFT JOIN ${table} w ON w.tenant = m.tenant AND w.rk =
            (SELECT rk FROM ${table} WHERE tenant = m.tenant ORDER BY ${backwards} LIMIT 1)
          WHERE m.tenant IN (SELECT value FROM json_each(?) UNION ${due})`,
        args: [JSON.stringify(scopes), step.nowMs],
        bigints: true,
      },
      {
        sql: `SELECT tenant, rk FROM ${table}
          WHERE (tenant, rk) IN (SELECT value->>0, value->>1 FROM json_each(?)) OR expires <= ?`,
        args: [JSON.stringify(keys), step.nowMs],
      },
    ]
  }

  writes(step: ViewStep, results: readonly StatementResult[]): readonly Statement[] {
    const scopes = this.#loadScopes(results[0]?.rows ?? [])
    const removed = (results[1]?.rows ?? []) as [string, string][]
    for (const [tenant] of removed) this.#scope(scopes, tenant).held -= 1
    const added: { readonly scope: string; readonly json: unknown[] }[] = []
    for (const { tenant, key, after } of step.deltas) {
      const name = scopeOf(this.view, tenant)
      const scope = this.#scope(scopes, name)
      if (after === null || !this.#belongs(scope, tenant, after, step.nowMs)) continue
      scope.held += 1
      added.push({ scope: name, json: this.#columns.toJson(tenant, key, after) })
    }
    const anew = [...scopes].filter(([, scope]) => this.#needsFilling(scope)).map(([name]) => name)
    const kept = added.filter(({ scope }) => !anew.includes(scope)).map(({ json }) => json)
    return [
      ...this.#removeRows(removed),
      ...(kept.length === 0
        ? []
        : [{ sql: this.#columns.upsertSql(), args: [JSON.stringify(kept)] }]),
      this.#writeScopes(scopes),
      ...anew.flatMap((name) => this.#fill(name, step.nowMs)),
    ]
  }

  select(tenant: string, _prefix: readonly SqlValue[], nowMs: number): ViewSql {
    const order = this.#columns.order.map((o) => `v.${o.name}${o.descending ? ' DESC' : ''}`)
    return {
      sql: `SELECT ${this.#columns.shownSql()} FROM ${viewTable(this.view)} v
        WHERE v.tenant = ? AND (v.expires IS NULL OR v.expires > ?)
        ORDER BY ${order.join(', ')} LIMIT ${this.#limit}`,
      args: [scopeOf(this.view, tenant), nowMs],
    }
  }

  #belongs(scope: Scope, tenant: string, image: RowImage, nowMs: number): boolean {
    if (!passes(this.view, image)) return false
    const expiry = expiryOf(this.view.source, image)
    if (expiry !== null && expiry <= nowMs) return false
    if (scope.isComplete) return true
    return scope.last !== undefined && this.#isBefore(tenant, image, scope.last)
  }

  #isBefore(tenant: string, image: RowImage, last: SqlRow): boolean {
    const values = this.#columns.orderValues(tenant, image)
    for (const [i, { descending }] of this.#columns.order.entries()) {
      const order = compareStored(values[i] ?? null, last[i] ?? null)
      if (order !== 0) return descending ? order > 0 : order < 0
    }
    return true
  }

  #needsFilling(scope: Scope): boolean {
    const isShort = !scope.isComplete && scope.held < this.#limit
    return isShort || scope.held > this.#limit + 2 * this.#reserve
  }

  #loadScopes(rows: readonly SqlRow[]): Map<string, Scope> {
    return new Map(
      rows.map((row) => {
        const [tenant, held, isComplete, ...last] = row
        // Of a scope without rows every column of the last one is NULL, its tenant too.
        const isEmpty = last[this.#columns.order.findIndex((o) => o.name === 'row_tenant')] === null
        return [
          String(tenant),
          {
            held: Number(held),
            isComplete: Number(isComplete) === 1,
            last: isEmpty ? undefined : last,
          },
        ]
      }),
    )
  }

  #scope(scopes: Map<string, Scope>, name: string): Scope {
    let scope = scopes.get(name)
    if (scope === undefined) {
      scope = { held: 0, isComplete: true, last: undefined }
      scopes.set(name, scope)
    }
    return scope
  }

  #removeRows(removed: readonly (readonly [string, string])[]): Statement[] {
    if (removed.length === 0) return []
    return [
      {
        sql: `DELETE FROM ${viewTable(this.view)} WHERE (tenant, rk) IN (SELECT value->>0, value->>1 FROM json_each(?))`,
        args: [JSON.stringify(removed)],
      },
    ]
  }

  #writeScopes(scopes: ReadonlyMap<string, Scope>): Statement {
    const rows = [...scopes].map(([name, { held, isComplete }]) => [name, held, Number(isComplete)])
    return {
      sql: `INSERT INTO ${memoryTable(this.view)} (tenant, held, is_complete)
        SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true
        ON CONFLICT DO UPDATE SET held = excluded.held, is_complete = excluded.is_complete`,
      args: [JSON.stringify(rows)],
    }
  }

  /** Fills a scope anew from the source. */
  #fill(scope: string, nowMs: number): Statement[] {
    const { view } = this
    const table = viewTable(view)
    const size = this.#limit + this.#reserve
    const { names, values } = this.#columns.sourceSql()
    const live = liveRow(view.source, 'r')
    const filter = filterSql(view)
    const own = view.span === 'tenant' ? 'r.tenant = ?' : '1'
    const key = sourceRowKeySql(view)
    const held = `(SELECT count(*) FROM ${table} WHERE tenant = ?)`
    return [
      { sql: `DELETE FROM ${table} WHERE tenant = ?`, args: [scope] },
      {
        sql: `INSERT INTO ${table} (tenant, rk, ${names}) SELECT ?, ${key}, ${values}
          FROM ${view.source.physicalName} r WHERE ${own} AND ${filter.sql} AND ${live.sql}
          ORDER BY ${this.#columns.sourceOrderSql()} LIMIT ${size}`,
        args: [
          scope,
          ...(view.span === 'tenant' ? [scope] : []),
          ...filter.args,
          ...(live.takesNow ? [nowMs] : []),
        ],
      },
      {
        sql: `UPDATE ${memoryTable(view)} SET held = ${held}, is_complete = ${held} < ${size} WHERE tenant = ?`,
        args: [scope, scope, scope],
      },
    ]
  }
}

/** `rowKey` as SQL over the source's row `r`. */
function sourceRowKeySql(view: CompiledView): string {
  return `json_array(r.tenant, ${keySql(view.source, 'r')} || '')`
}
