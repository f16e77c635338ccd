/**
 * Grouped views: one stored row a group, with its aggregates and the state that lets them go back.
 * Rows that will expire are remembered with their image, and counted as long as they are: the timer
 * takes them out at their instant, and the sweeper's delete later finds nothing left to take
 * (protocol rule 19).
 */
import type { RowImage } from '../../src/core/change.ts'
import type { Statement, StatementResult } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledColumn, CompiledView } from '../../src/schema/compiled.ts'
import { decodeImage, encodeImage } from '../../src/schema/image.ts'
import { fromJsonCell, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { liveRow } from '../../src/sql/live-row.ts'
import { expiryOf, filterSql, passes, valueOf } from './filter.ts'
import {
  aggregateCell,
  aggregatesOf,
  aggregateValue,
  decodeGroup,
  emptyGroup,
  encodeGroup,
  fold,
  type GroupState,
} from './group-state.ts'
import { memoryTable, scopeOf, viewTable } from './view-names.ts'
import type { ViewProgram, ViewSql, ViewStep } from './view-program.ts'

/** A group that a step touches. */
interface TouchedGroup {
  readonly scope: string
  readonly key: string
  readonly values: readonly SqlValue[]
  readonly state: GroupState
}

/** A row that will expire and is counted. */
interface Remembered {
  readonly tenant: string
  readonly key: string
  readonly image: RowImage
}

export class GroupProgram implements ViewProgram {
  readonly view: CompiledView
  readonly create: readonly string[]
  readonly nextExpiry: Statement | null
  readonly #groupCells: readonly CellColumn[]
  readonly #aggregateCells: readonly CellColumn[]
  readonly #expires: boolean

  constructor(view: CompiledView) {
    this.view = view
    this.#expires = view.source.ttl !== null
    this.#groupCells = groupColumns(view).map((column, i) => ({
      name: `g${i}`,
      storage: column.storage,
      wide: column.type === 'bigint',
    }))
    this.#aggregateCells = aggregatesOf(view).map((_, i) => aggregateCell(view, i))
    this.create = this.#createSql()
    this.nextExpiry = this.#expires
      ? { sql: `SELECT min(expires) FROM ${memoryTable(view)}`, args: [] }
      : null
  }

  reads(step: ViewStep): readonly Statement[] {
    const { view } = this
    const table = viewTable(view)
    const groups = JSON.stringify(this.#touchedKeys(step))
    const columns = [...this.#aggregateCells.map((c) => c.name)].join(', ')
    const select = `SELECT tenant, gk, state${columns === '' ? '' : `, ${columns}`} FROM ${table}`
    const listed = `SELECT value->>0, value->>1 FROM json_each(?)`
    if (!this.#expires) {
      return [{ sql: `${select} WHERE (tenant, gk) IN (${listed})`, args: [groups], bigints: true }]
    }
    const memory = memoryTable(view)
    const due = `SELECT scope, gk FROM ${memory} WHERE expires <= ?`
    const keys = JSON.stringify(step.deltas.map(({ tenant, key }) => [tenant, key]))
    return [
      {
        sql: `${select} WHERE (tenant, gk) IN (${listed} UNION ${due})`,
        args: [groups, step.nowMs],
        bigints: true,
      },
      { sql: `SELECT tenant, key FROM ${memory} WHERE (tenant, key) IN (${listed})`, args: [keys] },
      { sql: `SELECT tenant, key, image FROM ${memory} WHERE expires <= ?`, args: [step.nowMs] },
    ]
  }

  writes(step: ViewStep, results: readonly StatementResult[]): readonly Statement[] {
    const { view } = this
    const groups = this.#loadGroups(results[0]?.rows ?? [])
    const counted = new Set(results[1]?.rows.map((row) => rowId(String(row[0]), String(row[1]))))
    const touched = new Set(step.deltas.map(({ tenant, key }) => rowId(tenant, key)))
    const due = this.#readRemembered(results[2]?.rows ?? []).filter(
      ({ tenant, key }) => !touched.has(rowId(tenant, key)),
    )
    const changed = new Set<TouchedGroup>()
    const take = (tenant: string, image: RowImage, sign: 1 | -1): void => {
      const group = this.#groupOf(groups, tenant, image)
      fold(view, group.state, image, sign)
      changed.add(group)
    }
    for (const { tenant, image } of due) take(tenant, image, -1)
    const remembered: Remembered[] = []
    for (const { tenant, key, before } of step.deltas) {
      if (before === null || !passes(view, before)) continue
      const isIn = expiryOf(view.source, before) === null || counted.has(rowId(tenant, key))
      if (isIn) take(tenant, before, -1)
    }
    for (const { tenant, key, after } of step.deltas) {
      if (after === null || !passes(view, after)) continue
      const expiry = expiryOf(view.source, after)
      if (expiry !== null && expiry <= step.nowMs) continue
      take(tenant, after, 1)
      if (expiry !== null) remembered.push({ tenant, key, image: after })
    }
    return [
      ...this.#writeMemory(step, remembered),
      ...this.#writeGroups([...changed]),
      ...this.#rereadExtrema([...changed], step.nowMs),
    ]
  }

  select(tenant: string, prefix: readonly SqlValue[]): ViewSql {
    const columns = [...this.#groupCells, ...this.#aggregateCells].map((c) => `v.${c.name}`)
    const where = prefix.map((_, i) => ` AND v.g${i} IS ?`).join('')
    const order = this.#groupCells.map((c) => `v.${c.name}`).join(', ')
    return {
      sql: `SELECT ${columns.join(', ')} FROM ${viewTable(this.view)} v WHERE v.tenant = ?${where}${order === '' ? '' : ` ORDER BY ${order}`}`,
      args: [scopeOf(this.view, tenant), ...prefix],
    }
  }

  #createSql(): string[] {
    const { view } = this
    const cells = [...this.#groupCells, ...this.#aggregateCells]
    const columns = cells.map((c) => `${c.name} ${c.storage}`).join(', ')
    const statements = [
      `CREATE TABLE ${viewTable(view)} (tenant TEXT NOT NULL, gk TEXT NOT NULL, ${columns}${columns === '' ? '' : ', '}state TEXT NOT NULL, PRIMARY KEY (tenant, gk)) STRICT, WITHOUT ROWID`,
    ]
    if (this.#expires) {
      const memory = memoryTable(view)
      statements.push(
        `CREATE TABLE ${memory} (tenant TEXT NOT NULL, key TEXT NOT NULL, scope TEXT NOT NULL, gk TEXT NOT NULL, expires INTEGER NOT NULL, image TEXT NOT NULL, PRIMARY KEY (tenant, key)) STRICT, WITHOUT ROWID`,
        `CREATE INDEX ${memory}_expires ON ${memory} (expires)`,
      )
    }
    const leading = view.span === 'tenant' ? ['tenant'] : []
    aggregatesOf(view).forEach(({ fn, columnId }, i) => {
      if (fn !== 'min' && fn !== 'max') return
      // The next extremum of a group is then one seek in the source.
      const names = [...leading, ...groupColumns(view).map((c) => `c${c.id}`), `c${columnId}`]
      statements.push(
        `CREATE INDEX ${viewTable(view)}_source_${i} ON ${view.source.physicalName} (${names.join(', ')})`,
      )
    })
    return statements
  }

  #touchedKeys(step: ViewStep): readonly (readonly [string, string])[] {
    const touched = new Map<string, [string, string]>()
    for (const { tenant, before, after } of step.deltas) {
      for (const image of [before, after]) {
        if (image === null) continue
        const pair: [string, string] = [scopeOf(this.view, tenant), this.#groupKey(image)]
        touched.set(rowId(...pair), pair)
      }
    }
    return [...touched.values()]
  }

  #loadGroups(rows: readonly SqlRow[]): Map<string, TouchedGroup> {
    const groups = new Map<string, TouchedGroup>()
    for (const row of rows) {
      const [scope, key, state] = row as [string, string, string]
      const group = decodeGroup(this.view, state)
      this.#aggregateCells.forEach((cell, i) => {
        const { fn } = aggregatesOf(this.view)[i] as { fn: string }
        const aggregate = group.aggregates[i]
        if (aggregate === undefined || (fn !== 'min' && fn !== 'max')) return
        // The shown value counts: a lost extremum was read again from the source.
        const shown = row[3 + i] ?? null
        aggregate.extremum = typeof shown === 'bigint' && !cell.wide ? Number(shown) : shown
      })
      groups.set(rowId(scope, key), { scope, key, values: [], state: group })
    }
    return groups
  }

  #groupOf(groups: Map<string, TouchedGroup>, tenant: string, image: RowImage): TouchedGroup {
    const scope = scopeOf(this.view, tenant)
    const key = this.#groupKey(image)
    const known = groups.get(rowId(scope, key))
    if (known !== undefined && known.values.length === this.#groupCells.length) return known
    const values = this.#groupValues(image)
    const group = { scope, key, values, state: known?.state ?? emptyGroup(this.view) }
    groups.set(rowId(scope, key), group)
    return group
  }

  #groupValues(image: RowImage): SqlValue[] {
    return groupColumns(this.view).map((c) => valueOf(this.view.source, image, c.id))
  }

  #groupKey(image: RowImage): string {
    const values = this.#groupValues(image)
    return JSON.stringify(values.map((v, i) => toJsonCell(this.#groupCells[i] as CellColumn, v)))
  }

  #readRemembered(rows: readonly SqlRow[]): Remembered[] {
    return rows.map((row) => ({
      tenant: String(row[0]),
      key: String(row[1]),
      image: decodeImage(this.view.source, String(row[2])),
    }))
  }

  #writeMemory(step: ViewStep, remembered: readonly Remembered[]): Statement[] {
    if (!this.#expires) return []
    const { source } = this.view
    const memory = memoryTable(this.view)
    const touched = JSON.stringify(step.deltas.map(({ tenant, key }) => [tenant, key]))
    const rows = remembered.map(({ tenant, key, image }) => [
      tenant,
      key,
      scopeOf(this.view, tenant),
      this.#groupKey(image),
      expiryOf(source, image),
      encodeImage(source, image),
    ])
    return [
      {
        sql: `DELETE FROM ${memory} WHERE expires <= ? OR (tenant, key) IN (SELECT value->>0, value->>1 FROM json_each(?))`,
        args: [step.nowMs, touched],
      },
      {
        sql: `INSERT INTO ${memory} SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(?)`,
        args: [JSON.stringify(rows)],
      },
    ]
  }

  #writeGroups(groups: readonly TouchedGroup[]): Statement[] {
    const table = viewTable(this.view)
    const gone = groups.filter(({ state }) => state.rows === 0)
    const kept = groups.filter(({ state }) => state.rows !== 0)
    const statements: Statement[] = []
    if (gone.length > 0) {
      const keys = JSON.stringify(gone.map(({ scope, key }) => [scope, key]))
      statements.push({
        sql: `DELETE FROM ${table} WHERE (tenant, gk) IN (SELECT value->>0, value->>1 FROM json_each(?))`,
        args: [keys],
      })
    }
    if (kept.length === 0) return statements
    const cells = [...this.#groupCells, ...this.#aggregateCells]
    const rows = kept.map(({ scope, key, values, state }) => [
      scope,
      key,
      ...values.map((v, i) => toJsonCell(this.#groupCells[i] as CellColumn, v)),
      ...this.#aggregateCells.map((cell, i) => toJsonCell(cell, aggregateValue(this.view, state, i))),
      encodeGroup(this.view, state),
    ])
    const names = ['tenant', 'gk', ...cells.map((c) => c.name), 'state']
    const sources = [
      'value->>0',
      'value->>1',
      ...cells.map((c, i) => fromJsonCell(c, 'value', i + 2)),
      `value->>${cells.length + 2}`,
    ]
    const updated = [...this.#aggregateCells.map((c) => c.name), 'state']
    statements.push({
      sql: `INSERT INTO ${table} (${names.join(', ')}) SELECT ${sources.join(', ')} FROM json_each(?) WHERE true
        ON CONFLICT DO UPDATE SET ${updated.map((n) => `${n} = excluded.${n}`).join(', ')}`,
      args: [JSON.stringify(rows)],
    })
    return statements
  }

  /** A group whose smallest or largest value left takes the next one from the source. */
  #rereadExtrema(groups: readonly TouchedGroup[], nowMs: number): Statement[] {
    const { view } = this
    const table = viewTable(view)
    const live = liveRow(view.source, 'r')
    const filter = filterSql(view)
    const same = groupColumns(view).map((c, i) => `r.c${c.id} IS ${table}.g${i}`)
    if (view.span === 'tenant') same.unshift(`r.tenant = ${table}.tenant`)
    return aggregatesOf(view).flatMap(({ fn, columnId }, i) => {
      const lost = groups.filter(({ state }) => state.rows > 0 && state.aggregates[i]?.isLost)
      if (lost.length === 0) return []
      const conditions = [...same, filter.sql, live.sql].join(' AND ')
      return {
        sql: `UPDATE ${table} SET a${i} = (SELECT ${fn}(r.c${columnId}) FROM ${view.source.physicalName} r WHERE ${conditions})
          WHERE (tenant, gk) IN (SELECT value->>0, value->>1 FROM json_each(?))`,
        args: [
          ...filter.args,
          ...(live.takesNow ? [nowMs] : []),
          JSON.stringify(lost.map(({ scope, key }) => [scope, key])),
        ],
      }
    })
  }
}

function groupColumns(view: CompiledView): readonly CompiledColumn[] {
  const ids = view.shape.kind === 'group' ? view.shape.groupBy : []
  return ids.map((id) => view.source.columnById.get(id) as CompiledColumn)
}

function rowId(tenant: string, key: string): string {
  return `${tenant}\0${key}`
}
