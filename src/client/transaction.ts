/**
 * Optimistic transactions: reads go to where the commit will be judged and are remembered with
 * their versions; writes stay here. `fn` sees its own writes through an overlay.
 */
import { isErrorCode, MeridianError } from '../core/errors.ts'
import type { RowImage } from '../core/change.ts'
import { MAX_GUARDED_ROWS, MAX_TRANSACTION_ATTEMPTS } from '../core/limits.ts'
import type { ListPredicate, ListQuery } from '../core/list-query.ts'
import { guardedRows, type WriteOp } from '../core/operations.ts'
import type { SqlValue } from '../core/values.ts'
import type { WireRow } from '../protocol/messages.ts'
import type { CompiledTable, Consistency } from '../schema/compiled.ts'
import { keyOfImage } from '../schema/rows.ts'
import { rangeDigest, type VersionedKey } from '../session/range-digest.ts'
import { applyWrite, withinColumns } from './overlay.ts'
import { unaskedReceipt, type Receipt, type Receipted, type WriteOptions } from './call.ts'
import type { CallContext } from './connection.ts'
import type { ClientContext } from './context.ts'
import { guardNames } from './guard-names.ts'
import { prepareList, writeCursor, type EncryptedMatch, type ListSpec } from './list.ts'
import type { Sealing } from './sealing.ts'
import { SeenRows, type ReadColumns, type ReadRow } from './seen-rows.ts'
import {
  columnsOf,
  deleteOp,
  keysOf,
  pickColumns,
  publicRow,
  rowsOp,
  updateOp,
  type ColumnOptions,
  type Row,
} from './table-operations.ts'
import {
  columnsRefused,
  listRefused,
  requireAttempts,
  tooManyRows,
  transactionOver,
} from './transaction-refusals.ts'
import { exhausted, ReadSet, type Conflict } from './transaction-conflicts.ts'
import { queryWithin } from './transaction-query.ts'
import type { Compilable } from './types.ts'
import { mergePage, ownRows, updatedKeys, type StoredImage } from './transaction-list.ts'

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

/**
 * Runs `fn` until it commits.
 *
 * @throws MeridianError `CONFLICT` after the last attempt, with `attempts` and `conflicts` in its
 * `details`
 */
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
      if (!isErrorCode(error, 'CONFLICT')) throw error
      if (attempt >= maxAttempts) throw exhausted(error, attempt, transaction.conflictsOf(error))
    } finally {
      transaction.close()
    }
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LAST_PAUSE_MS)
    await connection.pause(pauseMs * connection.runtime.random.fraction())
  }
}

/** A row that is there. */
type PresentRow = ReadRow & StoredImage

/** What a list within a transaction gives. */
interface TransactionRows {
  readonly rows: readonly Row[]
  readonly cursor: string | null
}

/** Rows that a log will judge are read from what this region has applied of it. */
const SNAPSHOT = 'session'

