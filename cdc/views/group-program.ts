/**
 * Grouped views: one stored row a group, with its aggregates and the state that lets them go back.
 * Rows that will expire are remembered with what they gave, and count as long as they are: the
 * view's clock takes them out at their instant, and the sweeper's delete later finds nothing left
 * to take (protocol rule 19).
 *
 * When the smallest or largest value of a group leaves, the next one is read from the source, which
 * may be ahead of the view. Until the view has come to where the source was, every change that
 * touches the group, be it undone in the same batch, makes it be read again.
 */
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { parseJsonCell, toJsonCell } from '../../src/sql/json-cells.ts'
import type { ViewFaults } from './faults.ts'
import { expiryOf, passes } from './filter.ts'
import { GroupColumns, type Contribution } from './group-columns.ts'
import { GroupSql } from './group-sql.ts'
import {
  decodeGroup,
  emptyGroup,
  encodeGroup,
  fold,
  isExtremum,
  resultOf,
  type GroupState,
} from './group-state.ts'
import { rowId, type RowDelta } from './row-deltas.ts'
import { scopeOf } from './view-names.ts'
import type { ViewPlan, ViewProgram, ViewSelection, ViewSql, ViewStep } from './view-program.ts'

/** What a row gave to its group, or gives now. */
interface RowShare {
  readonly tenant: string
  readonly key: string
  readonly share: Contribution
  /** In ms; null: never. */
  readonly expiry: number | null
}

/** The rows of a step that pass the filter. */
interface Shares {
  readonly before: readonly RowShare[]
  readonly after: readonly RowShare[]
  /** Groups that rows were in between, or would be in if they had not expired. */
  readonly passed: readonly Contribution[]
}

interface LoadedGroup {
  readonly scope: string
  readonly key: string
  readonly state: GroupState
  /** Where the source was when the group's extremum was read from it. */
  readonly ahead: number
  readonly isNew: boolean
  isTouched: boolean
}

export class GroupProgram implements ViewProgram {
  readonly view: CompiledView
  readonly create: readonly string[]
  readonly nextExpiry: Statement | null
  readonly #columns: GroupColumns
  readonly #sql: GroupSql
  readonly #hasExtrema: boolean
  readonly #faults: ViewFaults

