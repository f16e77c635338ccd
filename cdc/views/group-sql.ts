/** The SQL texts of a grouped view, made once. */
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { fromJsonCell, toJsonCell, type CellColumn } from '../../src/sql/json-cells.ts'
import { liveRow } from '../../src/sql/live-row.ts'
import { filterSql } from './filter.ts'
import type { Aggregate, GroupColumns } from './group-columns.ts'
import { isExtremum } from './group-state.ts'
import { memoryTable, sourceIndex, viewTable } from './view-names.ts'
import { MAX_EXPIRED_ROWS, type ViewSelection, type ViewSql } from './view-program.ts'

const text = (name: string): CellColumn => ({ name, storage: 'TEXT', wide: false })
const whole = (name: string): CellColumn => ({ name, storage: 'INTEGER', wide: false })

const PAIRS = 'SELECT value->>0, value->>1 FROM json_each(?)'
/** Due rows in a fixed order, so that two statements of one read mean the same ones. */
const DUE = `WHERE expires <= ? ORDER BY expires, tenant, key LIMIT ${MAX_EXPIRED_ROWS}`

export class GroupSql {
  readonly create: readonly string[]
  /** Loads groups by (scope, group): scope, group, state, ahead, extrema. */
  readonly load: string
  /** The same for the groups of rows that are due. */
  readonly loadDue: string
  readonly deleteGroups: string
  readonly upsertGroups: string
  /** Which of the rows are remembered: their tenants and keys. */
  readonly remembered: string
  /** Rows that are due: tenant, key, scope, group, inputs. */
  readonly due: string
  readonly forget: string
  readonly remember: string
  readonly nextExpiry: string
  readonly #view: CompiledView
  readonly #columns: GroupColumns
  readonly #select: string
  readonly #order: string
  readonly #rereads: readonly string[]
  readonly #filterArgs: readonly SqlValue[]
  readonly #takesNow: boolean

  constructor(view: CompiledView, columns: GroupColumns) {
    this.#view = view
    this.#columns = columns
    const table = viewTable(view)
    const memory = memoryTable(view)
    const cells = columns.groups.map(({ cell }) => cell)
    const results = columns.aggregates.map(({ result }) => result)
    const stored = [text('tenant'), text('gk'), ...cells, ...results]
    stored.push(whole('overflow'), text('state'))
    const rewritten = [...results.map((c) => c.name), 'overflow', 'state']
    const extrema = columns.aggregates.filter(isExtremum).map(({ result }) => result.name)
    const loaded = ['tenant', 'gk', 'state', 'ahead', ...extrema].join(', ')
    this.create = this.#createSql(stored)
    this.load = `SELECT ${loaded} FROM ${table} WHERE (tenant, gk) IN (${PAIRS})`
    this.loadDue = `SELECT ${loaded} FROM ${table} WHERE (tenant, gk) IN
      (SELECT scope, gk FROM ${memory} ${DUE})`
    this.deleteGroups = `DELETE FROM ${table} WHERE (tenant, gk) IN (${PAIRS})`
    this.upsertGroups = `INSERT INTO ${table} (${stored.map((c) => c.name).join(', ')})
      SELECT ${stored.map((c, i) => fromJsonCell(c, 'value', i)).join(', ')}
      FROM json_each(?) WHERE true
      ON CONFLICT DO UPDATE SET ${rewritten.map((n) => `${n} = excluded.${n}`).join(', ')}`
    this.remembered = `SELECT tenant, key FROM ${memory} WHERE (tenant, key) IN (${PAIRS})`
    this.due = `SELECT tenant, key, scope, gk, inputs FROM ${memory} ${DUE}`
    this.forget = `DELETE FROM ${memory} WHERE (tenant, key) IN (${PAIRS})`
    this.remember = `INSERT INTO ${memory} (tenant, key, scope, gk, expires, inputs)
      SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each(?)`
    this.nextExpiry = `SELECT min(expires) FROM ${memory}`
    this.#select = this.#selectSql()
    this.#order =
      cells.length === 0 ? '' : ` ORDER BY ${cells.map((c) => `v.${c.name}`).join(', ')}`
    this.#rereads = columns.aggregates.map((a) => (isExtremum(a) ? this.#rereadSql(a) : ''))
    this.#filterArgs = filterSql(view).args
    this.#takesNow = liveRow(view.source, 'r').takesNow
  }

