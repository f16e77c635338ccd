/** Creates the tables of new views, and drops those of views that are gone or have changed. */
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { ViewProgram } from './view-program.ts'

/** Raised when views are stored in another shape: they are then built anew. */
const FORMAT = 1

/**
 * Makes the store hold exactly these views, in one write. A view that is new, or that means
 * something else now, begins empty at position 0: the change log fills it.
 */
export async function installViews(store: Store, programs: readonly ViewProgram[]): Promise<void> {
  const [result] = await store.read([{ sql: 'SELECT view_id, definition FROM _views', args: [] }])
  const stored = new Map((result?.rows ?? []).map(([id, text]) => [Number(id), String(text)]))
  const wanted = new Map(programs.map(({ view }) => [view.id, definitionOf(view)]))
  const gone = [...stored.keys()].filter((id) => wanted.get(id) !== stored.get(id))
  const fresh = programs.filter(({ view }) => wanted.get(view.id) !== stored.get(view.id))
  const statements = [
    ...(await dropViews(store, gone)),
    ...fresh.flatMap(({ view, create }) => [
      ...create.map((sql) => ({ sql, args: [] })),
      {
        sql: 'INSERT INTO _views (view_id, definition, position, now_ms) VALUES (?, ?, 0, 0)',
        args: [view.id, wanted.get(view.id) as string],
      },
    ]),
  ]
  if (statements.length > 0) await store.write(statements)
}

/** Tables `v<id>` and `m<id>`, with their indexes, and `v<id>_source_<n>` on the source. */
async function dropViews(store: Store, ids: readonly number[]): Promise<Statement[]> {
  if (ids.length === 0) return []
  const [result] = await store.read([
    {
      sql: `SELECT DISTINCT s.type, s.name FROM sqlite_schema s, json_each(?) j WHERE
        s.name = 'v' || j.value OR s.name = 'm' || j.value
        OR s.name GLOB 'v' || j.value || '_source_*'`,
      args: [JSON.stringify(ids)],
    },
  ])
  return [
    ...(result?.rows ?? []).map(([type, name]) => ({ sql: `DROP ${type} ${name}`, args: [] })),
    ...ids.map((id) => ({ sql: 'DELETE FROM _views WHERE view_id = ?', args: [id] })),
  ]
}

/** What a view means and how it is stored, by ids: names may change without it. */
function definitionOf({ filter, shape, span, source }: CompiledView): string {
  const meaning =
    shape.kind === 'group'
      ? { ...shape, aggregates: shape.aggregates.map(({ fn, columnId }) => ({ fn, columnId })) }
      : shape
  const ttl = source.ttl?.id ?? null
  const definition = { format: FORMAT, source: source.id, ttl, filter, shape: meaning, span }
  return JSON.stringify(definition, (_, value: unknown) =>
    typeof value === 'bigint' ? { bigint: String(value) } : value,
  )
}
