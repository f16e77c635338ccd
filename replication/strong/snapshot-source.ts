/**
 * What a region sends of a log group's state, in parts that together are the state at one index. It
 * holds no snapshot of its store open, however long a slow reader takes, and stops no writer for
 * more than one read: pages are read as the state moves on, and what moves on in them is sent after
 * them (Andreakis and Papapanagiotou, "DBLog: A Watermark Based Change-Data-Capture Framework",
 * 2020).
 *
 * User tables: the outbox says what changed. After each page come the changes up to the very
 * transaction that the page was read after, so that all tables and pages sent so far are as they
 * were at the page's index. The last page is read together with the position.
 *
 * The directory has no outbox. The commands applied meanwhile name the tenants that they touch;
 * these are read again, the last ones between two batches of the applier, when nothing moves.
 */
import type { Change } from '../../src/core/change.ts'
import { isErrorCode, MeridianError } from '../../src/core/errors.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { Statement, StatementResult, Store } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import { LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { normalizeImage } from '../../src/schema/table-facts.ts'
import { toJsonCell } from '../../src/sql/json-cells.ts'
import { readPosition, selectPosition, type LogPosition } from './log-batch.ts'
import type { SnapshotEnd, SnapshotMark, SnapshotPart } from './snapshot-messages.ts'
import { outcomeCells, placeOf, selectOutcomes, type OutcomePlace } from './snapshot-outcomes.ts'
import {
  cellsOf,
  DIRECTORY_TABLES,
  keyCells,
  selectPage,
  selectPrefixes,
  type Cells,
  type SnapshotTable,
} from './snapshot-tables.ts'

/** What the parts are read from. */
export interface SnapshotSourceOptions {
  readonly group: string
  readonly store: Store
  /** Rows that a part has at most. Default 2,000. */
  readonly maxPageRows?: number
}

/** Where the changes of user tables are read, and what of them is still needed. */
export interface SnapshotChanges {
  readonly feed: ChangeFeed
  /** Reads the position of the last change. Default: that of the store's outbox. */
  readonly last?: Statement
  /** A table that is read as a whole, at the end: it is small, and no outbox tells of it. */
  readonly whole?: SnapshotTable
  /** Told up to where changes were read; `undefined`: none are needed any more. */
  readonly onPosition: (seq: number | undefined) => void
}

/** What follows the offer. */
export type SnapshotStream = AsyncGenerator<SnapshotPart | SnapshotMark | SnapshotEnd, void, void>

const MAX_PAGE_ROWS = 2_000
/** Rows of a table that is read as a whole. */
const MAX_WHOLE = 100_000
/** A page that is longer is read again with fewer rows. */
const MAX_PAGE_BYTES = 1024 * 1024
const MAX_CHANGES = 500
/** Tenants that are read again at once; more are read before the last time. */
const MAX_TOUCHED = 500

/** The state of user tables. `changes`: those of the same store. */
export async function* tableSnapshot(
  options: SnapshotSourceOptions,
  tables: readonly SnapshotTable[],
  changes: SnapshotChanges,
): SnapshotStream {
  try {
    yield* tableParts(options, tables, changes)
  } finally {
    changes.onPosition(undefined)
  }
}

async function* tableParts(
  options: SnapshotSourceOptions,
  tables: readonly SnapshotTable[],
  { feed, onPosition, last = LAST_LOCAL_SEQ, whole }: SnapshotChanges,
): SnapshotStream {
  const { group, store } = options
  const pages = new Pages(options)
  const byId = new Map(tables.map((table) => [table.compiled?.id, table]))
  const [first] = await store.read([last])
  let sent = lastSeq(first)
  onPosition(sent)
  const heads = [selectPosition(group), last]
  const changesUpTo = async function* (seq: number): AsyncGenerator<SnapshotPart, void, void> {
    onPosition(sent)
    yield* changesBetween(feed, byId, sent, seq)
    sent = seq
    onPosition(sent)
  }
  for (const table of tables) {
    let after: Cells | null = null
    do {
      const page: Page = await pages.read(heads, (limit, bytes) =>
        selectPage(table, after, limit, bytes),
      )
      yield* changesUpTo(lastSeq(page.heads[1]))
      const rows = page.rows.map((row) => cellsOf(table, row))
      const last = rows.at(-1)
      const upTo: Cells | null = page.isLast || last === undefined ? null : keyCells(table, last)
      yield { kind: 'range', table: table.name, after, upTo, rows: JSON.stringify(rows) }
      yield { kind: 'mark', index: readPosition(page.heads[0]).index }
      after = upTo
    } while (after !== null)
  }
  const ends =
    whole === undefined ? heads : [...heads, selectPage(whole, null, MAX_WHOLE, undefined)]
  let after: OutcomePlace | null = null
  for (;;) {
    const page: Page = await pages.read(ends, (limit, bytes) =>
      selectOutcomes(group, after, limit, bytes),
    )
    yield* changesUpTo(lastSeq(page.heads[1]))
    const { part, last: place } = outcomesPart(after, page)
    yield part
    if (page.isLast) {
      if (whole !== undefined) yield wholePart(whole, page.heads[2])
      return yield endAt(readPosition(page.heads[0]))
    }
    after = place
  }
}

