/**
 * Optimistic transactions: reads go to where the commit will be judged and are remembered with
 * their versions; writes stay here. `fn` sees its own writes through an overlay.
 */
import { isErrorCode, MeridianError } from '../core/errors.ts'
import type { RowImage } from '../core/change.ts'
import { MAX_TRANSACTION_ATTEMPTS } from '../core/limits.ts'
import type { ReadCheck, WriteOp } from '../core/operations.ts'
import type { SqlValue } from '../core/values.ts'
import type { WireRow } from '../protocol/messages.ts'
import type { CompiledTable, Consistency } from '../schema/compiled.ts'
import { encodeKey } from '../schema/image.ts'
import { applyWrite } from './overlay.ts'
import type { Receipt, Receipted, WriteOptions } from './call.ts'
import type { CallContext } from './connection.ts'
import type { ClientContext } from './context.ts'
import { guardNames } from './guard-names.ts'
import type { ListSpec } from './list.ts'
import type { Sealing } from './sealing.ts'
import { deleteOp, keysOf, publicRow, rowsOp, updateOp, type Row } from './table-operations.ts'

const FIRST_PAUSE_MS = 2
const LAST_PAUSE_MS = 200

/** Which transaction to run. */
export interface TransactionScope {
  readonly tenant: string
  readonly mode: Consistency
  /** The tables that it may touch. */
  readonly tables: readonly CompiledTable[]
}

type Options = Pick<WriteOptions, 'idempotencyKey'> & { readonly maxAttempts?: number }

/** Runs `fn` until it commits. @throws MeridianError `CONFLICT` after the last attempt */
export async function runTransaction<R>(
  context: ClientContext,
  sealing: Sealing,
  scope: TransactionScope,
  fn: (tx: never) => Promise<R> | R,
  call: CallContext,
  options: Options = {},
): Promise<Receipted<R>> {
  const { connection } = context.parts
  const maxAttempts = requireAttempts(options.maxAttempts ?? MAX_TRANSACTION_ATTEMPTS)
  for (let attempt = 1; ; attempt++) {
    const key = options.idempotencyKey
    const transaction = new RunningTransaction(context, sealing, scope, call, key)
    try {
      const value = await fn(transaction.tables() as never)
      return { value, receipt: await transaction.commit() }
    } catch (error) {
      if (!isErrorCode(error, 'CONFLICT') || attempt >= maxAttempts) throw error
    } finally {
      transaction.close()
    }
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LAST_PAUSE_MS)
    await connection.pause(pauseMs * connection.runtime.random.fraction())
  }
}

function requireAttempts(maxAttempts: number): number {
  if (Number.isInteger(maxAttempts) && maxAttempts >= 1) return maxAttempts
  throw new MeridianError('INVALID_ARGUMENT', `The option \`maxAttempts\` is ${maxAttempts}.`, {
    fix: 'Give a whole number of at least 1.',
  })
}

/** A row that the transaction has read, decrypted. */
interface SeenRow {
  readonly version: string | null
  readonly image: RowImage | undefined
}

class RunningTransaction {
  readonly #context: ClientContext
  readonly #sealing: Sealing
  readonly #scope: TransactionScope
  readonly #call: CallContext
  readonly #idempotencyKey: string | undefined
  readonly #seen = new Map<string, SeenRow>()
  readonly #reads: ReadCheck[] = []
  readonly #ops: WriteOp[] = []
  #lastReceipt: Receipt | undefined
  #closed = false

  constructor(
    context: ClientContext,
    sealing: Sealing,
    scope: TransactionScope,
    call: CallContext,
    idempotencyKey: string | undefined,
  ) {
    this.#context = context
    this.#sealing = sealing
    this.#scope = scope
    this.#call = call
    this.#idempotencyKey = idempotencyKey
  }

  tables(): Readonly<Record<string, object>> {
    const { mode, tables } = this.#scope
    const handles = tables.map((table) => [table.name, new TransactionTableCalls(this, table)])
    const members = Object.fromEntries(handles) as Record<string, object>
    return guardNames(members, (name) => {
      const known = this.#context.parts.schema.tableByName.get(name)
      const problem =
        known === undefined ? 'does not exist' : `is ${known.consistency}, of ${known.scope} scope`
      return new MeridianError(
        known === undefined ? 'UNKNOWN_TABLE' : 'MODE_MISMATCH',
        `The table \`${name}\` ${problem}.`,
        { fix: `This ${mode} transaction can touch: ${tables.map((t) => t.name).join(', ')}.` },
      )
    })
  }

