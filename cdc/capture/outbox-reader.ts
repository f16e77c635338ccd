/** Reads the outbox of a store as changes: in order, without a gap, in whole transactions. */
import {
  CAUSES,
  CHANGE_OPS,
  type Cause,
  type Change,
  type ChangeOp,
} from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { SqlRow } from '../../src/core/values.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { decodeImage, decodeKey } from '../../src/schema/image.ts'
import { LAST_LOCAL_SEQ, LAST_UNSTABLE_SEQ } from '../../src/schema/system-tables.ts'

/** A change and about how many bytes it takes in memory. */
export interface OutboxEntry {
  readonly change: Change
  readonly bytes: number
}

/** The outbox of a store, or that of changes which are not yet stable. */
export type OutboxName = '_outbox' | '_unstable_outbox'

/** Reads the last seq of an outbox. */
export function lastSeqOf(outbox: OutboxName): Statement {
  return outbox === '_outbox' ? LAST_LOCAL_SEQ : LAST_UNSTABLE_SEQ
}

const COLUMNS = `seq, origin_source, origin_epoch, origin_seq, tx, hlc, schema_version, cause,
  table_id, op, tenant, key, before, after, ver, delta`
const SEQ = 0
const TX = 4
const ENTRY_OVERHEAD_BYTES = 400

/**
 * Changes after `afterSeq`: up to `maxChanges`, and on to the end of the last one's transaction.
 * `source`: the store's source id, the origin of the changes that were made here.
 *
 * @throws MeridianError `LOG_COMPACTED` when changes after `afterSeq` were pruned, `LOG_GAP` when
 * one is missing, `POSITION_LOST` when `afterSeq` is beyond the end, `UNKNOWN_TABLE`
 */
export async function readOutbox(
  store: Store,
  schema: CompiledSchema,
  source: string,
  afterSeq: number,
  maxChanges: number,
  outbox: OutboxName = '_outbox',
): Promise<readonly OutboxEntry[]> {
  const [last, page, before] = await store.read([
    lastSeqOf(outbox),
    {
      sql: `SELECT ${COLUMNS} FROM ${outbox} WHERE seq > ? ORDER BY seq LIMIT ?`,
      args: [afterSeq, maxChanges],
    },
    { sql: `SELECT tx FROM ${outbox} WHERE seq = ?`, args: [afterSeq] },
  ])
  const rows = [...(page?.rows ?? [])]
  checkStart(afterSeq, Number(last?.rows[0]?.[0]), rows[0])
  if (rows.length === 0) return []
  if (rows.length === maxChanges) {
    rows.push(...(await readRest(store, outbox, rows.at(-1) as SqlRow)))
  }
  checkDense(rows)
  const cutTx = before?.rows[0]?.[0]
  const missed =
    cutTx === rows[0]?.[TX] ? await countHead(store, outbox, afterSeq, String(cutTx)) : 0
  return decodeRows(schema, source, rows, missed)
}

/** The rows after `row` that belong to its transaction. */
async function readRest(store: Store, outbox: OutboxName, row: SqlRow): Promise<readonly SqlRow[]> {
  const seq = Number(row[SEQ])
  const tx = row[TX] as string
  const statement: Statement = {
    sql: `SELECT ${COLUMNS} FROM ${outbox} WHERE seq > ? AND seq < coalesce(
        (SELECT seq FROM ${outbox} WHERE seq > ? AND tx <> ? ORDER BY seq LIMIT 1),
        9223372036854775807)
      ORDER BY seq`,
    args: [seq, seq, tx],
  }
  const [result] = await store.read([statement])
  return result?.rows ?? []
}

/** How many changes of the transaction `tx` lie at or before `seq`: a reader stopped within it. */
async function countHead(
  store: Store,
  outbox: OutboxName,
  seq: number,
  tx: string,
): Promise<number> {
  const [result] = await store.read([
    {
      sql: `SELECT count(*) FROM ${outbox} WHERE seq <= ? AND seq > coalesce(
        (SELECT seq FROM ${outbox} WHERE seq < ? AND tx <> ? ORDER BY seq DESC LIMIT 1), 0)`,
      args: [seq, seq, tx],
    },
  ])
  return Number(result?.rows[0]?.[0])
}

function checkStart(afterSeq: number, end: number, first: SqlRow | undefined): void {
  if (afterSeq > end) {
    throw new MeridianError(
      'POSITION_LOST',
      `Position ${afterSeq} is beyond the outbox's end, ${end}: the store is not the one it was.`,
      { fix: 'Reseed the reader.', details: { position: afterSeq, end } },
    )
  }
  const next = first === undefined ? end + 1 : Number(first[SEQ])
  if (next === afterSeq + 1) return
  throw new MeridianError(
    'LOG_COMPACTED',
    `Changes ${afterSeq + 1} to ${next - 1} are pruned from the outbox.`,
    { fix: 'Reseed the reader.', details: { position: afterSeq, first: next } },
  )
}

function checkDense(rows: readonly SqlRow[]): void {
  const first = Number(rows[0]?.[SEQ])
  const index = rows.findIndex((row, i) => Number(row[SEQ]) !== first + i)
  if (index < 0) return
  throw new MeridianError('LOG_GAP', `Change ${first + index} is missing in the outbox.`, {
    fix: 'Restore the store; something besides Meridian changed it.',
    details: { position: first + index },
  })
}

function decodeRows(
  schema: CompiledSchema,
  source: string,
  rows: readonly SqlRow[],
  missed: number,
): OutboxEntry[] {
  const entries: OutboxEntry[] = []
  let start = 0
  while (start < rows.length) {
    const tx = rows[start]?.[TX]
    let end = start + 1
    while (end < rows.length && rows[end]?.[TX] === tx) end++
    const head = start === 0 ? missed : 0
    for (let i = start; i < end; i++) {
      const place = { index: head + i - start, size: head + end - start }
      entries.push(decodeRow(schema, source, rows[i] as SqlRow, place))
    }
    start = end
  }
  return entries
}

function decodeRow(
  schema: CompiledSchema,
  source: string,
  row: SqlRow,
  place: { readonly index: number; readonly size: number },
): OutboxEntry {
  const tableId = Number(row[8])
  const table = schema.tableById.get(tableId)
  if (table === undefined) {
    throw new MeridianError('UNKNOWN_TABLE', `The outbox names table ${tableId}.`, {
      fix: 'Open the store with the schema that wrote it, or a newer one.',
    })
  }
  const localSeq = Number(row[SEQ])
  const [key, before, after] = [
    row[11] as string,
    row[12] as string | null,
    row[13] as string | null,
  ]
  const delta = row[15] as Uint8Array | null
  const change: Change = {
    localSeq,
    origin: {
      source: (row[1] as string | null) ?? source,
      epoch: Number(row[2]),
      seq: Number(row[3] ?? localSeq),
    },
    txId: row[TX] as string,
    index: place.index,
    size: place.size,
    hlc: row[5] as string,
    schemaVersion: Number(row[6]),
    cause: CAUSES[Number(row[7])] as Cause,
    tableId,
    op: CHANGE_OPS[Number(row[9])] as ChangeOp,
    tenant: row[10] as string,
    key: decodeKey(table, key),
    before: before === null ? null : decodeImage(table, before),
    after: after === null ? null : decodeImage(table, after),
    version: row[14] as string,
    delta,
  }
  const text = key.length + (before?.length ?? 0) + (after?.length ?? 0)
  return { change, bytes: ENTRY_OVERHEAD_BYTES + 2 * text + (delta?.length ?? 0) }
}
