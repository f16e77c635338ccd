/**
 * The bytes of changes, version 1: MessagePack arrays whose first element is the version. One
 * change is a record of a change log; a batch is what a replication stream carries, with what a
 * transaction's changes share written once. Integers keep their kind, blobs are native.
 *
 * ```
 * change  [1, localSeq, source, epoch, seq, txId, index, size, hlc, schemaVersion, cause, table, op,
 *          tenant, key, before, after, version, delta]
 * batch   [1, [run…]]
 * run     [source, epoch, txId, size, hlc, schemaVersion, tenant, version, firstIndex, [row…]]
 * row     [localSeq, seq, cause, table, op, key, before, after, version or null, delta]
 * ```
 *
 * `cause` and `op` are indexes into `CAUSES` and `CHANGE_OPS`. A run is a stretch of one
 * transaction; a row's null version is its run's. A later version may append elements: readers
 * ignore what they do not know. Anything else raises the version.
 */
import { CAUSES, CHANGE_OPS, type Change } from '../core/change.ts'
import { packedArrays } from './packed-array.ts'

const { pack, unpack, malformed, list, text, count, blob } = packedArrays({
  one: 'a change of Meridian',
  many: 'changes',
  version: 1,
})

const CHANGE_LENGTH = 19
const RUN_LENGTH = 10
const ROW_LENGTH = 10

/** Encodes one change. */
export function encodeChange(change: Change): Uint8Array {
  return pack([
    change.localSeq,
    change.origin.source,
    change.origin.epoch,
    change.origin.seq,
    change.txId,
    change.index,
    change.size,
    change.hlc,
    change.schemaVersion,
    CAUSES.indexOf(change.cause),
    change.tableId,
    CHANGE_OPS.indexOf(change.op),
    change.tenant,
    change.key,
    change.before,
    change.after,
    change.version,
    change.delta,
  ])
}

/** Decodes one change. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeChange(bytes: Uint8Array): Change {
  const raw = unpack(bytes)
  if (raw.length < CHANGE_LENGTH) throw malformed()
  return {
    localSeq: count(raw[1]),
    origin: { source: text(raw[2]), epoch: count(raw[3]), seq: count(raw[4]) },
    txId: text(raw[5]),
    index: count(raw[6]),
    size: count(raw[7]),
    hlc: text(raw[8]),
    schemaVersion: count(raw[9]),
    cause: member(CAUSES, raw[10]),
    tableId: count(raw[11]),
    op: member(CHANGE_OPS, raw[12]),
    tenant: text(raw[13]),
    key: cells(raw[14]),
    before: raw[15] === null ? null : cells(raw[15]),
    after: raw[16] === null ? null : cells(raw[16]),
    version: text(raw[17]),
    delta: raw[18] === null ? null : blob(raw[18]),
  }
}

/** Encodes changes, in order. */
export function encodeChanges(changes: readonly Change[]): Uint8Array {
  const runs: unknown[] = []
  let rows: unknown[] = []
  let head: Change | undefined
  let previous: Change | undefined
  for (const change of changes) {
    if (head === undefined || previous === undefined || !continues(previous, change)) {
      head = change
      rows = []
      runs.push(encodeRun(head, rows))
    }
    rows.push(encodeRow(change, head.version))
    previous = change
  }
  return pack([runs])
}

/** Decodes a batch. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeChanges(bytes: Uint8Array): Change[] {
  const raw = unpack(bytes)
  const changes: Change[] = []
  for (const run of list(raw[1])) decodeRun(list(run), changes)
  return changes
}

function continues(previous: Change, next: Change): boolean {
  return (
    next.txId === previous.txId &&
    next.index === previous.index + 1 &&
    next.size === previous.size &&
    next.tenant === previous.tenant &&
    next.hlc === previous.hlc &&
    next.schemaVersion === previous.schemaVersion &&
    next.origin.source === previous.origin.source &&
    next.origin.epoch === previous.origin.epoch
  )
}

function encodeRun(head: Change, rows: unknown[]): unknown[] {
  return [
    head.origin.source,
    head.origin.epoch,
    head.txId,
    head.size,
    head.hlc,
    head.schemaVersion,
    head.tenant,
    head.version,
    head.index,
    rows,
  ]
}

function encodeRow(change: Change, runVersion: string): unknown[] {
  return [
    change.localSeq,
    change.origin.seq,
    CAUSES.indexOf(change.cause),
    change.tableId,
    CHANGE_OPS.indexOf(change.op),
    change.key,
    change.before,
    change.after,
    change.version === runVersion ? null : change.version,
    change.delta,
  ]
}

function decodeRun(run: readonly unknown[], changes: Change[]): void {
  if (run.length < RUN_LENGTH) throw malformed()
  const source = text(run[0])
  const epoch = count(run[1])
  const txId = text(run[2])
  const size = count(run[3])
  const hlc = text(run[4])
  const schemaVersion = count(run[5])
  const tenant = text(run[6])
  const version = text(run[7])
  let index = count(run[8])
  for (const raw of list(run[9])) {
    const row = list(raw)
    if (row.length < ROW_LENGTH) throw malformed()
    changes.push({
      localSeq: count(row[0]),
      origin: { source, epoch, seq: count(row[1]) },
      txId,
      index: index++,
      size,
      hlc,
      schemaVersion,
      cause: member(CAUSES, row[2]),
      tableId: count(row[3]),
      op: member(CHANGE_OPS, row[4]),
      tenant,
      key: cells(row[5]),
      before: row[6] === null ? null : cells(row[6]),
      after: row[7] === null ? null : cells(row[7]),
      version: row[8] === null ? version : text(row[8]),
      delta: row[9] === null ? null : blob(row[9]),
    })
  }
}

function member<T>(values: readonly T[], index: unknown): T {
  const value = values[count(index)]
  if (value === undefined) throw malformed()
  return value
}

function cells(value: unknown): Change['key'] {
  const raw = list(value)
  for (const cell of raw) {
    const kind = typeof cell
    if (kind === 'string' || kind === 'number' || kind === 'bigint' || cell === null) continue
    if (!(cell instanceof Uint8Array)) throw malformed()
  }
  return raw as Change['key']
}
