/** Reads what the page shows of a region from its store, its change log and its views. */
import type { Change } from '../../core/change.ts'
import { sourceRegion } from '../../core/change.ts'
import { hlcMs } from '../../core/hlc.ts'
import type { SqlRow, SqlValue } from '../../core/values.ts'
import type { EmbeddedDeployment } from '../../node/embedded.ts'
import type { NodeStatus, RegionNode } from '../../node/region-node.ts'
import { decodeChange } from '../../protocol/change-codec.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../../schema/compiled.ts'
import { viewColumns } from '../../schema/view-columns.ts'
import { liveRow } from '../../sql/live-row.ts'
import type { ShownCell, ShownChange, ShownRegion, ShownRows, ShownStream } from './snapshot.ts'

const SHOWN_ROWS = 12
const SHOWN_CHANGES = 25
/** A view is kept for each tenant; of how many it is shown. */
const SHOWN_TENANTS = 4
const MAX_TEXT_LENGTH = 80

/** What a region is shown among. */
export interface Surroundings {
  readonly deployment: EmbeddedDeployment
  readonly statuses: readonly NodeStatus[]
  readonly ends: ReadonlyMap<string, number>
  readonly url: string
}

/** A region as it stands now. */
export async function inspectRegion(
  node: RegionNode,
  surroundings: Surroundings,
): Promise<ShownRegion> {
  const { deployment, statuses, ends, url } = surroundings
  const { compiled, config, runtime } = deployment
  const status = statuses.find((one) => one.region === node.region) as NodeStatus
  const nowMs = runtime.clock.nowMs()
  const tables = await Promise.all(compiled.tables.map((one) => tableRows(node, one, nowMs)))
  const views = await Promise.all(compiled.views.map((one) => viewRows(node, one, nowMs)))
  return {
    name: node.region,
    url,
    isLeader: config.commitLog.leader === node.region,
    strongIndex: status.strongIndex,
    changePosition: status.relayPosition,
    viewPosition: Number.isFinite(status.viewPosition) ? status.viewPosition : status.relayPosition,
    streams: status.imports.map((stream): ShownStream => {
      const behind = Math.max(0, (ends.get(stream.from) ?? 0) - stream.position)
      const { from, position, error } = stream
      return { from, position, behind, error: error?.message ?? null }
    }),
    rows: [...tables, ...views],
    changes: await latestChanges(node, compiled, status.relayPosition),
  }
}

async function tableRows(
  node: RegionNode,
  table: CompiledTable,
  nowMs: number,
): Promise<ShownRows> {
  const live = liveRow(table, 't')
  const args = live.takesNow ? [nowMs] : []
  const values = table.columns.map((column) => `t.c${column.id}`).join(', ')
  const from = `FROM ${table.physicalName} AS t WHERE ${live.sql}`
  const [counted, found] = await node.store.read([
    { sql: `SELECT count(*) ${from}`, args },
    {
      sql: `SELECT t.tenant, ${values} ${from} ORDER BY t._ver DESC LIMIT ${SHOWN_ROWS}`,
      args,
      bigints: true,
    },
  ])
  const isTenants = table.scope === 'tenant'
  const encrypted = new Set(table.encrypted.map((cell) => cell.column.id))
  return {
    name: table.name,
    kind: table.consistency,
    count: Number(counted?.rows[0]?.[0]),
    columns: [...(isTenants ? ['tenant'] : []), ...table.columns.map((column) => column.name)],
    rows: (found?.rows ?? []).map(([tenant = null, ...cells]) => [
      ...(isTenants ? [shown(tenant)] : []),
      ...cells.map((cell, i) => shown(cell, encrypted.has(table.columns[i]?.id ?? -1))),
    ]),
  }
}

async function viewRows(node: RegionNode, view: CompiledView, nowMs: number): Promise<ShownRows> {
  const perTenant = view.span === 'tenant' && view.source.scope === 'tenant'
  const tenants = perTenant ? await someTenants(node, view.source) : ['']
  const rows: ShownCell[][] = []
  for (const tenant of tenants) {
    const found = await rowsOfView(node, view, tenant, nowMs)
    const prefix = perTenant ? [shown(tenant)] : []
    rows.push(...found.map((row) => [...prefix, ...row.map((cell) => shown(cell))]))
  }
  return {
    name: view.name,
    kind: 'view',
    count: rows.length,
    columns: [...(perTenant ? ['tenant'] : []), ...viewColumns(view).map((column) => column.name)],
    rows,
  }
}

/** A view that has stopped shows nothing: its region's log says why. */
async function rowsOfView(
  node: RegionNode,
  view: CompiledView,
  tenant: string,
  nowMs: number,
): Promise<readonly SqlRow[]> {
  try {
    const select = node.views.select(view, tenant, [], SHOWN_ROWS, nowMs)
    const [found] = await node.store.read([select])
    return node.views.rows(view, found?.rows ?? [])
  } catch {
    return []
  }
}

async function someTenants(node: RegionNode, table: CompiledTable): Promise<string[]> {
  const sql = `SELECT DISTINCT tenant FROM ${table.physicalName} LIMIT ${SHOWN_TENANTS}`
  const [found] = await node.store.read([{ sql, args: [] }])
  return (found?.rows ?? []).map((row) => String(row[0]))
}

async function latestChanges(
  node: RegionNode,
  schema: CompiledSchema,
  end: number,
): Promise<ShownChange[]> {
  const records = await node.changeLog.read(Math.max(0, end - SHOWN_CHANGES), SHOWN_CHANGES)
  return records.map((record) => shownChange(schema, decodeChange(record.payload))).toReversed()
}

function shownChange(schema: CompiledSchema, change: Change): ShownChange {
  const { source } = change.origin
  return {
    position: change.localSeq,
    op: change.op,
    table: schema.tableById.get(change.tableId)?.name ?? `table ${change.tableId}`,
    tenant: change.tenant,
    key: change.key.map((part) => shown(part).text).join(', '),
    cause: change.cause,
    origin: source.startsWith('log:') ? source : sourceRegion(source),
    atMs: hlcMs(change.hlc),
  }
}

function shown(value: SqlValue, isEncrypted = false): ShownCell {
  if (value === null) return { kind: 'none', text: '' }
  if (value instanceof Uint8Array) {
    const text = `${value.length} bytes`
    return isEncrypted ? { kind: 'cipher', text } : { kind: 'text', text }
  }
  if (typeof value !== 'string') return { kind: 'number', text: String(value) }
  const text = value.length > MAX_TEXT_LENGTH ? `${value.slice(0, MAX_TEXT_LENGTH)}…` : value
  return { kind: 'text', text }
}