function wholePart(table: SnapshotTable, result: StatementResult | undefined): SnapshotPart {
  const rows = (result?.rows ?? []).map((row) => cellsOf(table, row))
  return { kind: 'range', table: table.name, after: null, upTo: null, rows: JSON.stringify(rows) }
}

/** The group of the directory, as its snapshot needs it. */
export interface QuietGroup {
  /** Runs after commands were applied here. Returns its removal. */
  onApplied(listener: (commands: readonly { readonly tenantKey: string }[]) => void): () => void
  /** Runs `run` while no record is being applied. */
  quiesce<T>(run: () => Promise<T>): Promise<T>
  applied(): number
}

/** The state of the directory. */
export async function* directorySnapshot(
  options: SnapshotSourceOptions,
  quiet: QuietGroup,
): SnapshotStream {
  const touched = new Set<string>()
  const stopListening = quiet.onApplied((commands) => {
    for (const { tenantKey } of commands) touched.add(tenantKey)
  })
  try {
    const pages = new Pages(options)
    yield* directoryPages(pages)
    let after: OutcomePlace | null = null
    for (;;) {
      const page: Page = await pages.read([], (limit, bytes) =>
        selectOutcomes(options.group, after, limit, bytes),
      )
      const { part, last } = outcomesPart(after, page)
      yield part
      after = last
      const again = [...touched].slice(0, MAX_TOUCHED)
      for (const tenantKey of again) touched.delete(tenantKey)
      yield* await readTouched(options.store, again)
      if (page.isLast && touched.size <= MAX_TOUCHED) {
        const end = await quiet.quiesce(() =>
          readEnd(options, quiet.applied(), [...touched], after),
        )
        if (end !== undefined) return yield* end
      }
    }
  } finally {
    stopListening()
  }
}

async function* directoryPages(pages: Pages): SnapshotStream {
  for (const table of DIRECTORY_TABLES) {
    let after: Cells | null = null
    do {
      const page: Page = await pages.read([], (limit, bytes) =>
        selectPage(table, after, limit, bytes),
      )
      const rows = page.rows.map((row) => cellsOf(table, row))
      const last = rows.at(-1)
      const upTo: Cells | null = page.isLast || last === undefined ? null : keyCells(table, last)
      yield { kind: 'range', table: table.name, after, upTo, rows: JSON.stringify(rows) }
      after = upTo
    } while (after !== null)
  }
}

/** The last parts, of one moment; undefined where there is more than they may hold. */
async function readEnd(
  { group, store }: SnapshotSourceOptions,
  applied: number,
  touched: readonly string[],
  after: OutcomePlace | null,
): Promise<readonly (SnapshotPart | SnapshotEnd)[] | undefined> {
  const limit = MAX_PAGE_ROWS
  const prefixes = touched.map((tenantKey) => [tenantKey])
  const [position, outcomes, ...tables] = await store.read([
    selectPosition(group),
    selectOutcomes(group, after, limit, undefined),
    ...(touched.length === 0 ? [] : DIRECTORY_TABLES.map((t) => selectPrefixes(t, prefixes))),
  ])
  const rows = outcomes?.rows ?? []
  if (rows.length === limit) return undefined
  const at = readPosition(position)
  if (at.index !== applied) {
    throw new MeridianError('CLOSED', `Another process applies log group '${group}' now.`)
  }
  return [
    ...touchedParts(prefixes, tables),
    outcomesPart(after, { heads: [], rows, isLast: true }).part,
    endAt(at),
  ]
}

async function readTouched(store: Store, touched: readonly string[]): Promise<SnapshotPart[]> {
  if (touched.length === 0) return []
  const prefixes = touched.map((tenantKey) => [tenantKey])
  const results = await store.read(DIRECTORY_TABLES.map((t) => selectPrefixes(t, prefixes)))
  return touchedParts(prefixes, results)
}

function touchedParts(
  prefixes: readonly Cells[],
  results: readonly StatementResult[],
): SnapshotPart[] {
  return results.map((result, i) => {
    const table = DIRECTORY_TABLES[i] as SnapshotTable
    return keysPart(
      table,
      1,
      prefixes,
      result.rows.map((row) => cellsOf(table, row)),
    )
  })
}

