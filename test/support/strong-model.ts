/**
 * The obvious implementation of strong tables: one transaction after the other on a map of rows,
 * copied before each. Shares nothing with the engine but the meaning of cell operations, and the
 * digest of what a range holds.
 */
import type { RowImage } from '../../src/core/change.ts'
import type { ListPredicate } from '../../src/core/list-query.ts'
import {
  isColumnGuard,
  isRangeGuard,
  isSqlGuard,
  type CellCondition,
  type ColumnGuard,
  type RangeGuard,
  type ReadCheck,
  type WriteOp,
} from '../../src/core/operations.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { applyCellOp, conditionHolds } from '../../src/schema/evaluate.ts'
import { columnDigest } from '../../src/session/column-digest.ts'
import { rangeDigest } from '../../src/session/range-digest.ts'
import type { TransactionCommand } from '../../replication/strong/transaction-codec.ts'
import type { LoggedRecord } from './strong-arbitrary.ts'
import { accounts, columnAt, schema, sessions } from './strong-region.ts'
import { knownDigest } from './strong-sql.ts'

interface ModelRow {
  readonly table: CompiledTable
  readonly tenant: string
  readonly id: string
  readonly image: RowImage
  readonly version: string
}

type ReadModelRow = Pick<ModelRow, 'image' | 'version'>

interface Decided {
  readonly index: number
  readonly hash: string
  readonly code: string
}

const UNIQUE = new Map([
  [accounts, columnAt(accounts, 'email')],
  [sessions, columnAt(sessions, 'seat')],
])
const TTL = columnAt(sessions, 'expiresAt')

/** What became of a transaction at its place in the log. */
export interface Decision {
  readonly txId: string
  readonly index: number
  readonly place: number
  /** `OK`, or the code of its refusal. */
  readonly code: string
  /** The places of the reads that were not as they had been, where it is a `CONFLICT`. */
  readonly stale?: readonly number[]
}

class Refused extends Error {
  readonly stale: readonly number[] | undefined

  constructor(code: string, stale?: readonly number[]) {
    super(code)
    this.stale = stale
  }
}

export class SerialModel {
  logTimeMs = 0
  /** In the log's order; what only repeats an answer is left out. */
  readonly decisions: Decision[] = []
  readonly #window: number
  #rows: ModelRow[] = []
  readonly #decided = new Map<string, Decided>()

  constructor(windowRecords: number) {
    this.#window = windowRecords
  }

  apply(index: number, record: LoggedRecord): void {
    this.logTimeMs = Math.max(this.logTimeMs, record.nowMs)
    if (record.kind === 'tick') this.#rows = this.#rows.filter((row) => !this.#expired(row))
    record.commands.forEach((command, place) => this.#command(command, index, place))
  }

  /** Rows as `rowsOf` gives them; `ids`: of these alone. */
  rows(table: CompiledTable, ids?: readonly string[]): SqlRow[] {
    const rows = this.#rows.filter(
      (row) => row.table === table && (ids === undefined || ids.includes(row.id)),
    )
    rows.sort((a, b) => (a.tenant + a.id < b.tenant + b.id ? -1 : 1))
    return rows.map((row) => [row.tenant, ...row.image.map(asBigint), row.version])
  }

  /** Where each remembered transaction was decided. */
  decidedWithin(end: number): [string, number][] {
    return Array.from(this.#decided, ([id, { index }]): [string, number] => [id, index]).filter(
      ([, index]) => end - index <= this.#window,
    )
  }

  /** A row, live or expired. */
  find(table: CompiledTable, tenant: string, id: string): ReadModelRow | undefined {
    return this.#rows.find((r) => r.table === table && r.tenant === tenant && r.id === id)
  }

