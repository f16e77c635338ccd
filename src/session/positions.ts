/**
 * How far a region's store has come, for sessions: its own changes, those imported from other
 * stores, and the strong changes of each log group. Positions only grow, so a cached one that is
 * high enough needs no read.
 */
import { MeridianError } from '../core/errors.ts'
import { logSource, sourceRegion } from '../core/change.ts'
import type { Statement, StatementResult, Store } from '../core/ports/store.ts'
import type { Timers } from '../core/ports/runtime.ts'
import type { Positions } from '../protocol/messages.ts'
import { LAST_LOCAL_SEQ } from '../schema/system-tables.ts'

/**
 * How far other stores' changes are here. `applied`: rows of pinned tables. `visible`: rows of
 * eventual tables too; it stops before what is held, since it is stamped too far ahead (rule 17).
 */
const IMPORTED: Statement = {
  sql: `SELECT source, seq,
    coalesce((SELECT min(h.seq) - 1 FROM _held h WHERE h.source = p.source), seq)
    FROM _positions p`,
  args: [],
}
const APPLIED: Statement = { sql: 'SELECT log_group, log_index FROM _log_positions', args: [] }

/** Which positions a read has seen: the store's own, those of other stores, those of the logs. */
export interface SeenKinds {
  readonly own: boolean
  /** Of pinned tables alone, of others too, or of none of other stores. */
  readonly imported: 'applied' | 'visible' | 'none'
  readonly logs: boolean
}

/** The statements that tell, in the snapshot of a read, what it has seen; see `seenPositions`. */
export function seenStatements(kinds: SeenKinds): Statement[] {
  const statements: Statement[] = []
  if (kinds.own) statements.push(LAST_LOCAL_SEQ)
  if (kinds.imported !== 'none') statements.push(IMPORTED)
  if (kinds.logs) statements.push(APPLIED)
  return statements
}

/** Reads the results of `seenStatements`. */
export function seenPositions(
  kinds: SeenKinds,
  source: string,
  results: readonly StatementResult[],
): Record<string, number> {
  const seen: Record<string, number> = {}
  let at = 0
  if (kinds.own) seen[source] = Number(results[at++]?.rows[0]?.[0] ?? 0)
  if (kinds.imported !== 'none') {
    const column = kinds.imported === 'applied' ? 1 : 2
    for (const row of results[at++]?.rows ?? []) seen[String(row[0])] = Number(row[column])
  }
  if (kinds.logs) {
    for (const row of results[at++]?.rows ?? []) seen[logSource(String(row[0]))] = Number(row[1])
  }
  return seen
}

const EVERYTHING: SeenKinds = { own: true, imported: 'visible', logs: true }

interface Waiter {
  readonly positions: Positions
  readonly resolve: () => void
}

/** Tracks one store. */
export class PositionTracker {
  readonly source: string
  readonly #store: Store
  readonly #timers: Timers
  readonly #reached = new Map<string, number>()
  readonly #waiters = new Set<Waiter>()
  readonly #stopListening: () => void
  #refreshing = false
  #again = false

  constructor(store: Store, source: string, timers: Timers) {
    this.#store = store
    this.source = source
    this.#timers = timers
    this.#stopListening = store.onCommit(() => {
      if (this.#waiters.size > 0) this.#wake()
    })
  }

  /** Stops listening to the store. */
  close(): void {
    this.#stopListening()
  }

  /** Reads how far the store has come on all sources. */
  async refresh(): Promise<ReadonlyMap<string, number>> {
    const results = await this.#store.read(seenStatements(EVERYTHING))
    this.advance(seenPositions(EVERYTHING, this.source, results))
    return this.#reached
  }

  /** How far the store has come on all sources, read now. */
  async current(): Promise<Positions> {
    return Object.fromEntries(await this.refresh())
  }

  /**
   * Takes note of positions that the store has reached, for rows of every table. They may be ahead
   * of what the store says by changes of others that it is not sent.
   */
  advance(positions: Positions): void {
    let hasMoved = false
    for (const source in positions) {
      const position = positions[source] as number
      if (position <= (this.#reached.get(source) ?? -1)) continue
      this.#reached.set(source, position)
      hasMoved = true
    }
    if (!hasMoved) return
    for (const waiter of this.#waiters) {
      if (this.knownReached(waiter.positions)) waiter.resolve()
    }
  }

  /** Whether all positions are reached, as far as is known without a read. */
  knownReached(positions: Positions): boolean {
    for (const source in positions) {
      if ((this.#reached.get(source) ?? -1) < (positions[source] as number)) return false
    }
    return true
  }

  /**
   * Whether all positions are reached.
   *
   * @throws MeridianError `POSITION_LOST` when one belongs to an earlier life of this store
   */
  async reached(positions: Positions): Promise<boolean> {
    if (this.knownReached(positions)) return true
    await this.refresh()
    this.#refuseLost(positions)
    return this.knownReached(positions)
  }

  /**
   * Resolves with true once all positions are reached, with false when the time is over.
   *
   * @throws MeridianError `POSITION_LOST` when a position belongs to an earlier life of this store
   */
  async wait(positions: Positions, timeoutMs: number): Promise<boolean> {
    if (await this.reached(positions)) return true
    if (timeoutMs <= 0) return false
    return new Promise((resolve) => {
      const waiter: Waiter = { positions, resolve: () => finish(true) }
      const cancel = this.#timers.after(timeoutMs, () => finish(false))
      const finish = (met: boolean): void => {
        cancel()
        this.#waiters.delete(waiter)
        resolve(met)
      }
      this.#waiters.add(waiter)
      // A commit between the check above and this registration would not have woken it.
      this.#wake()
    })
  }

  #wake(): void {
    if (this.#refreshing) {
      this.#again = true
      return
    }
    this.#refreshing = true
    void this.#refreshWaiters()
  }

  async #refreshWaiters(): Promise<void> {
    try {
      do {
        this.#again = false
        await this.refresh()
      } while (this.#again)
    } catch {
      // A store that cannot be read wakes nobody; the waiters' time-outs end them.
    } finally {
      this.#refreshing = false
    }
  }

  #refuseLost(positions: Positions): void {
    const region = sourceRegion(this.source)
    for (const source in positions) {
      if (source === this.source || source.startsWith('log:')) continue
      if (sourceRegion(source) !== region) continue
      throw new MeridianError(
        'POSITION_LOST',
        `The session has seen ${source}, an earlier life of the store of region ${region}.`,
        { fix: 'Begin a new session.', details: { source, current: this.source } },
      )
    }
  }
}