/** What changed in the tables behind `from`, up to `to`: each part ends with a transaction. */
async function* changesBetween(
  feed: ChangeFeed,
  tables: ReadonlyMap<number | undefined, SnapshotTable>,
  from: number,
  to: number,
): AsyncGenerator<SnapshotPart, void, void> {
  let at = from
  while (at < to) {
    const changes = (await feed.read(at, MAX_CHANGES)).filter((change) => change.localSeq <= to)
    // A read that another reader of the feed began earlier may have missed the last commits.
    if (changes.length === 0) continue
    at = (changes.at(-1) as Change).localSeq
    for (const [id, rows] of lastByKey(tables, changes)) {
      const table = tables.get(id) as SnapshotTable
      yield keysPart(table, table.keyWidth, rows.keys, rows.present)
    }
  }
}

interface ChangedRows {
  readonly keys: Cells[]
  readonly present: Cells[]
}

/** What each changed key holds in the end, by table. */
function lastByKey(
  tables: ReadonlyMap<number | undefined, SnapshotTable>,
  changes: readonly Change[],
): Map<number, ChangedRows> {
  const last = new Map<string, Change>()
  for (const change of changes) {
    if (!tables.has(change.tableId)) continue
    const table = tables.get(change.tableId) as SnapshotTable
    const key = JSON.stringify(changedKey(table, change))
    last.set(`${change.tableId} ${key}`, change)
  }
  const byTable = new Map<number, ChangedRows>()
  for (const change of last.values()) {
    const table = tables.get(change.tableId) as SnapshotTable
    const rows = byTable.get(change.tableId) ?? { keys: [], present: [] }
    byTable.set(change.tableId, rows)
    rows.keys.push(changedKey(table, change))
    if (change.after !== null) rows.present.push(changedRow(table, change))
  }
  return byTable
}

function changedKey(table: SnapshotTable, change: Change): Cells {
  const key = [change.tenant, ...change.key]
  return table.columns
    .slice(0, table.keyWidth)
    .map((column, i) => toJsonCell(column, key[i] ?? null))
}

function changedRow(table: SnapshotTable, change: Change): Cells {
  const { compiled } = table
  const image = compiled === undefined ? -1 : normalizeImage(compiled, change.after ?? [])
  if (typeof image === 'number') {
    throw new MeridianError('INTERNAL', `Change ${change.localSeq} does not fit ${table.name}.`)
  }
  const byName = new Map<string, SqlValue>([
    ['tenant', change.tenant],
    ['_ver', change.version],
    ['_epoch', 0],
  ])
  compiled?.physical.forEach(({ name }, place) => byName.set(name, image[place] ?? null))
  return cellsOf(
    table,
    table.columns.map(({ name }) => byName.get(name) ?? null),
  )
}

function keysPart(
  table: SnapshotTable,
  width: number,
  prefixes: readonly Cells[],
  rows: readonly Cells[],
): SnapshotPart {
  return {
    kind: 'keys',
    table: table.name,
    width,
    prefixes: JSON.stringify(prefixes),
    rows: JSON.stringify(rows),
  }
}

/** The outcomes of a page, and the place behind them. */
function outcomesPart(
  after: OutcomePlace | null,
  page: Page,
): { readonly part: SnapshotPart; readonly last: OutcomePlace | null } {
  const last = page.rows.at(-1)
  const place = last === undefined ? after : placeOf(last)
  const rows = JSON.stringify(page.rows.map(outcomeCells))
  // What is decided later than the last one stands behind it, and comes with a later part.
  return { part: { kind: 'outcomes', after, upTo: page.isLast ? null : place, rows }, last: place }
}

function endAt({ lastId, ...position }: LogPosition): SnapshotEnd {
  return { kind: 'end', ...position, lastId: lastId ?? null }
}

function lastSeq(result: StatementResult | undefined): number {
  return Number(result?.rows[0]?.[0] ?? 0)
}

/** Rows, with what was read in the same moment. */
interface Page {
  readonly heads: readonly StatementResult[]
  readonly rows: readonly SqlRow[]
  /** Nothing was behind these rows. */
  readonly isLast: boolean
}

/** Reads pages of about as many bytes as a message should have. */
class Pages {
  readonly #store: Store
  readonly #maxRows: number
  #limit: number

  constructor({ store, maxPageRows = MAX_PAGE_ROWS }: SnapshotSourceOptions) {
    this.#store = store
    this.#maxRows = maxPageRows
    this.#limit = maxPageRows
  }

  async read(
    heads: readonly Statement[],
    select: (limit: number, maxBytes: number | undefined) => Statement,
  ): Promise<Page> {
    for (;;) {
      const limit = this.#limit
      try {
        // A row that is longer than a page is a page by itself.
        const statement = select(limit, limit === 1 ? undefined : MAX_PAGE_BYTES)
        const results = await this.#store.read([...heads, statement])
        const rows = results[heads.length]?.rows ?? []
        this.#limit = Math.min(this.#maxRows, limit * 2)
        return { heads: results, rows, isLast: rows.length < limit }
      } catch (error) {
        if (!isErrorCode(error, 'RESULT_TOO_LARGE')) throw error
        this.#limit = Math.max(1, Math.floor(limit / 4))
      }
    }
  }
}