  /** The live rows of a table. */
  images(table: CompiledTable, tenant: string): readonly RowImage[] {
    return this.#rows
      .filter((row) => row.table === table && row.tenant === tenant && !this.#expired(row))
      .map(({ image }) => image)
  }

  /** How many rows there are, live or expired. */
  size(): number {
    return this.#rows.length
  }

  /** The digest of what a range holds now. */
  digest({ table: id, range }: Omit<RangeGuard, 'digest'>, tenant: string): string {
    const table = tableOf(id)
    const key = columnAt(table, 'id')
    return rangeDigest(
      table,
      this.range(table, range, tenant).map(({ image, version }) => ({
        key: [image[key] ?? null],
        version,
      })),
    )
  }

  /** What columns of a row hold now, as a guard has it. */
  seen({ table: id, key, columns }: Omit<ColumnGuard, 'digest'>, tenant: string): string | null {
    const table = tableOf(id)
    const found = this.#live(table, tenant, key[0] as string)
    return found === undefined ? null : columnDigest(table, columns, found.image)
  }

  /** What a range holds now: the obvious way, over all rows. */
  range(table: CompiledTable, range: RangeGuard['range'], tenant: string): readonly ReadModelRow[] {
    const order = [
      ...range.orderBy,
      { column: columnAt(table, 'id'), descending: range.orderBy.at(-1)?.descending ?? false },
    ]
    const compare = (a: RowImage | readonly SqlValue[], b: readonly SqlValue[]): number => {
      for (const [i, { descending }] of order.entries()) {
        const x = a[i] ?? null
        const y = b[i] ?? null
        if (x === y) continue
        const less = x === null || (y !== null && x < y)
        return less === descending ? 1 : -1
      }
      return 0
    }
    const values = (row: ModelRow): SqlValue[] =>
      order.map(({ column }) => row.image[column] ?? null)
    const { after } = range
    return this.#rows
      .filter((row) => row.table === table && row.tenant === tenant && !this.#expired(row))
      .filter((row) => range.where.every((p) => meets(row.image[p.column] ?? null, p)))
      .filter((row) => after === null || compare(values(row), after) > 0)
      .toSorted((a, b) => compare(values(a), values(b)))
      .slice(0, range.limit)
  }

  #command(command: TransactionCommand, index: number, place: number): void {
    const { txId } = command
    const decide = (code: string, stale?: readonly number[]): void => {
      const named = stale === undefined ? {} : { stale }
      this.decisions.push({ txId, index, place, code, ...named })
    }
    const before = this.#decided.get(command.dedupeId)
    if (before !== undefined && index - before.index <= this.#window) {
      if (before.hash === command.contentHash) return
      if (before.code !== 'CONFLICT') return decide('IDEMPOTENCY_REUSED')
    }
    if (index - command.basis > this.#window) return decide('IDEMPOTENCY_EXPIRED')
    if (command.basis >= index) return decide('POSITION_LOST')
    const saved = [...this.#rows]
    let code = 'OK'
    let stale: readonly number[] | undefined
    try {
      this.#run(command, `${hex(index, 12)}.${hex(place, 4)}`)
    } catch (error) {
      if (!(error instanceof Refused) && !(error instanceof Error && 'code' in error)) throw error
      code = error instanceof Refused ? error.message : String((error as { code?: unknown }).code)
      stale = error instanceof Refused ? error.stale : undefined
      this.#rows = saved
    }
    this.#decided.set(command.dedupeId, { index, hash: command.contentHash, code })
    decide(code, stale)
  }

  #run(command: TransactionCommand, version: string): void {
    const stale = command.reads.flatMap((read, i) => (this.#isStale(read, command) ? [i] : []))
    if (stale.length > 0) throw new Refused('CONFLICT', stale)
    for (const op of command.ops) this.#op(op, command.tenant, version)
  }

  #isStale(read: ReadCheck, { tenant }: TransactionCommand): boolean {
    if (isRangeGuard(read)) return this.digest(read, tenant) !== read.digest
    if (isColumnGuard(read)) return this.seen(read, tenant) !== read.digest
    if (isSqlGuard(read)) {
      return knownDigest(read, this.images(tableOf(read.table), tenant)) !== read.digest
    }
    const found = this.#live(tableOf(read.table), tenant, read.key[0] as string)
    return (found?.version ?? null) !== read.version
  }

  #op(op: WriteOp, tenant: string, version: string): void {
    const table = tableOf(op.table)
    if ('rows' in op) {
      for (const given of op.rows) {
        const id = given[columnAt(table, 'id')] as string
        if (op.kind === 'insert' && this.#live(table, tenant, id))
          throw new Refused('ALREADY_EXISTS')
        this.#put({ table, tenant, id, image: given, version })
      }
      return
    }
    this.#changeExisting(op, table, tenant, version)
  }

  #changeExisting(
    op: Extract<WriteOp, { kind: 'update' | 'delete' }>,
    table: CompiledTable,
    tenant: string,
    version: string,
  ): void {
    const id = op.key[0] as string
    const existing = this.#live(table, tenant, id)
    if (existing === undefined && op.kind === 'update') throw new Refused('NOT_FOUND')
    if (existing === undefined) return
    if (!holds(existing.image, op.conditions)) throw new Refused('CONDITION_FAILED')
    if (!('cells' in op)) {
      this.#rows = this.#rows.filter((row) => row !== existing)
      return
    }
    const image = [...existing.image]
    for (const { column, op: cellOp } of op.cells) {
      image[column] = applyCellOp(table, column, image[column] ?? null, cellOp)
    }
    this.#put({ table, tenant, id, image, version })
  }

  #put(row: ModelRow): void {
    const unique = UNIQUE.get(row.table) as number
    const others = this.#rows.filter(
      (r) => !(r.table === row.table && r.tenant === row.tenant && r.id === row.id),
    )
    const taken = others.find(
      (r) =>
        r.table === row.table &&
        r.tenant === row.tenant &&
        row.image[unique] !== null &&
        r.image[unique] === row.image[unique],
    )
    if (taken !== undefined && !this.#expired(taken)) throw new Refused('CONSTRAINT_VIOLATED')
    this.#rows = [...others.filter((r) => r !== taken), row]
  }

  #live(table: CompiledTable, tenant: string, id: string): ModelRow | undefined {
    const row = this.#rows.find((r) => r.table === table && r.tenant === tenant && r.id === id)
    return row === undefined || this.#expired(row) ? undefined : row
  }

  #expired(row: ModelRow): boolean {
    const instant = row.table === sessions ? (row.image[TTL] ?? null) : null
    return instant !== null && (instant as number) <= this.logTimeMs
  }
}

function holds(image: RowImage, conditions: readonly CellCondition[]): boolean {
  return conditions.every((c) => conditionHolds(image[c.column] ?? null, c))
}

function meets(cell: SqlValue, { op, values }: ListPredicate): boolean {
  if (op === 'in') return values.includes(cell)
  const value = values[0] ?? null
  if (op === '=') return cell === value
  if (op === '!=') return cell !== value
  if (cell === null || value === null) return false
  if (op === '<') return cell < value
  if (op === '<=') return cell <= value
  return op === '>' ? cell > value : cell >= value
}

function tableOf(id: number): CompiledTable {
  return schema.tableById.get(id) as CompiledTable
}

/** Integers come back as bigints from `rowsOf`. */
function asBigint(value: SqlValue): SqlValue {
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0')
}
