/** Materialized views, as users read them. */
import { MeridianError } from '../core/errors.ts'
import { MAX_PAGE_ROWS } from '../core/limits.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledColumn, CompiledView } from '../schema/compiled.ts'
import { toStored } from '../schema/convert.ts'
import { viewColumns } from '../schema/view-columns.ts'
import { asCall, type Call, type ReadOptions, type Receipted } from './call.ts'
import type { CallContext } from './connection.ts'
import type { ClientContext } from './context.ts'
import { namedRow } from './queries.ts'
import type { Sealing } from './sealing.ts'
import type { Row } from './table-operations.ts'

type ListOptions = ReadOptions & { readonly limit?: number }

/** The untyped handle; `ViewHandle` in `types.ts` is its typed face. */
export class ViewCalls {
  readonly #context: ClientContext
  readonly #sealing: Sealing
  readonly #view: CompiledView
  readonly #tenant: string

  constructor(context: ClientContext, sealing: Sealing, view: CompiledView, tenant: string) {
    this.#context = context
    this.#sealing = sealing
    this.#view = view
    this.#tenant = tenant
  }

  list(options: ListOptions = {}): Call<readonly Row[]> {
    return asCall(this.#context.run('view.list', options, (call) => this.#list(call, options)))
  }

  get(group: Row, options?: ReadOptions): Call<Row | undefined> {
    return asCall(
      this.#context.run('view.get', options, async (call) => {
        const prefix = this.#groupKey(group)
        const { value, receipt } = await this.#read(prefix, 1, call, options?.consistency)
        return { value: value.rows[0], receipt }
      }),
    )
  }

  async #list(call: CallContext, options: ListOptions): Promise<Receipted<readonly Row[]>> {
    const { limit = MAX_PAGE_ROWS, consistency } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE_ROWS) {
      throw new MeridianError('INVALID_ARGUMENT', `The limit ${limit} is out of range.`, {
        fix: `Give 1 to ${MAX_PAGE_ROWS}.`,
      })
    }
    const { value, receipt } = await this.#read([], limit, call, consistency)
    if (value.more && options.limit === undefined) {
      throw new MeridianError(
        'RESULT_TOO_LARGE',
        `The view \`${this.#view.name}\` has more than ${MAX_PAGE_ROWS} rows.`,
        { fix: 'Give a `limit`, get one group, or read it with `query()`.' },
      )
    }
    return { value: value.rows, receipt }
  }

  /** The stored values of the group columns. */
  #groupKey(group: Row): readonly SqlValue[] {
    const { shape, source, name } = this.#view
    if (shape.kind !== 'group') {
      throw new MeridianError('INVALID_ARGUMENT', `The view \`${name}\` is not grouped.`, {
        fix: 'Use `list()`.',
      })
    }
    const columns = shape.groupBy.map((id) => source.columnById.get(id) as CompiledColumn)
    const known = columns.map((column) => column.name)
    const unknown = Object.keys(group ?? {}).find((key) => !known.includes(key))
    if (typeof group !== 'object' || group === null || unknown !== undefined) {
      throw new MeridianError('INVALID_ARGUMENT', `That is no group of the view \`${name}\`.`, {
        fix: `Give an object with: ${known.join(', ')}.`,
      })
    }
    return columns.map((column) => toStored(source, column, group[column.name]))
  }

  async #read(
    prefix: readonly SqlValue[],
    limit: number,
    call: CallContext,
    consistency: ReadOptions['consistency'],
  ): Promise<Receipted<{ readonly rows: readonly Row[]; readonly more: boolean }>> {
    const view = this.#view.id
    const tenant = this.#tenant
    const { value, receipt } = await this.#context.read(tenant, call, consistency, (level) => ({
      kind: 'view',
      view,
      tenant,
      prefix,
      limit,
      level,
    }))
    const columns = viewColumns(this.#view)
    const sources = columns.map((column) => column.source ?? undefined)
    const rows = await this.#sealing.openRows(tenant, value.rows, sources)
    const names = columns.map((column) => column.name)
    return {
      value: { rows: rows.map((row) => namedRow(names, row)), more: value.more },
      receipt,
    }
  }
}
