/** A table of one tenant, or of the global scope, as users call it. */
import { MeridianError } from '../core/errors.ts'
import type { WriteOp } from '../core/operations.ts'
import { MAX_OPERATIONS } from '../core/limits.ts'
import type { RowImage } from '../core/change.ts'
import type { WireRow } from '../protocol/messages.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { cursorAfter } from '../sql/select.ts'
import { asCall, type Call, type ReadOptions, type Receipted, type WriteOptions } from './call.ts'
import type { CallContext } from './connection.ts'
import type { ClientContext, CommittedDraft } from './context.ts'
import { prepareList, writeCursor, type ListSpec } from './list.ts'
import type { Sealing } from './sealing.ts'
import { deleteOp, keysOf, publicRow, rowsOp, updateOp, type Row } from './table-operations.ts'

type ListOptions = ReadOptions & ListSpec
type ConditionOptions = WriteOptions & { readonly if?: ListSpec['where'] }

/** The untyped handle; `TableHandle` in `types.ts` is its typed face. */
export class TableCalls {
  readonly #context: ClientContext
  readonly #sealing: Sealing
  readonly #table: CompiledTable
  readonly #tenant: string

  constructor(context: ClientContext, sealing: Sealing, table: CompiledTable, tenant: string) {
    this.#context = context
    this.#sealing = sealing
    this.#table = table
    this.#tenant = tenant
  }

  get(key: unknown, options?: ReadOptions): Call<Row | undefined> {
    return asCall(
      this.#context.run('get', options, async (call) => {
        const { value, receipt } = await this.#getMany([key], call, options)
        return { value: value[0], receipt }
      }),
    )
  }

  getMany(keys: readonly unknown[], options?: ReadOptions): Call<readonly (Row | undefined)[]> {
    return asCall(
      this.#context.run('getMany', options, (call) => this.#getMany(keys, call, options)),
    )
  }

  list(options: ListOptions = {}): Call<{ rows: readonly Row[]; cursor: string | null }> {
    return asCall(this.#context.run('list', options, (call) => this.#list(call, options)))
  }

  insert(row: Row, options?: WriteOptions): Call<void> {
    return this.#writeRows('insert', () => [row], options)
  }

  insertMany(rows: readonly Row[], options?: WriteOptions): Call<void> {
    return this.#writeRows('insert', () => requireRows(rows), options)
  }

  upsert(row: Row, options?: WriteOptions): Call<void> {
    return this.#writeRows('upsert', () => [row], options)
  }

  update(key: unknown, changes: Row, options?: ConditionOptions): Call<Row> {
    return asCall(
      this.#context.run('update', options, async (call) => {
        const op = updateOp(this.#table, key, changes, options?.if)
        const { updated, receipt } = await this.#commit(op, call, options)
        const [image] = await this.#sealing.open(this.#tenant, this.#table, updated)
        return { value: publicRow(this.#table, image as RowImage), receipt }
      }),
    )
  }

  delete(key: unknown, options?: ConditionOptions): Call<void> {
    return asCall(
      this.#context.run('delete', options, async (call) => {
        const op = deleteOp(this.#table, key, options?.if)
        const { receipt } = await this.#commit(op, call, options)
        return { value: undefined, receipt }
      }),
    )
  }

  async #getMany(
    keys: readonly unknown[],
    call: CallContext,
    options: ReadOptions | undefined,
  ): Promise<Receipted<readonly (Row | undefined)[]>> {
    const table = this.#table
    if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_OPERATIONS) {
      throw new MeridianError(
        'INVALID_ARGUMENT',
        'The keys are not a list of a permitted length.',
        {
          fix: `Give 1 to ${MAX_OPERATIONS} keys.`,
        },
      )
    }
    const stored = keysOf(table, keys)
    const { value, receipt } = await this.#context.read(
      this.#tenant,
      call,
      options?.consistency,
      (level) => ({ kind: 'get', table: table.id, tenant: this.#tenant, keys: stored, level }),
    )
    return { value: await this.#open(value.rows), receipt }
  }

  async #list(
    call: CallContext,
    options: ListOptions,
  ): Promise<Receipted<{ rows: readonly Row[]; cursor: string | null }>> {
    const table = this.#table
    const tenant = this.#tenant
    const list = prepareList(table, options)
    const blind = await this.#sealing.blindPredicates(tenant, table, list.matches)
    const { orderBy, limit, after } = list
    const query = { where: [...list.where, ...blind], orderBy, limit, after }
    const { value, receipt } = await this.#context.read(
      tenant,
      call,
      options.consistency,
      (level) => ({ kind: 'list', table: table.id, tenant, query, level }),
    )
    const images = await this.#openImages(value.rows)
    // A blind index may collide: the plaintext decides.
    const found = images.filter((image) => this.#sealing.matches(table, image, list.matches))
    const last = images.at(-1)
    const cursor =
      value.more && last !== undefined
        ? writeCursor(table, orderBy, cursorAfter(table, orderBy, last))
        : null
    return { value: { rows: found.map((image) => publicRow(table, image)), cursor }, receipt }
  }

  #writeRows(
    kind: 'insert' | 'upsert',
    rows: () => readonly Row[],
    options: WriteOptions | undefined,
  ): Call<void> {
    return asCall(
      this.#context.run(kind, options, async (call) => {
        const { receipt } = await this.#commit(rowsOp(this.#table, kind, rows()), call, options)
        return { value: undefined, receipt }
      }),
    )
  }

  async #commit(
    op: WriteOp,
    call: CallContext,
    options: WriteOptions | undefined,
  ): Promise<CommittedDraft> {
    const ops = [op]
    const draft = {
      tenant: this.#tenant,
      mode: this.#table.consistency,
      reads: [],
      ops: await this.#sealing.seal(this.#tenant, ops),
      content: () => this.#sealing.fingerprint(this.#tenant, ops),
    }
    return this.#context.commit(draft, call, options?.idempotencyKey)
  }

  async #open(rows: readonly WireRow[]): Promise<(Row | undefined)[]> {
    const images = await this.#openImages(rows)
    let at = 0
    return rows.map((row) =>
      row === null ? undefined : publicRow(this.#table, images[at++] as RowImage),
    )
  }

  #openImages(rows: readonly WireRow[]): Promise<readonly RowImage[]> | readonly RowImage[] {
    const images = rows.filter((row) => row !== null).map((row) => row.image)
    return this.#sealing.open(this.#tenant, this.#table, images)
  }
}

function requireRows(rows: readonly Row[]): readonly Row[] {
  if (Array.isArray(rows) && rows.length > 0) return rows
  throw new MeridianError('INVALID_ARGUMENT', 'There are no rows to write.', {
    fix: `Give a list of 1 to ${MAX_OPERATIONS} rows.`,
  })
}