  /** Gives groups the extremum that the source has now, and notes where the source is. */
  reread(aggregate: number, groups: readonly unknown[], nowMs: number): Statement {
    const now = this.#takesNow ? [nowMs] : []
    return {
      sql: this.#rereads[aggregate] as string,
      args: [...this.#filterArgs, ...now, JSON.stringify(groups)],
    }
  }

  /**
   * Selects groups in the order of their columns. A group with a sum beyond the range of its type
   * fails the read (integer overflow), as `sum()` itself does.
   */
  select(scope: string, { prefix, limit }: ViewSelection): ViewSql {
    const { groups } = this.#columns
    const end = `${this.#order}${limit === null ? '' : ' LIMIT ?'}`
    const last = limit === null ? [] : [limit]
    if (prefix.length > 0 && prefix.length === groups.length) {
      const key = JSON.stringify(groups.map(({ cell }, i) => toJsonCell(cell, prefix[i] ?? null)))
      return { sql: `${this.#select} AND v.gk = ?${end}`, args: [scope, key, ...last] }
    }
    const where = prefix.map((_, i) => ` AND v.g${i} IS ?`).join('')
    return { sql: `${this.#select}${where}${end}`, args: [scope, ...prefix, ...last] }
  }

  #selectSql(): string {
    const { groups, aggregates } = this.#columns
    const names = [...groups.map(({ cell }) => cell.name), ...aggregates.map((a) => a.result.name)]
    const guard = aggregates.some(({ fn }) => fn === 'sum') ? ` AND ${OVERFLOW_GUARD}` : ''
    const shown = names.map((name) => `v.${name}`).join(', ')
    return `SELECT ${shown} FROM ${viewTable(this.#view)} v WHERE v.tenant = ?${guard}`
  }

  #rereadSql({ fn, column, result }: Aggregate): string {
    const { source, span } = this.#view
    const name = `c${column?.id}`
    const index = sourceIndex(this.#view, this.#extremumColumns().indexOf(name))
    const table = viewTable(this.#view)
    const conditions = [
      ...(span === 'tenant' ? [`r.tenant = ${table}.tenant`] : []),
      ...this.#columns.groups.map((g) => `r.${g.sourceName} IS ${table}.${g.cell.name}`),
      filterSql(this.#view).sql,
      liveRow(source, 'r').sql,
    ]
    return `UPDATE ${table} SET ahead = (${LAST_LOCAL_SEQ.sql}), ${result.name} =
      (SELECT ${fn}(r.${name}) FROM ${source.physicalName} r INDEXED BY ${index}
        WHERE ${conditions.join(' AND ')})
      WHERE (tenant, gk) IN (${PAIRS})`
  }

  #createSql(stored: readonly CellColumn[]): string[] {
    const view = this.#view
    const table = viewTable(view)
    const isKey = (name: string): boolean => name === 'tenant' || name === 'gk'
    const definitions = stored.map(({ name, storage }) => {
      const isNeeded = isKey(name) || name === 'state' || name === 'overflow'
      return `${name} ${storage}${isNeeded ? ' NOT NULL' : ''}`
    })
    const statements = [
      // ahead: where the source was when the group's extremum was read from it.
      `CREATE TABLE ${table} (${definitions.join(', ')}, ahead INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (tenant, gk)) STRICT, WITHOUT ROWID`,
    ]
    const names = this.#columns.groups.map(({ cell }) => cell.name)
    if (names.length > 0) {
      const order = ['tenant', ...names].join(', ')
      statements.push(`CREATE INDEX ${table}_order ON ${table} (${order})`)
    }
    return [...statements, ...this.#createMemory(), ...this.#createSourceIndexes()]
  }

  #createMemory(): string[] {
    if (this.#view.source.ttl === null) return []
    const memory = memoryTable(this.#view)
    return [
      `CREATE TABLE ${memory} (tenant TEXT NOT NULL, key TEXT NOT NULL, scope TEXT NOT NULL,
        gk TEXT NOT NULL, expires INTEGER NOT NULL, inputs TEXT NOT NULL,
        PRIMARY KEY (tenant, key)) STRICT, WITHOUT ROWID`,
      `CREATE INDEX ${memory}_expires ON ${memory} (expires)`,
    ]
  }

  /** The next extremum of a group is then one seek in the source. */
  #createSourceIndexes(): string[] {
    const { source, span } = this.#view
    const leading = [
      ...(span === 'tenant' ? ['tenant'] : []),
      ...this.#columns.groups.map(({ sourceName }) => sourceName),
    ]
    return this.#extremumColumns().map((name, i) => {
      const index = sourceIndex(this.#view, i)
      return `CREATE INDEX ${index} ON ${source.physicalName} (${[...leading, name].join(', ')})`
    })
  }

  /** The columns of the source that smallest or largest values are taken of, each once. */
  #extremumColumns(): string[] {
    const extrema = this.#columns.aggregates.filter(isExtremum)
    return [...new Set(extrema.map(({ column }) => `c${column?.id}`))]
  }
}

/** Not a constant expression: those are evaluated whether or not a row needs them. */
const OVERFLOW_GUARD = 'iif(v.overflow = 0, 1, abs(-9223372036854775807 - v.overflow))'
