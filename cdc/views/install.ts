/** Creates the tables of new views, and drops those of views that are gone or have changed. */
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import { memoryTable, viewTable } from './view-names.ts'
import type { ViewProgram } from './view-program.ts'

const STORED: Statement = {
  sql: 'SELECT view_id, definition, position, now_ms FROM _views',
  args: [],
}

/**
 * Makes the store hold exactly these views, in one write. A view that is new, or that means
 * something else now, begins empty at position 0: the change log fills it.
 */
export async function installViews(
  store: Store,
  programs: readonly ViewProgram[],
): Promise<void> {
  const [result] = await store.read([STORED])
  const stored = new Map((result?.rows ?? []).map((row) => [Number(row[0]), String(row[1])]))
  const wanted = new Map(programs.map((p) => [p.view.id, definitionOf(p.view)]))
  const gone = [...stored.keys()].filter((id) => wanted.get(id) !== stored.get(id))
  const fresh = programs.filter((p) => wanted.get(p.view.id) !== stored.get(p.view.id))
  const known = new Map(programs.map((p) => [p.view.id, p.view]))
  const statements: Statement[] = [
    ...(await dropStatements(store, gone)),
    ...fresh.flatMap((program) => [
      ...program.create.map((sql) => ({ sql, args: [] })),
      {
        sql: 'INSERT INTO _views (view_id, definition, position, now_ms) VALUES (?, ?, 0, 0)',
        args: [program.view.id, definitionOf(known.get(program.view.id) as CompiledView)],
      },
    ]),
  ]
  if (statements.length > 0) await store.write(statements)
}

/** How far each view is. */
export async function loadPositions(
  store: Store,
  programs: readonly ViewProgram[],
): Promise<Map<number, { position: number; nowMs: number }>> {
  const [result] = await store.read([STORED])
  const ids = new Set(programs.map((program) => program.view.id))
  return new Map(
    (result?.rows ?? [])
      .filter((row) => ids.has(Number(row[0])))
      .map((row) => [Number(row[0]), { position: Number(row[2]), nowMs: Number(row[3]) }]),
  )
}

async function dropStatements(store: Store, ids: readonly number[]): Promise<Statement[]> {
  if (ids.length === 0) return []
  const tables = ids.flatMap((id) => [`v${id}`, `m${id}`])
  const [indexes] = await store.read([
    {
      sql: `SELECT name FROM sqlite_schema WHERE type = 'index' AND name IN
        (SELECT name FROM sqlite_schema WHERE name LIKE 'v%_source_%')`,
      args: [],
    },
  ])
  const own = (indexes?.rows ?? [])
    .map((row) => String(row[0]))
    .filter((name) => ids.some((id) => name.startsWith(`v${id}_source_`)))
  return [
    ...own.map((name) => ({ sql: `DROP INDEX IF EXISTS ${name}`, args: [] })),
    ...tables.map((name) => ({ sql: `DROP TABLE IF EXISTS ${name}`, args: [] })),
    ...ids.map((id) => ({ sql: 'DELETE FROM _views WHERE view_id = ?', args: [id] })),
  ]
}

/** What a view means, by ids: names may change without it. */
function definitionOf(view: CompiledView): string {
  const { filter, shape, span, source } = view
  const definition = { source: source.id, filter, shape, span, tables: [viewTable(view), memoryTable(view)] }
  return JSON.stringify(definition, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
}
