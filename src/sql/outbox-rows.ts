/**
 * Outbox rows of writers that record their changes themselves (`capture = 0`): imports and merges.
 * Triggers write the same rows for everybody else.
 */
import { CHANGE_OPS, type Change, type Origin } from '../core/change.ts'
import { MeridianError } from '../core/errors.ts'
import type { Statement } from '../core/ports/store.ts'
import { toHex, type SqlValue } from '../core/values.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import { encodeImage, encodeKey } from '../schema/image.ts'
import { causeCode } from '../schema/system-tables.ts'

/** A change that has no place in this store's outbox yet. */
export interface NewOutboxChange extends Omit<Change, 'localSeq' | 'origin' | 'index' | 'size'> {
  /** The tenant's epoch at the origin; 0 where there is no home. */
  readonly epoch: number
  /** Where the change was first made. Null: here, and its origin seq is its own localSeq. */
  readonly origin: Pick<Origin, 'source' | 'seq'> | null
}

/** The columns that a writer gives, in the order of `encode`; `seq` is the engine's. */
const COLUMNS = [
  'origin_source',
  'origin_epoch',
  'origin_seq',
  'tx',
  'hlc',
  'schema_version',
  'cause',
  'table_id',
  'op',
  'tenant',
  'ver',
  'key',
  'before',
  'after',
  'delta',
] as const
const DELTA = COLUMNS.indexOf('delta')

/**
 * One statement that appends the changes to the outbox in their order, so that they take
 * consecutive localSeqs. Changes of a transaction must be adjacent. At least one change.
 *
 * @throws MeridianError `UNKNOWN_TABLE` when a change names a table that the schema lacks
 */
export function outboxRows(schema: CompiledSchema, changes: readonly NewOutboxChange[]): Statement {
  const rows = changes.map((change) => encode(schema, change))
  const [first] = rows
  if (first === undefined) throw new MeridianError('INVALID_ARGUMENT', 'There are no changes.')
  // Reading a value out of JSON costs about 0.5 µs: what all rows share is bound once instead.
  const shared: number[] = []
  const varying: number[] = []
  for (let column = 0; column < COLUMNS.length; column++) {
    const value = first[column]
    const same = rows.every((row) => row[column] === value)
    ;(same ? shared : varying).push(column)
  }
  const names = [...shared, ...varying].map((column) => COLUMNS[column]).join(', ')
  const values = [
    ...shared.map((column) => expression(column, '?')),
    ...varying.map((column, index) => expression(column, `value->>${index}`)),
  ].join(', ')
  return {
    sql: `INSERT INTO _outbox (${names}) SELECT ${values} FROM json_each(?)`,
    args: [
      ...shared.map((column) => first[column] as SqlValue),
      JSON.stringify(rows.map((row) => varying.map((column) => row[column]))),
    ],
  }
}

function expression(column: number, value: string): string {
  return column === DELTA ? `unhex(${value})` : value
}

function encode(
  schema: CompiledSchema,
  change: NewOutboxChange,
): readonly (string | number | null)[] {
  const table = schema.tableById.get(change.tableId)
  if (table === undefined) {
    throw new MeridianError('UNKNOWN_TABLE', `The schema has no table with id ${change.tableId}.`)
  }
  return [
    change.origin?.source ?? null,
    change.epoch,
    change.origin?.seq ?? null,
    change.txId,
    change.hlc,
    change.schemaVersion,
    causeCode(change.cause),
    change.tableId,
    CHANGE_OPS.indexOf(change.op),
    change.tenant,
    change.version,
    encodeKey(table, change.key),
    change.before === null ? null : encodeImage(table, change.before),
    change.after === null ? null : encodeImage(table, change.after),
    change.delta === null ? null : toHex(change.delta),
  ]
}
