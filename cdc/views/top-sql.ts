/** The SQL texts of a top list, made once. */
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { RowColumns } from './row-columns.ts'
import { memoryTable, sourceIndex, viewTable } from './view-names.ts'
import { MAX_EXPIRED_ROWS } from './view-program.ts'

export class TopSql {
  readonly create: readonly string[]
  /** Scopes by name: name, held, is_complete, values of the last row's order (NULL: no row). */
  readonly loadScopes: string
  /** The same, and the scopes of rows that are due. */
  readonly loadScopesWithDue: string
  /** Which of the rows are held: their places in the parameter. */
  readonly held: string
  /** Keys of rows that are due. */
  readonly due: string
  readonly writeScopes: string
  /** Leaves the first rows of a scope. */
  readonly trim: string
  /** Empties a scope, to be filled. */
  readonly empty: string
  readonly fill: string
  /** Notes what a scope holds after it was filled. */
  readonly recount: string
  readonly nextExpiry: string
  readonly select: string

  /** `size`: rows that a scope holds after it was filled or trimmed. */
  constructor(view: CompiledView, columns: RowColumns, size: number) {
    const table = viewTable(view)
    const memory = memoryTable(view)
    const expires = `c${view.source.ttl?.id}`
    const order = columns.orderSql()
    const isDue = `${expires} <= ? ORDER BY ${expires}, ${columns.key} LIMIT ${MAX_EXPIRED_ROWS}`
    const last = columns.order.map(({ name }) => `v.${name}`).join(', ')
    const ofView = columns.key.replaceAll(/\w+/g, 'v.$&')
    const scopes = (names: string): string => `SELECT m.tenant, m.held, m.is_complete, ${last}
      FROM ${memory} m LEFT JOIN ${table} v ON v.tenant = m.tenant AND (${ofView}) =
        (SELECT ${ofView} FROM ${table} v WHERE v.tenant = m.tenant
          ORDER BY ${columns.orderSql('backwards')} LIMIT 1)
      WHERE m.tenant IN (${names})`
    const given = 'SELECT value FROM json_each(?)'
    const dueScopes = `SELECT tenant FROM (SELECT tenant FROM ${table} WHERE ${isDue})`
    const count = `(SELECT count(*) FROM ${table} WHERE tenant = ?1)`
    this.loadScopes = scopes(given)
    this.loadScopesWithDue = scopes(`${given} UNION ${dueScopes}`)
    this.held = `SELECT j.key FROM json_each(?) j
      WHERE EXISTS (SELECT 1 FROM ${table} v WHERE (${ofView}) = (${columns.keyFromJson('j.value')}))`
    this.due = `SELECT ${columns.key} FROM ${table} WHERE ${isDue}`
    this.writeScopes = `INSERT INTO ${memory} (tenant, held, is_complete)
      SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true
      ON CONFLICT DO UPDATE SET held = excluded.held, is_complete = excluded.is_complete`
    this.trim = `DELETE FROM ${table} WHERE (${columns.key}) IN
      (SELECT ${ofView} FROM ${table} v WHERE v.tenant = ? ORDER BY ${order} LIMIT -1 OFFSET ${size})`
    this.empty = `DELETE FROM ${table} WHERE tenant = ?`
    this.fill = columns.fillSql(size)
    this.recount = `UPDATE ${memory} SET held = ${count}, is_complete = ${count} < ${size}
      WHERE tenant = ?1`
    this.nextExpiry = `SELECT min(${expires}) FROM ${table} WHERE ${expires} IS NOT NULL`
    this.select = `${columns.selectSql()} ORDER BY ${order} LIMIT ?`
    this.create = [
      columns.createTable(),
      `CREATE TABLE ${memory} (tenant TEXT PRIMARY KEY, held INTEGER NOT NULL, is_complete INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
      `CREATE INDEX ${table}_order ON ${table} (tenant, ${order.replaceAll('v.', '')})`,
      // A scope is then filled by one seek and a short walk in the source.
      `CREATE INDEX ${sourceIndex(view, 0)} ON ${view.source.physicalName} (${columns.sourceIndexColumns()})`,
      ...(view.source.ttl === null
        ? []
        : [`CREATE INDEX ${table}_expires ON ${table} (${expires}) WHERE ${expires} IS NOT NULL`]),
    ]
  }
}
