/**
 * Recomputes the digest of a group from its rows, while records are applied. Each page is read together
 * with the position; what records between two pages did to rows that were read already is counted, what
 * they did to the rest is read later. So the sums are those of one index, and no writer waits for longer
 * than one page takes. (The page-by-page scan of `snapshot-source.ts`, with what the applier did in place
 * of the outbox.)
 */
import { isErrorCode, MeridianError } from '../../../src/core/errors.ts'
import type { Runtime } from '../../../src/core/ports/runtime.ts'
import type { Statement, StatementResult, Store } from '../../../src/core/ports/store.ts'
import { readPosition, selectPosition } from '../log-batch.ts'
import { placeOf, selectOutcomes, type OutcomePlace } from '../snapshot-outcomes.ts'
import type { DigestKind } from './digest-store.ts'
import { compareKeys, type DigestTable, type RowKey } from './digest-tables.ts'
import type { DigestTracker } from './digest-tracker.ts'
import { GroupSums, hashOutcome, type Counts, type RecordEffects } from './group-sums.ts'
import { hashRow } from './row-hash.ts'

/** What a scan reads. */
export interface DigestScanOptions {
  readonly group: string
  readonly store: Store
  readonly runtime: Runtime
  readonly kind: DigestKind
  readonly tables: readonly DigestTable[]
  /** Rows of a page at most. */
  readonly maxPageRows: number
  /** Of the time, how much it may work: the rest belongs to others. */
  readonly share: number
}

const MAX_PAGE_BYTES = 1024 * 1024
const LEAST_PAUSE_MS = 1
/** The applier tells of a batch within a turn of its commit; a store that another one writes, never. */
const BEHIND_TIMEOUT_MS = 10_000

export class DigestScan {
  readonly #options: DigestScanOptions
  readonly #tracker: DigestTracker
  readonly #sums: GroupSums
  readonly #byName: ReadonlyMap<string, DigestTable>
  /** Applied, and not counted yet. */
  #unsettled: RecordEffects[] = []
  /** Tables that were read to their end, and how far the next one is. */
  readonly #read = new Set<string>()
  #table: string | undefined
  #after: RowKey | null = null
  #lastOutcome: OutcomePlace | null = null
  #isComplete = false
  #isStopped = false
  #wake: (() => void) | undefined
  readonly #unlisten: () => void

  /** Counts from here on what `tracker` tells of. */
  constructor(options: DigestScanOptions, tracker: DigestTracker) {
    this.#options = options
    this.#tracker = tracker
    this.#sums = new GroupSums(options.kind, tracker.index())
    this.#byName = new Map(options.tables.map((table) => [table.name, table]))
    this.#unlisten = tracker.onEffects((effects) => {
      this.#unsettled.push(...effects)
      this.#wake?.()
    })
  }

  /**
   * Resolves, within the tracker's `whenSettled`, with what `end` makes of the sums: they are of the
   * tracker's `index()`.
   *
   * @throws MeridianError `CLOSED` once it is stopped, and what the store throws
   */
  async run<T>(end: (sums: GroupSums) => T): Promise<T> {
    try {
      for (const table of this.#options.tables) await this.#readTable(table)
      await this.#readOutcomes()
      return await new Promise((resolve) => {
        this.#tracker.whenSettled(() => {
          this.#settle(this.#tracker.index())
          resolve(end(this.#sums))
        })
      })
    } finally {
      this.#unlisten()
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#wake?.()
  }

  async #readTable(table: DigestTable): Promise<void> {
    this.#table = table.name
    this.#after = null
    await this.#readPages(
      (limit, maxBytes) => ({ ...table.select(this.#after, limit), maxBytes }),
      (result) => {
        const rows = table.read(result)
        for (const row of rows) this.#sums.addRow(table.name, hashRow(row))
        const last = rows.at(-1)
        if (last !== undefined) this.#after = table.keyOf(last)
      },
    )
    this.#table = undefined
    this.#read.add(table.name)
  }

  async #readOutcomes(): Promise<void> {
    const { group } = this.#options
    await this.#readPages(
      (limit, maxBytes) => selectOutcomes(group, this.#lastOutcome, limit, maxBytes),
      ({ rows }) => {
        for (const [id, index, contentHash, bytes] of rows) {
          const hash = hashOutcome(
            id as string,
            Number(index),
            contentHash as string,
            bytes as Uint8Array,
          )
          this.#sums.addOutcome(Number(index), hash)
        }
        const last = rows.at(-1)
        if (last !== undefined) this.#lastOutcome = placeOf(last)
      },
    )
    this.#isComplete = true
  }

  async #readPages(
    select: (limit: number, maxBytes: number) => Statement,
    take: (result: StatementResult) => void,
  ): Promise<void> {
    const { store, group, runtime, maxPageRows, share } = this.#options
    for (let limit = maxPageRows; ;) {
      if (this.#isStopped) throw stopped()
      const startedMs = runtime.clock.monotonicMs()
      try {
        // One row that is longer than a page is a page by itself.
        const maxBytes = limit === 1 ? Infinity : MAX_PAGE_BYTES
        const page = select(limit, maxBytes)
        const [position, result] = await store.read([selectPosition(group), bounded(page)])
        const { index } = readPosition(position)
        await this.#reach(index)
        this.#settle(index)
        take(result as StatementResult)
        if ((result?.rows.length ?? 0) < limit) return
        limit = Math.min(maxPageRows, limit * 2)
      } catch (error) {
        if (!isErrorCode(error, 'RESULT_TOO_LARGE') || limit === 1) throw error
        limit = Math.max(1, Math.floor(limit / 4))
      }
      const workedMs = runtime.clock.monotonicMs() - startedMs
      await this.#pause(Math.max(LEAST_PAUSE_MS, workedMs * (1 / share - 1)))
    }
  }

  /** Until the tracker has told of all that the page has seen. */
  async #reach(index: number): Promise<void> {
    const { timers } = this.#options.runtime
    while (this.#tracker.index() < index) {
      const isLate = await new Promise<boolean>((resolve) => {
        const cancel = timers.after(BEHIND_TIMEOUT_MS, () => resolve(true))
        this.#wake = () => {
          cancel()
          resolve(false)
        }
      })
      this.#wake = undefined
      if (this.#isStopped || isLate) throw stopped()
    }
  }

  /** Counts what records up to `index` did to what was read before this page. */
  #settle(index: number): void {
    const counts: Counts = {
      row: (name, row) => this.#read.has(name) || this.#isBehind(name, row),
      outcome: (at, id) => this.#isComplete || isUpTo(this.#lastOutcome, at, id),
    }
    const later = this.#unsettled.findIndex((one) => one.index > index)
    const due = this.#unsettled.splice(0, later === -1 ? this.#unsettled.length : later)
    for (const one of due) this.#sums.apply(one, counts)
  }

  #isBehind(name: string, row: Parameters<Counts['row']>[1]): boolean {
    if (name !== this.#table || this.#after === null) return false
    const table = this.#byName.get(name)
    return table !== undefined && compareKeys(table.keyOf(row), this.#after) <= 0
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.runtime.timers.after(ms, resolve)
    })
  }
}

function bounded({ maxBytes, ...statement }: Statement): Statement {
  return maxBytes === undefined || maxBytes === Infinity ? statement : { ...statement, maxBytes }
}

function isUpTo(last: OutcomePlace | null, index: number, id: string): boolean {
  if (last === null) return false
  return index < last[0] || (index === last[0] && id <= last[1])
}

function stopped(): MeridianError {
  return new MeridianError('CLOSED', 'The recomputation of a digest was stopped.')
}
