/**
 * Records of topics, version 1 (`docs/spec/topics.md`). What is written here is read by programs
 * that nobody here knows: names and forms stay as they are, and what is new is added.
 */
import { Packr } from 'msgpackr'
import type { Change, RowImage } from '../../src/core/change.ts'
import { hlcMs } from '../../src/core/hlc.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledColumn, CompiledTable } from '../../src/schema/compiled.ts'
import { cellForm, wholeForm, type TopicFormat } from './cell-form.ts'

/** The version of envelopes that is written. */
const ENVELOPE_VERSION = 1

const LOG_SOURCE = 'log:'

const CONTENT_TYPES: Readonly<Record<TopicFormat, string>> = {
  json: 'application/json',
  msgpack: 'application/vnd.msgpack',
}

/** Headers by what they say. Values are text. */
const HEADERS = {
  contentType: 'content-type',
  /** The store whose `localSeq` the record counts in. */
  store: 'meridian-store',
  origin: 'meridian-origin',
  localSeq: 'meridian-local-seq',
  previousSeq: 'meridian-prev-seq',
  resolved: 'meridian-resolved',
  reason: 'meridian-reason',
} as const

/** What all records of a publisher share. */
export interface EnvelopeOptions {
  readonly format: TopicFormat
  /** `<region>.<incarnation>` of the store. */
  readonly source: string
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })
const utf8 = new TextEncoder()

/** The key of a change's record: its tenant and its primary key. */
export function encodeRecordKey(
  format: TopicFormat,
  table: CompiledTable,
  change: Change,
): Uint8Array {
  return encode(format, [tenantForm(change), ...keyForms(format, table, change.key)])
}

/** The envelope of a change. Throws on a value that its column's type does not have. */
export function encodeEnvelope(
  { format, source }: EnvelopeOptions,
  table: CompiledTable,
  change: Change,
): Uint8Array {
  return encode(format, {
    ...headOf(format, source, change),
    table: table.name,
    tableId: table.id,
    op: change.op,
    cause: change.cause,
    tenant: tenantForm(change),
    key: keyObject(format, table, change.key),
    before: rowObject(format, table, change.before),
    after: rowObject(format, table, change.after),
  })
}

/** Says that every change up to a position has been sent. Null stamp: none was drawn here yet. */
export function encodeResolved(
  { format, source }: EnvelopeOptions,
  localSeq: number,
  hlc: string | null,
): Uint8Array {
  return encode(format, {
    version: ENVELOPE_VERSION,
    source,
    localSeq: wholeForm(format, localSeq),
    hlc,
  })
}

/** Why a change is in no topic of its table. */
export type DeadReason = 'too-large' | 'not-encodable'

/**
 * What stands in the topic of dead letters for a change: its place, and not its row, which is what
 * could not be sent. Always JSON.
 */
export function encodeDeadLetter(
  source: string,
  table: CompiledTable,
  change: Change,
  reason: DeadReason,
): Uint8Array {
  return encode('json', {
    ...headOf('json', source, change),
    table: table.name,
    tableId: table.id,
    op: change.op,
    cause: change.cause,
    reason,
  })
}

/** The headers of a change's record. `previousSeq`: of the change before it in its partition. */
export function changeHeaders(
  { format, source }: EnvelopeOptions,
  change: Change,
  previousSeq: number,
): Record<string, string> {
  return {
    [HEADERS.contentType]: CONTENT_TYPES[format],
    [HEADERS.store]: source,
    [HEADERS.origin]: originText(change),
    [HEADERS.localSeq]: String(change.localSeq),
    [HEADERS.previousSeq]: String(previousSeq),
  }
}

/** The headers of a resolved record. `previousSeq`: of the last change in its partition. */
export function resolvedHeaders(
  { format, source }: EnvelopeOptions,
  localSeq: number,
  previousSeq: number,
): Record<string, string> {
  return {
    [HEADERS.contentType]: CONTENT_TYPES[format],
    [HEADERS.store]: source,
    [HEADERS.resolved]: String(localSeq),
    [HEADERS.previousSeq]: String(previousSeq),
  }
}

/** The headers of a dead letter. */
export function deadLetterHeaders(
  source: string,
  change: Change,
  reason: DeadReason,
): Record<string, string> {
  return {
    [HEADERS.contentType]: CONTENT_TYPES.json,
    [HEADERS.store]: source,
    [HEADERS.origin]: originText(change),
    [HEADERS.localSeq]: String(change.localSeq),
    [HEADERS.reason]: reason,
  }
}

/** The same text for the same change in every region: what consumers of several dedupe by. */
export function originText({ origin, index }: Change): string {
  const base = `${origin.source}:${origin.seq}`
  // A record of the log may change many rows: their place in it tells them apart.
  return isOfLog(origin.source) ? `${base}:${index}` : base
}

/** Whether a change came by a log group, which every region applies under its own stamps. */
export function isOfLog(source: string): boolean {
  return source.startsWith(LOG_SOURCE)
}

function headOf(format: TopicFormat, source: string, change: Change): Record<string, unknown> {
  const whole = (value: number): number | bigint => wholeForm(format, value)
  const { origin, index } = change
  return {
    version: ENVELOPE_VERSION,
    source,
    localSeq: whole(change.localSeq),
    origin: isOfLog(origin.source)
      ? { group: origin.source.slice(LOG_SOURCE.length), index: whole(origin.seq), place: index }
      : { source: origin.source, epoch: whole(origin.epoch), seq: whole(origin.seq) },
    transaction: { id: change.txId, index, size: change.size },
    hlc: change.hlc,
    timeMs: whole(hlcMs(change.hlc)),
    schemaVersion: change.schemaVersion,
  }
}

function tenantForm({ tenant }: Change): string | null {
  return tenant === '' ? null : tenant
}

function keyForms(
  format: TopicFormat,
  table: CompiledTable,
  key: readonly SqlValue[],
): readonly unknown[] {
  return table.primaryKey.map((column, i) => cellForm(format, column, key[i] ?? null))
}

function keyObject(
  format: TopicFormat,
  table: CompiledTable,
  key: readonly SqlValue[],
): Record<string, unknown> {
  const forms = keyForms(format, table, key)
  return Object.fromEntries(table.primaryKey.map((column, i) => [column.name, forms[i]]))
}

function rowObject(
  format: TopicFormat,
  table: CompiledTable,
  image: RowImage | null,
): Record<string, unknown> | null {
  if (image === null) return null
  const cell = (column: CompiledColumn): unknown =>
    cellForm(format, column, image[table.valueIndex.get(column.id) as number] ?? null)
  return Object.fromEntries(table.columns.map((column) => [column.name, cell(column)]))
}

function encode(format: TopicFormat, value: unknown): Uint8Array {
  return format === 'json' ? utf8.encode(JSON.stringify(value)) : packr.pack(value)
}
