/** The state machine of strong tables: its commands are transactions. */
import { MeridianError, type ErrorCode } from '../../src/core/errors.ts'
import {
  isColumnGuard,
  isRangeGuard,
  isSqlGuard,
  type ReadCheck,
} from '../../src/core/operations.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { ActiveTables } from './active-tables.ts'
import { CONTROL_VERSION } from './control.ts'
import type { StrongFaults } from './faults.ts'
import type { RowKey } from './leases/read-scope.ts'
import { writeSetOf } from './row-keys.ts'
import type { Failure, StateMachine } from './state-machine.ts'
import { TransactionBatch } from './transaction-batch.ts'
import {
  COLUMN_GUARD_VERSION,
  decodeTransaction,
  encodeTransaction,
  RANGE_GUARD_VERSION,
  SQL_GUARD_VERSION,
  type TransactionCommand,
} from './transaction-codec.ts'

/** Texts of the failures, `{table}` standing for the table's name. */
const TEXTS: Partial<Record<ErrorCode, readonly [message: string, fix?: string]>> = {
  CONFLICT: ["What was read of '{table}' has changed.", 'Run the transaction again.'],
  NOT_FOUND: ["Table '{table}' has no row with this key to update.", 'Insert it, or use `upsert`.'],
  ALREADY_EXISTS: ["Table '{table}' has a row with this key.", 'Use `update` or `upsert`.'],
  CONDITION_FAILED: ["A condition on a row of '{table}' does not hold."],
  CONSTRAINT_VIOLATED: [
    "A value breaks a constraint of '{table}'.",
    'The columns are named in `details`.',
  ],
  INVALID_VALUE: ["An operation does not fit its column in '{table}'."],
  INVALID_ARGUMENT: ['The transaction is malformed.'],
  TRANSACTION_TOO_LARGE: [
    'The rows that the transaction reads or updates are too many or too long.',
    'Split it.',
  ],
  QUERY_REFUSED: [
    "SQL over '{table}' is not of the kind that gives the same in every region.",
    'Read it in the transaction: that says what of it is refused, and why.',
  ],
  QUERY_FAILED: ["SQL over '{table}' fails.", 'Correct it.'],
  TENANT_REQUIRED: ["Table '{table}' is not of the scope that the transaction runs in."],
  SCHEMA_INCOMPATIBLE: [
    "Table '{table}' is not as the writer knows it.",
    'Upgrade the writer to the current schema.',
  ],
}

/** The state machine of one log group of strong tables. */
export class TransactionMachine implements StateMachine<TransactionCommand> {
  readonly version: number
  readonly schemas: ActiveTables
  readonly #schema: CompiledSchema
  readonly #group: string
  readonly #faults: StrongFaults

  /** `faults`: test-only. */
  constructor(schema: CompiledSchema, group: string, faults: StrongFaults = {}) {
    this.#schema = schema
    this.#group = group
    this.#faults = faults
    this.schemas = new ActiveTables(schema, group, faults.activeSchemaIgnored === true)
    this.version = faults.machineVersion ?? CONTROL_VERSION
  }

  leastVersion(command?: TransactionCommand): number {
    if (command?.reads.some(isSqlGuard) === true) return SQL_GUARD_VERSION
    if (command?.reads.some(isColumnGuard) === true) return COLUMN_GUARD_VERSION
    return command?.reads.some(isRangeGuard) === true ? RANGE_GUARD_VERSION : 1
  }

  beginsBatch({ reads }: TransactionCommand): boolean {
    if (this.#faults.sqlGuardInsideBatch === true) return false
    // What is no read is refused when the command is applied.
    return reads.some((read: ReadCheck | undefined) => read !== undefined && isSqlGuard(read))
  }

  encode(command: TransactionCommand): Uint8Array {
    return encodeTransaction(command)
  }

  decode(bytes: Uint8Array): TransactionCommand {
    return decodeTransaction(bytes)
  }

  describe({ tenant, reads, ops }: TransactionCommand): Readonly<Record<string, unknown>> {
    const nameOf = (id: number): string => this.#schema.tableById.get(id)?.name ?? `#${id}`
    const operations = ops.map(({ kind, table }) => `${kind} ${nameOf(table)}`)
    return { tenant, reads: reads.length, operations }
  }

  beginBatch(): TransactionBatch {
    return new TransactionBatch(this.schemas, this.#group, this.#faults)
  }

  writeSet(command: TransactionCommand): readonly RowKey[] | null {
    return writeSetOf(this.#schema, command)
  }

  explain(failure: Failure): MeridianError {
    const table = this.#schema.tableById.get(failure.details['table'] as number)
    const columnIds = (failure.details['columns'] ?? []) as readonly number[]
    const columns = columnIds.map((id) => table?.columnById.get(id)?.name ?? `#${id}`)
    const name = table?.name ?? `#${String(failure.details['table'])}`
    const reads = failure.details['reads'] ?? failure.unstored?.['reads']
    const [message, fix] = TEXTS[failure.code] ?? ["Table '{table}' refused the transaction."]
    return new MeridianError(failure.code, message.replace('{table}', name), {
      ...(fix === undefined ? {} : { fix }),
      details: {
        table: name,
        ...(columns.length === 0 ? {} : { columns }),
        // Places in the transaction's reads: who sent it knows what it read there.
        ...(reads === undefined ? {} : { reads }),
      },
    })
  }
}
