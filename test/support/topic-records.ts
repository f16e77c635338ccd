/** Reads records of topics back into changes, as the specification says that they are to be read. */
import { Packr } from 'msgpackr'
import { CHANGE_OPS, type Cause, type Change } from '../../src/core/change.ts'
import type { TopicFormat } from '../../cdc/publish/cell-form.ts'
import type { SqlValue } from '../../src/core/values.ts'
import type { CompiledColumn, CompiledTable } from '../../src/schema/compiled.ts'

const packr = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** The content of a key or value. */
export function parseRecord(format: TopicFormat, bytes: Uint8Array | null): unknown {
  if (bytes === null) return null
  return format === 'json' ? JSON.parse(new TextDecoder().decode(bytes)) : packr.unpack(bytes)
}

/** An envelope as text-only JSON has it. */
export interface Envelope {
  readonly version: number
  readonly source: string
  readonly localSeq: number | bigint
  readonly origin: Readonly<Record<string, unknown>>
  readonly transaction: { readonly id: string; readonly index: number; readonly size: number }
  readonly hlc: string
  readonly timeMs: number
  readonly schemaVersion: number
  readonly table: string
  readonly tableId: number
  readonly op: string
  readonly cause: string
  readonly tenant: string | null
  readonly key: Readonly<Record<string, unknown>>
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

/** What an envelope says of its change; blind indexes, versions and deltas are not in it. */
export function changeOf(format: TopicFormat, table: CompiledTable, bytes: Uint8Array): unknown {
  const envelope = parseRecord(format, bytes) as Envelope
  const image = (row: Envelope['after']): SqlValue[] | null =>
    row === null
      ? null
      : table.physical.map((physical) => {
          if (physical.kind === 'blind') return null
          const column = table.columnById.get(physical.columnId) as CompiledColumn
          return stored(column, row[column.name])
        })
  const { origin, transaction } = envelope
  return {
    localSeq: Number(envelope.localSeq),
    origin:
      'group' in origin
        ? { source: `log:${String(origin['group'])}`, epoch: 0, seq: Number(origin['index']) }
        : {
            source: origin['source'],
            epoch: Number(origin['epoch']),
            seq: Number(origin['seq']),
          },
    txId: transaction.id,
    index: transaction.index,
    size: transaction.size,
    hlc: envelope.hlc,
    schemaVersion: envelope.schemaVersion,
    cause: envelope.cause as Cause,
    tableId: envelope.tableId,
    op: CHANGE_OPS.find((op) => op === envelope.op),
    tenant: envelope.tenant ?? '',
    key: table.primaryKey.map((column) => stored(column, envelope.key[column.name])),
    before: image(envelope.before),
    after: image(envelope.after),
  }
}

/** What `changeOf` gives for a change that nothing is lost of. */
export function comparable(table: CompiledTable, change: Change): unknown {
  const image = (row: Change['after']): SqlValue[] | null =>
    row === null
      ? null
      : table.physical.map((physical, i) => (physical.kind === 'blind' ? null : (row[i] ?? null)))
  const { version: _version, delta: _delta, ...rest } = change
  return { ...rest, before: image(change.before), after: image(change.after) }
}

function stored(column: CompiledColumn, value: unknown): SqlValue {
  if (value === null || value === undefined) return null
  if (column.encrypted !== null) return bytesOf((value as { encrypted: unknown }).encrypted)
  switch (column.type) {
    case 'boolean':
      return value === true ? 1 : 0
    case 'timestamp':
      return typeof value === 'string' ? Date.parse(value) : (value as Date).getTime()
    case 'bigint':
      return BigInt(value as string | bigint)
    case 'integer':
    case 'counter':
    case 'real':
      return Number(value)
    case 'json':
    case 'set':
      return JSON.stringify(value)
    case 'text':
    case 'collaborativeText':
      return value as string
    case 'blob':
      return bytesOf(value)
  }
}

function bytesOf(value: unknown): Uint8Array {
  return typeof value === 'string'
    ? new Uint8Array(Buffer.from(value, 'base64'))
    : new Uint8Array(value as Uint8Array)
}
