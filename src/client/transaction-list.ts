/** Lists within a transaction: what is stored, under the transaction's own writes. Pure. */
import type { RowImage } from '../core/change.ts'
import type { ListOrder } from '../core/list-query.ts'
import type { WriteOp } from '../core/operations.ts'
import type { SqlValue } from '../core/values.ts'
import type { CompiledTable } from '../schema/compiled.ts'
import { encodeKey } from '../schema/image.ts'
import { compareInOrder, meetsAll, orderValues, rangeOrder } from '../schema/range.ts'
import { keyOfImage } from '../schema/rows.ts'
import type { PreparedList } from './list.ts'
import { applyWrite } from './overlay.ts'

/** A row that the transaction's writes touch, as they leave it; undefined: deleted or absent. */
type OwnRows = ReadonlyMap<string, RowImage | undefined>

/** A row as it is stored, decrypted. */
export interface StoredImage {
  readonly image: RowImage
  readonly version: string
}

/** What a list is made of. */
interface ListParts {
  readonly table: CompiledTable
  readonly list: PreparedList
  /** The first rows of the range as they are stored, in its order. */
  readonly stored: readonly StoredImage[]
  /** Whether more are stored behind them. */
  readonly more: boolean
  readonly own: OwnRows
  /** Whether a row has the values that encrypted columns were asked for. */
  readonly matches: (image: RowImage) => boolean
}

/** A page, and what the transaction must find again for it to hold. */
export interface TransactionPage {
  readonly images: readonly RowImage[]
  /** Order values of where the next page begins; null: the range ends with this one. */
  readonly end: readonly SqlValue[] | null
  /**
   * The first so many stored rows of the range are what the page depends on. Where that is more
   * than were stored, it depends on there being no more.
   */
  readonly guarded: number
}

/** Merges stored rows with own ones. A full page has an end, whether or not more rows follow. */
export function mergePage(parts: ListParts): TransactionPage {
  const { table, list, stored, more, own } = parts
  const order = rangeOrder(table, list.orderBy)
  const lastStored = stored.at(-1)
  const horizon =
    more && lastStored !== undefined ? orderValues(order, lastStored.image) : undefined
  const untouched = stored
    .map(({ image }) => image)
    .filter((image) => !own.has(encodeKey(table, keyOfImage(table, image))))
    .filter(parts.matches)
  const images = [...untouched, ...ownWithin(parts, order, horizon)]
    .toSorted((a, b) => compareInOrder(order, orderValues(order, a), orderValues(order, b)))
    .slice(0, list.limit)
  const last = images.length === list.limit ? images.at(-1) : undefined
  const end = last === undefined ? horizon : orderValues(order, last)
  return { images, end: end ?? null, guarded: guardedBy(order, stored, end) }
}

function ownWithin(
  { list, own, matches }: ListParts,
  order: readonly ListOrder[],
  horizon: readonly SqlValue[] | undefined,
): RowImage[] {
  const isWithin = (image: RowImage): boolean => {
    const values = orderValues(order, image)
    const isBehind = list.after === null || compareInOrder(order, values, list.after) > 0
    return isBehind && (horizon === undefined || compareInOrder(order, values, horizon) <= 0)
  }
  return [...own.values()].filter(
    (image): image is RowImage =>
      image !== undefined && meetsAll(image, list.where) && matches(image) && isWithin(image),
  )
}

/**
 * The stored rows up to `end`, and the one behind where no stored row is at `end` itself: a row
 * that others put before `end` must not go unnoticed.
 */
function guardedBy(
  order: readonly ListOrder[],
  stored: readonly StoredImage[],
  end: readonly SqlValue[] | undefined,
): number {
  if (end === undefined) return stored.length + 1
  const compared = stored.map(({ image }) => compareInOrder(order, orderValues(order, image), end))
  const before = compared.filter((c) => c <= 0).length
  return compared[before - 1] === 0 ? before : before + 1
}

/** The keys that the writes update without saying what the whole row is. */
export function updatedKeys(
  table: CompiledTable,
  ops: readonly WriteOp[],
): readonly (readonly SqlValue[])[] {
  const known = new Set<string>()
  const updated = new Map<string, readonly SqlValue[]>()
  for (const op of ops) {
    if (op.table !== table.id) continue
    for (const key of keysOfOp(table, op)) {
      const id = encodeKey(table, key)
      if (op.kind !== 'update') known.add(id)
      else if (!known.has(id)) updated.set(id, key)
    }
  }
  return [...updated.values()]
}

/** What the writes make of the rows that they touch. `stored`: of a key of `updatedKeys`. */
export function ownRows(
  table: CompiledTable,
  ops: readonly WriteOp[],
  stored: (key: readonly SqlValue[]) => RowImage | undefined,
): OwnRows {
  const own = new Map<string, RowImage | undefined>()
  for (const op of ops) {
    if (op.table !== table.id) continue
    if ('rows' in op) {
      for (const row of op.rows) own.set(encodeKey(table, keyOfImage(table, row)), row)
      continue
    }
    const id = encodeKey(table, op.key)
    const before = own.has(id) || op.kind === 'delete' ? own.get(id) : stored(op.key)
    own.set(id, applyWrite(table, op.key, before, op))
  }
  return own
}

function keysOfOp(table: CompiledTable, op: WriteOp): readonly (readonly SqlValue[])[] {
  return 'rows' in op ? op.rows.map((row) => keyOfImage(table, row)) : [op.key]
}
