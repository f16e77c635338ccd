/**
 * The first rows of an order. A scope holds the first rows and a reserve behind them; while it does
 * not hold all rows, it holds all that come before its last one, so a row behind that one is none of
 * its business. Rows beyond a full reserve are dropped; when deletes have used the reserve up, the
 * scope is filled anew from the source. The source may be ahead of the view then: the changes
 * between come along later and repeat what is there.
 */
import type { RowImage } from '../../src/core/change.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { compareStored } from '../../src/schema/evaluate.ts'
import { expiryOf, passes } from './filter.ts'
import { RowColumns } from './row-columns.ts'
import type { RowDelta } from './row-deltas.ts'
import { TopSql } from './top-sql.ts'
import { scopeOf } from './view-names.ts'
import type { ViewPlan, ViewProgram, ViewSelection, ViewSql, ViewStep } from './view-program.ts'

/** What is known of a scope. */
interface Scope {
  readonly name: string
  held: number
  isComplete: boolean
  /** Values of the order of the last row; undefined when there is none. */
  readonly last: SqlRow | undefined
  isChanged: boolean
}

/** A row of a step that is or was in the view's source. */
interface Entry {
  readonly scope: string
  readonly key: unknown[]
  readonly delta: RowDelta
}

export class TopProgram implements ViewProgram {
  readonly view: CompiledView
  readonly create: readonly string[]
  readonly nextExpiry: Statement | null
  readonly #columns: RowColumns
  readonly #sql: TopSql
  readonly #limit: number
  readonly #reserve: number

