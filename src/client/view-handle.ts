/** Materialized views, as users read them. */
import { MeridianError } from '../core/errors.ts'
import { MAX_PAGE_ROWS } from '../core/limits.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledView } from '../schema/compiled.ts'
import { toStored } from '../schema/convert.ts'
import { viewColumns } from '../schema/view-columns.ts'
import { asCall, type Call, type ReadOptions, type Receipt, type Receipted } from './call.ts'
import type { ClientContext } from './context.ts'
import { namedRow } from './queries.ts'
import type { Sealing } from './sealing.ts'
import type { Row } from './table-operations.ts'

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

  list(options: ReadOptions & { readonly limit?: number } = {}): Call<readonly Row[]> {
    const limit = options.limit ?? MAX_PAGE_ROWS
    return asCall(this.#read([], limit, options))
  }

  get(group: Row, options?: ReadOptions): Call<Row | undefined> {
    return asCall(
      this.#getGroup(group, options).then(({ value, receipt }) => ({ value: value[0], receipt })),
    )
  }

  async #getGroup(group: Row, options?: ReadOptions): Promise<Receipted<readonly Row[]>> {
    const { shape, source, name } = this.#view
    if (shape.kind !== 'group') {
      throw new MeridianError('INVALID_ARGUMENT', `The view \`${name}\` is not grouped.`, {
        fix: 'Use `list()`.',
      })
    }
    const prefix = shape.groupBy.map((id) => {
      const column = source.columnById.get(id)
      if (column === undefined) throw new MeridianError('INTERNAL', `No column ${id}.`)
      return toStored(source, column, group[column.name])
    })
    return this.#read(prefix, 1, options)
  }

  async #read(
    prefix: readonly SqlValue[],
    limit: number,
    options: ReadOptions | undefined,
  ): Promise<{ value: readonly Row[]; receipt: Receipt }> {
    const { value, receipt } = await this.#context.read(this.#tenant, options, (level) => ({
      kind: 'view',
      view: this.#view.id,
      tenant: this.#tenant,
      prefix,
      limit,
      level,
    }))
    const columns = viewColumns(this.#view)
    const sources = columns.map((column) => column.source ?? undefined)
    const rows = await this.#sealing.openRows(this.#tenant, value.rows, sources)
    const names = columns.map((column) => column.name)
    return { value: rows.map((row) => namedRow(names, row)), receipt }
  }
}