  constructor(view: CompiledView, faults: ViewFaults) {
    this.view = view
    this.#faults = faults
    this.#columns = new GroupColumns(view)
    this.#sql = new GroupSql(view, this.#columns)
    this.create = this.#sql.create
    this.#hasExtrema = this.#columns.aggregates.some(isExtremum)
    this.nextExpiry = view.source.ttl === null ? null : { sql: this.#sql.nextExpiry, args: [] }
  }

  plan(step: ViewStep): ViewPlan | undefined {
    const shares = this.#sharesOf(step)
    const isIdle = [shares.before, shares.after, shares.passed].every((rows) => rows.length === 0)
    if (isIdle && !step.hasExpired) return undefined
    return {
      reads: this.#reads(step, shares),
      write: (results) => this.#write(step, shares, results),
    }
  }

  select(selection: ViewSelection): ViewSql {
    return this.#sql.select(scopeOf(this.view, selection.tenant), selection)
  }

  #sharesOf(step: ViewStep): Shares {
    const before: RowShare[] = []
    const after: RowShare[] = []
    const passed: Contribution[] = []
    for (const delta of step.deltas) {
      const left = this.#shareOf(delta, delta.before)
      const came = this.#shareOf(delta, delta.after)
      if (left !== undefined) before.push(left)
      if (came !== undefined) {
        if (came.expiry === null || came.expiry > step.nowMs) after.push(came)
        else if (this.#hasExtrema) passed.push(came.share)
      }
      if (!this.#hasExtrema) continue
      for (const image of delta.between) {
        const share = this.#shareOf(delta, image)?.share
        if (share !== undefined) passed.push(share)
      }
    }
    return { before, after, passed }
  }

  #shareOf({ tenant, key }: RowDelta, image: RowDelta['before']): RowShare | undefined {
    if (image === null || !passes(this.view, image)) return undefined
    const share = this.#columns.contributionOf(tenant, image)
    return { tenant, key, share, expiry: expiryOf(this.view.source, image) }
  }

  #reads({ nowMs, hasExpired }: ViewStep, { before, after, passed }: Shares): Statement[] {
    const touched = [...[...before, ...after].map(({ share }) => share), ...passed]
    const groups = new Map(touched.map((share) => [groupId(share), [share.scope, share.group]]))
    const wanted = JSON.stringify([...groups.values()])
    const load: Statement = { sql: this.#sql.load, args: [wanted], bigints: true }
    if (this.nextExpiry === null) return [load]
    const expiring = before.filter(({ expiry }) => expiry !== null)
    const remembered = { sql: this.#sql.remembered, args: [keysJson(expiring)] }
    if (!hasExpired) return [load, remembered]
    const due = { sql: this.#sql.due, args: [nowMs] }
    return [load, remembered, due, { sql: this.#sql.loadDue, args: [nowMs], bigints: true }]
  }

  #write(
    { from, nowMs }: ViewStep,
    { before, after, passed }: Shares,
    [loaded, remembered, expired, loadedDue]: readonly StatementResult[],
  ): Statement[] {
    const groups = this.#loadGroups([...(loaded?.rows ?? []), ...(loadedDue?.rows ?? [])])
    const counted = new Set(
      remembered?.rows.map((row) => rowId(row[0] as string, row[1] as string)),
    )
    const isCounted = ({ tenant, key, expiry }: RowShare): boolean =>
      expiry === null || counted.has(rowId(tenant, key)) || this.#faults.sweepRetractsAgain === true
    const left = before.filter(isCounted)
    const touched = new Set(left.map(({ tenant, key }) => rowId(tenant, key)))
    const due = this.#readDue(expired?.rows ?? []).filter(
      ({ tenant, key }) => !touched.has(rowId(tenant, key)),
    )
    // All that leave first: a value that stays in the group is then no loss.
    for (const { share } of [...due, ...left]) this.#take(groups, share, -1)
    for (const { share } of after) this.#take(groups, share, 1)
    for (const share of [...before.map((row) => row.share), ...passed]) {
      const group = groups.get(groupId(share))
      if (group !== undefined) group.isTouched = true
    }
    const touchedGroups = [...groups.values()].filter((group) => group.isTouched)
    return [
      ...this.#writeMemory([...due, ...left], after),
      ...this.#writeGroups(touchedGroups),
      ...this.#rereadExtrema(touchedGroups, from, nowMs),
    ]
  }

  #loadGroups(rows: readonly SqlRow[]): Map<string, LoadedGroup> {
    const { aggregates } = this.#columns
    const places = aggregates.map((aggregate, i) =>
      isExtremum(aggregate) ? 4 + aggregates.slice(0, i).filter(isExtremum).length : -1,
    )
    return new Map(
      rows.map((row) => {
        const [scope, key, text] = row as [string, string, string]
        const state = decodeGroup(text, (i) => row[places[i] as number] ?? null)
        const group = { scope, key, state, ahead: Number(row[3]), isNew: false, isTouched: false }
        return [groupId({ scope, group: key }), group]
      }),
    )
  }

  #take(groups: Map<string, LoadedGroup>, share: Contribution, sign: 1 | -1): void {
    const id = groupId(share)
    let group = groups.get(id)
    if (group === undefined) {
      const state = emptyGroup(this.#columns.aggregates)
      const { scope, group: key } = share
      group = { scope, key, state, ahead: 0, isNew: true, isTouched: true }
      groups.set(id, group)
    }
    group.isTouched = true
    fold(this.#columns.aggregates, group.state, share.inputs, sign)
  }

  #readDue(rows: readonly SqlRow[]): RowShare[] {
    return (rows as readonly (readonly [string, string, string, string, string])[]).map(
      ([tenant, key, scope, group, inputs]) => {
        const cells = JSON.parse(inputs) as unknown[]
        const values = this.#columns.aggregates.map(({ input }, i) =>
          parseJsonCell(input, cells[i]),
        )
        return { tenant, key, share: { scope, group, inputs: values }, expiry: null }
      },
    )
  }

  #writeMemory(left: readonly RowShare[], after: readonly RowShare[]): Statement[] {
    if (this.nextExpiry === null) return []
    const statements: Statement[] = []
    if (left.length > 0) statements.push({ sql: this.#sql.forget, args: [keysJson(left)] })
    const expiring = after.filter(({ expiry }) => expiry !== null)
    if (expiring.length === 0) return statements
    const rows = expiring.map(({ tenant, key, share, expiry }) => {
      const inputs = JSON.stringify(this.#inputsJson(share.inputs))
      return [tenant, key, share.scope, share.group, expiry, inputs]
    })
    return [...statements, { sql: this.#sql.remember, args: [JSON.stringify(rows)] }]
  }

  #inputsJson(inputs: readonly SqlValue[]): unknown[] {
    return this.#columns.aggregates.map(({ input }, i) => toJsonCell(input, inputs[i] ?? null))
  }

  #writeGroups(changed: readonly LoadedGroup[]): Statement[] {
    const gone = changed.filter(({ state, isNew }) => state.rows === 0 && !isNew)
    const kept = changed.filter(({ state }) => state.rows !== 0)
    const statements: Statement[] = []
    if (gone.length > 0) {
      const keys = JSON.stringify(gone.map(({ scope, key }) => [scope, key]))
      statements.push({ sql: this.#sql.deleteGroups, args: [keys] })
    }
    if (kept.length > 0) {
      const rows = JSON.stringify(kept.map((group) => this.#groupJson(group)))
      statements.push({ sql: this.#sql.upsertGroups, args: [rows] })
    }
    return statements
  }

  #groupJson({ scope, key, state }: LoadedGroup): unknown[] {
    const { aggregates } = this.#columns
    const results = aggregates.map((aggregate, i) =>
      resultOf(aggregate, state.aggregates[i] as GroupState['aggregates'][number], state.rows),
    )
    return [
      scope,
      key,
      ...(JSON.parse(key) as unknown[]),
      ...results.map((value, i) =>
        toJsonCell((aggregates[i] as (typeof aggregates)[number]).result, value ?? null),
      ),
      results.includes(undefined) ? 1 : 0,
      encodeGroup(aggregates, state),
    ]
  }

  #rereadExtrema(touched: readonly LoadedGroup[], from: number, nowMs: number): Statement[] {
    return this.#columns.aggregates.flatMap((aggregate, i) => {
      if (!isExtremum(aggregate)) return []
      const lost = touched.filter(({ state, ahead }) => {
        const own = state.aggregates[i] as GroupState['aggregates'][number]
        return own.count > 0 && (own.isLost || ahead > from)
      })
      if (lost.length === 0) return []
      const keys = lost.map(({ scope, key }) => [scope, key])
      return [this.#sql.reread(i, keys, nowMs)]
    })
  }
}

function groupId({ scope, group }: Pick<Contribution, 'scope' | 'group'>): string {
  return rowId(scope, group)
}

function keysJson(rows: readonly RowShare[]): string {
  return JSON.stringify(rows.map(({ tenant, key }) => [tenant, key]))
}