  /** `reserveRows`: rows that a scope holds behind the limit, at least; as many as the limit too. */
  constructor(view: CompiledView, reserveRows: number) {
    this.view = view
    this.#columns = new RowColumns(view)
    this.#limit = view.shape.kind === 'top' ? view.shape.limit : 0
    this.#reserve = Math.max(reserveRows, this.#limit)
    this.#sql = new TopSql(view, this.#columns, this.#limit + this.#reserve)
    this.create = this.#sql.create
    this.nextExpiry = view.source.ttl === null ? null : { sql: this.#sql.nextExpiry, args: [] }
  }

  plan(step: ViewStep): ViewPlan | undefined {
    const entries = step.deltas
      .filter((delta) => this.#concerns(delta))
      .map((delta) => ({
        scope: scopeOf(this.view, delta.tenant),
        key: this.#columns.keyJson(delta.tenant, delta.key),
        delta,
      }))
    if (entries.length === 0 && !step.hasExpired) return undefined
    return {
      reads: this.#reads(step, entries),
      write: (results) => this.#write(step, entries, results),
    }
  }

  select({ tenant, nowMs, limit }: ViewSelection): ViewSql {
    const rows = limit === null ? this.#limit : Math.min(limit, this.#limit)
    return { sql: this.#sql.select, args: [...this.#columns.selectArgs(tenant, nowMs), rows] }
  }

  /** A row that passed the filter between may be held: the source was perhaps ahead then. */
  #concerns({ before, between, after }: RowDelta): boolean {
    return [before, ...between, after].some((image) => image !== null && passes(this.view, image))
  }

  #reads({ nowMs, hasExpired }: ViewStep, entries: readonly Entry[]): Statement[] {
    const scopes = JSON.stringify([...new Set(entries.map(({ scope }) => scope))])
    const held = { sql: this.#sql.held, args: [JSON.stringify(entries.map(({ key }) => key))] }
    if (!hasExpired) return [{ sql: this.#sql.loadScopes, args: [scopes], bigints: true }, held]
    return [
      { sql: this.#sql.loadScopesWithDue, args: [scopes, nowMs], bigints: true },
      held,
      { sql: this.#sql.due, args: [nowMs], bigints: true },
    ]
  }

  #write(
    step: ViewStep,
    entries: readonly Entry[],
    [loaded, held, expired]: readonly StatementResult[],
  ): Statement[] {
    const scopes = this.#loadScopes(loaded?.rows ?? [])
    const wasHeld = new Set(held?.rows.map(([place]) => Number(place)))
    const gone: unknown[] = []
    const kept: unknown[] = []
    const touched = new Set<string>()
    for (const [place, { scope: name, key, delta }] of entries.entries()) {
      const scope = scopeIn(scopes, name)
      touched.add(JSON.stringify(key))
      const isHeld = wasHeld.has(place)
      const belongs = this.#belongs(scope, delta, step.nowMs)
      if (belongs) kept.push(this.#columns.toJson(delta.tenant, delta.after as RowImage))
      else if (isHeld) gone.push(key)
      changeHeld(scope, Number(belongs) - Number(isHeld))
    }
    for (const row of expired?.rows ?? []) {
      const key = this.#columns.storedKeyJson(row)
      if (touched.has(JSON.stringify(key))) continue
      gone.push(key)
      changeHeld(scopeIn(scopes, String(row[0])), -1)
    }
    const changed = [...scopes.values()].filter((scope) => scope.isChanged)
    const resized = changed.flatMap((scope) => this.#resize(scope, step.nowMs))
    return [
      ...(gone.length === 0
        ? []
        : [{ sql: this.#columns.deleteSql, args: [JSON.stringify(gone)] }]),
      ...(kept.length === 0
        ? []
        : [{ sql: this.#columns.upsertSql, args: [JSON.stringify(kept)] }]),
      ...(changed.length === 0 ? [] : [this.#writeScopes(changed)]),
      ...resized,
    ]
  }

  /** Whether a changed row stays in the view, or comes into it. */
  #belongs(scope: Scope, { tenant, after }: RowDelta, nowMs: number): boolean {
    if (after === null || !passes(this.view, after)) return false
    const expiry = expiryOf(this.view.source, after)
    if (expiry !== null && expiry <= nowMs) return false
    if (scope.isComplete) return true
    return scope.last !== undefined && !this.#isBehind(tenant, after, scope.last)
  }

  #isBehind(tenant: string, image: RowImage, last: SqlRow): boolean {
    const values = this.#columns.orderValues(tenant, image)
    for (const [i, { descending }] of this.#columns.order.entries()) {
      const order = compareStored(values[i] ?? null, last[i] ?? null)
      if (order !== 0) return descending ? order < 0 : order > 0
    }
    return false
  }

  #loadScopes(rows: readonly SqlRow[]): Map<string, Scope> {
    return new Map(
      rows.map(([tenant, held, isComplete, ...last]) => {
        const name = String(tenant)
        const scope = {
          name,
          held: Number(held),
          isComplete: Number(isComplete) === 1,
          // Without a row even the columns of its key are NULL.
          last: last.every((value) => value === null) ? undefined : last,
          isChanged: false,
        }
        return [name, scope]
      }),
    )
  }

  /** Drops what a scope holds too much, or fills it where it holds too little. */
  #resize(scope: Scope, nowMs: number): Statement[] {
    const { name } = scope
    const size = this.#limit + this.#reserve
    if (scope.held > size + this.#reserve) {
      scope.held = size
      scope.isComplete = false
      return [{ sql: this.#sql.trim, args: [name] }]
    }
    if (scope.isComplete || scope.held >= this.#limit) return []
    return [
      { sql: this.#sql.empty, args: [name] },
      { sql: this.#sql.fill, args: this.#columns.fillArgs(name, nowMs) },
      { sql: this.#sql.recount, args: [name] },
    ]
  }

  #writeScopes(scopes: readonly Scope[]): Statement {
    const rows = scopes.map(({ name, held, isComplete }) => [name, held, Number(isComplete)])
    return { sql: this.#sql.writeScopes, args: [JSON.stringify(rows)] as SqlValue[] }
  }
}

function scopeIn(scopes: Map<string, Scope>, name: string): Scope {
  let scope = scopes.get(name)
  if (scope === undefined) {
    scope = { name, held: 0, isComplete: true, last: undefined, isChanged: false }
    scopes.set(name, scope)
  }
  return scope
}

function changeHeld(scope: Scope, by: number): void {
  if (by === 0) return
  scope.held += by
  scope.isChanged = true
}