class RunningTransaction {
  readonly #context: ClientContext
  readonly #sealing: Sealing
  readonly #scope: TransactionScope
  readonly #call: CallContext
  readonly #idempotencyKey: string | undefined
  readonly #reads: ReadSet
  readonly #seen: SeenRows
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
    this.#reads = new ReadSet(context.parts.schema)
    this.#seen = new SeenRows(this.#reads)
  }

  tables(): Readonly<Record<string, object>> {
    const { mode, tables } = this.#scope
    const handles = tables.map((table) => [table.name, new TransactionTableCalls(this, table)])
    const query = (build: (q: never) => Compilable<unknown>): Promise<readonly Row[]> =>
      this.query(build)
    const members = { ...Object.fromEntries(handles), query } as Record<string, object>
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

  /**
   * The rows as this transaction sees them: as they were read, under its own writes. Nothing but
   * `columns` of them may have changed at the commit; what else the images hold means nothing.
   */
  async read(
    table: CompiledTable,
    keys: readonly (readonly SqlValue[])[],
    columns: ReadColumns = 'all',
  ): Promise<(RowImage | undefined)[]> {
    this.#requireOpen()
    const { mode } = this.#scope
    if (columns !== 'all' && mode !== 'strong') throw columnsRefused(mode, table)
    await this.#fetchMissing(table, keys, columns)
    const ops = this.#ops
      .filter((op) => op.table === table.id)
      .map((op) => (columns === 'all' ? op : withinColumns(op, columns)))
    return keys.map((key) =>
      ops.reduce<RowImage | undefined>(
        (image, op) => applyWrite(table, key, image, op),
        this.#seen.image(table, key),
      ),
    )
  }

  /** A page of a range as this transaction sees it. Nothing may have changed in it at the commit. */
  async list(table: CompiledTable, spec: ListSpec): Promise<TransactionRows> {
    this.#requireOpen()
    const { tenant, mode } = this.#scope
    if (mode !== 'strong') throw listRefused(mode, table)
    const list = prepareList(table, spec)
    await this.#fetchMissing(table, updatedKeys(table, this.#ops), 'all')
    const own = ownRows(table, this.#ops, (key) => this.#seen.image(table, key))
    const where = [...list.where, ...(await this.#blindPredicates(table, list.matches))]
    const left = MAX_GUARDED_ROWS - guardedRows(this.#reads.checks)
    // Own deletes and moves leave room for so many stored rows more.
    const limit = Math.min(list.limit + own.size, left + 1)
    const query = { where, orderBy: list.orderBy, after: list.after, limit }
    const { value, receipt } = await this.#context.read<'list'>(
      tenant,
      this.#call,
      SNAPSHOT,
      (level) => ({ kind: 'list', table: table.id, tenant, query, level }),
    )
    this.#requireOpen()
    this.#lastReceipt = receipt
    const stored = await this.#openRows(table, value.rows)
    const matches = (image: RowImage): boolean => this.#sealing.matches(table, image, list.matches)
    const page = mergePage({ table, list, stored, more: value.more, own, matches })
    this.#guard(table, { ...query, limit: page.guarded }, stored.slice(0, page.guarded), spec)
    return {
      rows: page.images.map((image) => publicRow(table, image)),
      cursor: page.end === null ? null : writeCursor(table, list.orderBy, page.end),
    }
  }

  /** Rows of SQL over what is stored. The same SQL must give the same at the commit. */
  async query(build: (q: never) => Compilable<unknown>): Promise<readonly Row[]> {
    this.#requireOpen()
    const { value, receipt } = await queryWithin(
      {
        ...this.#scope,
        context: this.#context,
        sealing: this.#sealing,
        call: this.#call,
        reads: this.#reads.checks,
        ops: this.#ops,
      },
      build,
    )
    this.#requireOpen()
    this.#lastReceipt = receipt
    this.#reads.add(value.guard)
    return value.rows
  }

  /** What of its reads this transaction failed over. */
  conflictsOf(error: MeridianError): readonly Conflict[] {
    return this.#reads.conflictsOf(error)
  }

  async commit(): Promise<Receipt> {
    this.#requireOpen()
    const { tenant, mode } = this.#scope
    if (this.#ops.length === 0 && this.#reads.checks.length === 0) return this.#emptyReceipt()
    const ops = this.#ops
    const { receipt } = await this.#context.commit(
      {
        tenant,
        mode,
        reads: this.#reads.checks,
        ops: await this.#sealing.seal(tenant, ops),
        content: () => this.#sealing.fingerprint(tenant, ops),
      },
      this.#call,
      this.#idempotencyKey,
    )
    return receipt
  }

  async #fetchMissing(
    table: CompiledTable,
    keys: readonly (readonly SqlValue[])[],
    columns: ReadColumns,
  ): Promise<void> {
    const missing = keys.filter((key) => !this.#seen.has(table, key))
    if (missing.length > 0) await this.#fetch(table, missing)
    for (const key of keys) this.#seen.depend(table, key, columns)
  }

  async #fetch(table: CompiledTable, keys: readonly (readonly SqlValue[])[]): Promise<void> {
    // Pinned rows are read where they are judged; a log judges a local snapshot.
    const { tenant, mode } = this.#scope
    const consistency = mode === 'pinned' ? 'strong' : SNAPSHOT
    const { value, receipt } = await this.#context.read(
      tenant,
      this.#call,
      consistency,
      (level) => ({ kind: 'get', table: table.id, tenant, keys, level }),
    )
    this.#lastReceipt = receipt
    const present = await this.#openRows(table, value.rows)
    let at = 0
    keys.forEach((key, i) => {
      const row = value.rows[i] === null ? ABSENT : (present[at++] as PresentRow)
      // Another call of this transaction may have read it meanwhile: that one stays.
      if (!this.#seen.has(table, key)) this.#seen.fetched(table, key, row)
    })
  }

  /** The rows that are there, decrypted. */
  async #openRows(table: CompiledTable, rows: readonly WireRow[]): Promise<PresentRow[]> {
    const present = rows.filter((row) => row !== null)
    const images = await this.#sealing.open(
      this.#scope.tenant,
      table,
      present.map((row) => row.image),
    )
    return present.map(({ version, image: stored }, i) => {
      return { version, image: images[i] as RowImage, stored }
    })
  }

  async #blindPredicates(
    table: CompiledTable,
    matches: readonly EncryptedMatch[],
  ): Promise<readonly ListPredicate[]> {
    if (matches.length === 0) return []
    return this.#sealing.blindPredicates(this.#scope.tenant, table, matches)
  }

  /** Remembers a range with what it held; what it held is read. */
  #guard(
    table: CompiledTable,
    range: ListQuery,
    stored: readonly PresentRow[],
    spec: ListSpec,
  ): void {
    const rows: VersionedKey[] = []
    for (const row of stored) {
      const key = keyOfImage(table, row.image)
      if (!this.#seen.agrees(table, key, row)) throw this.#changed(table, key)
      rows.push({ key, version: row.version })
    }
    const total = guardedRows(this.#reads.checks) + range.limit
    if (total > MAX_GUARDED_ROWS) throw tooManyRows(table)
    stored.forEach((row, i) => this.#seen.listed(table, (rows[i] as VersionedKey).key, row))
    this.#reads.add({ table: table.id, range, digest: rangeDigest(table, rows) }, spec)
  }

  #changed(table: CompiledTable, key: readonly SqlValue[]): MeridianError {
    const place = this.#seen.placeOf(table, key)
    return new MeridianError('CONFLICT', `What was read of '${table.name}' has changed.`, {
      fix: 'Run the transaction again.',
      details: { table: table.name, ...(place === undefined ? {} : { reads: [place] }) },
    })
  }

  #emptyReceipt(): Receipt {
    return this.#lastReceipt ?? unaskedReceipt(this.#context.parts.connection.region)
  }

  #requireOpen(): void {
    if (this.#closed) throw transactionOver()
  }
}

const ABSENT: ReadRow = { version: null, image: undefined, stored: undefined }

/** The untyped handle; `TransactionTable` in `types.ts` is its typed face. */
class TransactionTableCalls {
  readonly #transaction: RunningTransaction
  readonly #table: CompiledTable

  constructor(transaction: RunningTransaction, table: CompiledTable) {
    this.#transaction = transaction
    this.#table = table
  }

  async get(key: unknown, options?: ColumnOptions): Promise<Row | undefined> {
    const [row] = await this.getMany([key], options)
    return row
  }

  async getMany(
    keys: readonly unknown[],
    options?: ColumnOptions,
  ): Promise<readonly (Row | undefined)[]> {
    const table = this.#table
    const columns = columnsOf(table, options)
    const images = await this.#transaction.read(table, keysOf(table, keys), columns?.places)
    return images.map((image) => image && pickColumns(publicRow(table, image), columns?.names))
  }

  list(spec: ListSpec = {}): Promise<TransactionRows> {
    return this.#transaction.list(this.#table, spec)
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