  close(): void {
    this.#closed = true
  }

  /** Adds a write. It reaches nobody before the commit. */
  write(op: WriteOp): void {
    this.#requireOpen()
    this.#ops.push(op)
  }

  /** The rows as this transaction sees them: as they were read, under its own writes. */
  async read(
    table: CompiledTable,
    keys: readonly (readonly SqlValue[])[],
  ): Promise<(RowImage | undefined)[]> {
    this.#requireOpen()
    const ids = keys.map((key) => `${table.id}:${encodeKey(table, key)}`)
    const missing = keys.filter((_, i) => !this.#seen.has(ids[i] as string))
    if (missing.length > 0) await this.#fetch(table, missing)
    return keys.map((key, i) => {
      const stored = this.#seen.get(ids[i] as string)?.image
      return this.#ops.reduce<RowImage | undefined>(
        (image, op) => (op.table === table.id ? applyWrite(table, key, image, op) : image),
        stored,
      )
    })
  }

  async commit(): Promise<Receipt> {
    this.#requireOpen()
    const { tenant, mode } = this.#scope
    if (this.#ops.length === 0 && this.#reads.length === 0) return this.#emptyReceipt()
    const ops = this.#ops
    const { receipt } = await this.#context.commit(
      {
        tenant,
        mode,
        reads: this.#reads,
        ops: await this.#sealing.seal(tenant, ops),
        content: () => this.#sealing.fingerprint(tenant, ops),
      },
      this.#call,
      this.#idempotencyKey,
    )
    return receipt
  }

  async #fetch(table: CompiledTable, keys: readonly (readonly SqlValue[])[]): Promise<void> {
    // Pinned rows are read where they are judged; a log judges a local snapshot.
    const { tenant, mode } = this.#scope
    const consistency = mode === 'pinned' ? 'strong' : 'session'
    const { value, receipt } = await this.#context.read(
      tenant,
      this.#call,
      consistency,
      (level) => ({ kind: 'get', table: table.id, tenant, keys, level }),
    )
    this.#lastReceipt = receipt
    const present = value.rows.filter((row) => row !== null)
    const images = await this.#sealing.open(
      this.#scope.tenant,
      table,
      present.map((row) => row.image),
    )
    let at = 0
    keys.forEach((key, i) => {
      const row = value.rows[i] as WireRow
      const version = row?.version ?? null
      const image = row === null ? undefined : images[at++]
      this.#seen.set(`${table.id}:${encodeKey(table, key)}`, { version, image })
      this.#reads.push({ table: table.id, key, version })
    })
  }

  #emptyReceipt(): Receipt {
    return (
      this.#lastReceipt ?? {
        level: 'stale',
        region: this.#context.parts.connection.region,
        source: 'home',
        stalenessMs: null,
        crossRegionRoundTrips: 0,
        requests: 0,
      }
    )
  }

  #requireOpen(): void {
    if (!this.#closed) return
    throw new MeridianError('TRANSACTION_CLOSED', 'The transaction is over.', {
      fix: 'Await every call inside the function that `transaction` runs.',
    })
  }
}

/** The untyped handle; `TransactionTable` in `types.ts` is its typed face. */
class TransactionTableCalls {
  readonly #transaction: RunningTransaction
  readonly #table: CompiledTable

  constructor(transaction: RunningTransaction, table: CompiledTable) {
    this.#transaction = transaction
    this.#table = table
  }

  async get(key: unknown): Promise<Row | undefined> {
    const [row] = await this.getMany([key])
    return row
  }

  async getMany(keys: readonly unknown[]): Promise<readonly (Row | undefined)[]> {
    const images = await this.#transaction.read(this.#table, keysOf(this.#table, keys))
    return images.map((image) => (image === undefined ? undefined : publicRow(this.#table, image)))
  }

  insert(row: Row): void {
    this.insertMany([row])
  }

  insertMany(rows: readonly Row[]): void {
    this.#transaction.write(rowsOp(this.#table, 'insert', rows))
  }

  upsert(row: Row): void {
    this.#transaction.write(rowsOp(this.#table, 'upsert', [row]))
  }

  update(key: unknown, changes: Row, options?: { readonly if?: ListSpec['where'] }): void {
    this.#transaction.write(updateOp(this.#table, key, changes, options?.if))
  }

  delete(key: unknown, options?: { readonly if?: ListSpec['where'] }): void {
    this.#transaction.write(deleteOp(this.#table, key, options?.if))
  }
}
