/**
 * Whether this region may answer a read now, after a wait, or not at all: the one place that knows
 * what each read level means in each consistency mode.
 *
 *           | strong            | session                 | maxStalenessMs            | stale
 * strong    | lease, read index | wait for the log        | lease, read index         | local
 * pinned    | at home only      | home, or replica if met | home, or replica if fresh | local
 * eventual  | refused           | wait for all sources    | wait until all are fresh  | local
 *
 * A view over all tenants of a region is read like an eventual table.
 */
import { logSource, sourceRegion } from '../core/change.ts'
import { MeridianError } from '../core/errors.ts'
import type { Clock, Timers } from '../core/ports/runtime.ts'
import type { Positions, ReadLevel, SessionState } from '../protocol/messages.ts'
import type { CompiledTable, Consistency } from '../schema/compiled.ts'
import { hasLocalReads, LOCAL_LOG_GROUP } from '../schema/log-group-names.ts'
import type { PositionTracker } from '../session/positions.ts'

/** Linearizable reads of the strong log, as this region sees it. */
export interface StrongReads {
  /** The index that a linearizable read must have applied. */
  readIndex(timeoutMs: number): Promise<number>
  /** Resolves once the index is applied here. @throws MeridianError `DEADLINE_EXCEEDED` */
  waitApplied(index: number, timeoutMs: number): Promise<void>
  /**
   * Call it before strong rows are read, and what it returns after them. @throws MeridianError
   * `LOG_UNAVAILABLE` while, or where meanwhile, this region was seeded again
   */
  seal(): () => void
  /** Round trips between regions that a read index costs from here. */
  readonly readIndexRoundTrips: number
}

/** The same for tables with local strong reads, whose rows may be shown once they are stable. */
export interface LocalStrongReads extends StrongReads {
  /** Resolves once what a read of these tables saw is stable. @throws MeridianError `DEADLINE_EXCEEDED` */
  settle(tables: readonly CompiledTable[], timeoutMs: number): Promise<void>
  /** Resolves once changes are in the outbox: through an index, or all that is applied here. */
  emitted(index: number | undefined, timeoutMs: number): Promise<void>
}

/** How fresh the copies of other regions' stores are here. */
export interface ReplicaFreshness {
  /** Monotonic ms as of which everything that region's store held is applied here; -Infinity: unknown. */
  freshAsOfMs(region: string): number
  /** Regions whose changes this region receives. */
  readonly regions: readonly string[]
  /** Asks every region how far it is, without waiting for the next time that it is asked anyway. */
  probe(): void
}

/** What a read touches. */
export interface ReadScope {
  readonly tables: readonly CompiledTable[]
  /** The tenant's home; undefined for the global scope. */
  readonly home: string | undefined
}

/** How a read may go on. */
export type Admission =
  | { readonly kind: 'serve'; readonly stalenessMs: number | null; readonly roundTrips: number }
  /** Only the tenant's home can answer at this level. */
  | { readonly kind: 'forward' }

const SERVE_FRESH: Admission = { kind: 'serve', stalenessMs: 0, roundTrips: 0 }
const SERVE: Admission = { kind: 'serve', stalenessMs: null, roundTrips: 0 }
const FORWARD: Admission = { kind: 'forward' }
const POLL_MS = 10

/** What decides. */
export interface FreshnessParts {
  readonly region: string
  readonly positions: PositionTracker
  readonly strong: StrongReads
  /** Where the schema has tables with local strong reads. */
  readonly local?: LocalStrongReads | undefined
  readonly replicas: ReplicaFreshness
  readonly clock: Clock
  readonly timers: Timers
}

export class Freshness {
  readonly #parts: FreshnessParts

  constructor(parts: FreshnessParts) {
    this.#parts = parts
  }

  /**
   * Waits until the read may be served here, or says that it must go home.
   *
   * @throws MeridianError `SESSION_NOT_MET`, `STALENESS_NOT_MET`, `MODE_MISMATCH`,
   * `DEADLINE_EXCEEDED`
   */
  async admit(
    scope: ReadScope,
    level: ReadLevel,
    session: SessionState,
    timeoutMs: number,
  ): Promise<Admission> {
    let admission = level === 'stale' ? SERVE : SERVE_FRESH
    for (const mode of modesOf(scope.tables)) {
      const one = await this.#admitMode(mode, scope, level, session, timeoutMs)
      if (one.kind === 'forward') return one
      admission = weaker(admission, one)
    }
    return admission
  }

  /**
   * Call it before `admit`, and what it returns after the rows were read: what a read gave while
   * this region's copy of strong tables was being replaced is of no one moment.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`; so does what it returns
   */
  seal(scope: ReadScope): () => void {
    const unseals = this.#logsOf(scope).map((log) => log.seal())
    return () => {
      for (const unseal of unseals) unseal()
    }
  }

  /**
   * Call it after the rows of a read at this level were read, before they are shown: a lease holder
   * elsewhere might not see yet what a read that went to the log has seen.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED`
   */
  async settle({ tables }: ReadScope, level: ReadLevel, timeoutMs: number): Promise<void> {
    const { local } = this.#parts
    if (local === undefined || level === 'session' || level === 'stale') return
    const settled = tables.filter(hasLocalReads)
    if (settled.length > 0) await local.settle(settled, timeoutMs)
  }

  /**
   * Call it before views are asked how far they must be: changes of tables with local strong reads
   * are in the outbox no sooner than they are stable.
   *
   * @throws MeridianError `DEADLINE_EXCEEDED`
   */
  async emitted(
    { tables }: Pick<ReadScope, 'tables'>,
    level: ReadLevel,
    session: Pick<SessionState, 'positions'>,
    timeoutMs: number,
  ): Promise<void> {
    const { local } = this.#parts
    if (local === undefined || level === 'stale' || !tables.some(hasLocalReads)) return
    const seen = session.positions[logSource(LOCAL_LOG_GROUP)] ?? 0
    await local.emitted(level === 'session' ? seen : undefined, timeoutMs)
  }

  /** The part of a session that reads of these tables must have reached. */
  required(scope: ReadScope, mode: Consistency, positions: Positions): Positions {
    const required: Record<string, number> = {}
    const groups = new Set(
      scope.tables.map((t) => (t.logGroup === null ? '' : logSource(t.logGroup))),
    )
    for (const source in positions) {
      const isLog = source.startsWith('log:')
      const atOneHome = mode === 'pinned' && scope.home !== undefined
      const counts =
        mode === 'strong'
          ? groups.has(source)
          : !isLog && (!atOneHome || sourceRegion(source) === scope.home)
      if (counts) required[source] = positions[source] as number
    }
    return required
  }

  #admitMode(
    mode: Consistency,
    scope: ReadScope,
    level: ReadLevel,
    session: SessionState,
    timeoutMs: number,
  ): Admission | Promise<Admission> {
    if (level === 'stale') return SERVE
    if (mode === 'strong') return this.#admitStrong(scope, level, session, timeoutMs)
    // A view over all tenants has no one home: it is as fresh as what all regions have sent.
    if (mode === 'pinned' && scope.home !== undefined) {
      return this.#admitPinned(scope, scope.home, level, session, timeoutMs)
    }
    return this.#admitEventual(scope, level, session, timeoutMs)
  }

  #admitPinned(
    scope: ReadScope,
    home: string,
    level: ReadLevel,
    session: SessionState,
    timeoutMs: number,
  ): Admission | Promise<Admission> {
    const { region, replicas, positions, clock } = this.#parts
    if (home === region) {
      const required = this.required(scope, 'pinned', session.positions)
      if (level !== 'session' || positions.knownReached(required)) return SERVE_FRESH
      return this.#waitSession(required, timeoutMs).then(() => SERVE_FRESH)
    }
    if (level === 'strong') return FORWARD
    const stalenessMs = clock.monotonicMs() - replicas.freshAsOfMs(home)
    if (level !== 'session') {
      const bound = (level as { maxStalenessMs: number }).maxStalenessMs
      return stalenessMs <= bound ? { kind: 'serve', stalenessMs, roundTrips: 0 } : FORWARD
    }
    const bound = Number.isFinite(stalenessMs) ? stalenessMs : null
    const serve: Admission = { kind: 'serve', stalenessMs: bound, roundTrips: 0 }
    const required = this.required(scope, 'pinned', session.positions)
    if (positions.knownReached(required)) return serve
    return positions.reached(required).then((met) => (met ? serve : FORWARD))
  }

  async #admitStrong(
    scope: ReadScope,
    level: ReadLevel,
    session: SessionState,
    timeoutMs: number,
  ): Promise<Admission> {
    if (level === 'session') {
      await this.#waitSession(this.required(scope, 'strong', session.positions), timeoutMs)
      return SERVE
    }
    // A bound on staleness has no cheaper proof than the index itself.
    const deadlineMs = this.#parts.clock.monotonicMs() + timeoutMs
    const logs = this.#logsOf(scope)
    await Promise.all(
      logs.map(async (log) => {
        const index = await log.readIndex(timeoutMs)
        await log.waitApplied(index, deadlineMs - this.#parts.clock.monotonicMs())
      }),
    )
    return { kind: 'serve', stalenessMs: 0, roundTrips: this.#parts.strong.readIndexRoundTrips }
  }

  #logsOf({ tables }: ReadScope): StrongReads[] {
    const { strong, local } = this.#parts
    const ofStrong = tables.filter((table) => table.consistency === 'strong')
    const isLocal = ofStrong.map((table) => local !== undefined && hasLocalReads(table))
    const logs: StrongReads[] = isLocal.includes(false) ? [strong] : []
    return local !== undefined && isLocal.includes(true) ? [...logs, local] : logs
  }

  async #admitEventual(
    scope: ReadScope,
    level: ReadLevel,
    session: SessionState,
    timeoutMs: number,
  ): Promise<Admission> {
    if (level === 'strong') {
      throw new MeridianError(
        'MODE_MISMATCH',
        'Eventual tables, and views over all tenants, have no strong reads.',
        { fix: "Read with 'session'." },
      )
    }
    if (level !== 'session') {
      return this.#waitFresh((level as { maxStalenessMs: number }).maxStalenessMs, timeoutMs)
    }
    await this.#waitSession(this.required(scope, 'eventual', session.positions), timeoutMs)
    return SERVE
  }

  async #waitSession(required: Positions, timeoutMs: number): Promise<void> {
    const { positions, replicas } = this.#parts
    if (positions.knownReached(required)) return
    // Ranges that hold nothing for this region are told when it asks.
    replicas.probe()
    if (await positions.wait(required, timeoutMs)) return
    throw new MeridianError(
      'SESSION_NOT_MET',
      `Region ${this.#parts.region} has not received within ${Math.ceil(timeoutMs)} ms what the session has seen.`,
      { fix: "Give more time with `deadlineMs`, or read with 'stale'." },
    )
  }

  async #waitFresh(maxStalenessMs: number, timeoutMs: number): Promise<Admission> {
    const { clock, replicas, timers } = this.#parts
    const deadlineMs = clock.monotonicMs() + timeoutMs
    for (let isFirst = true; ; isFirst = false) {
      const oldestMs = Math.min(...replicas.regions.map((r) => replicas.freshAsOfMs(r)))
      const stalenessMs = Math.max(0, clock.monotonicMs() - oldestMs)
      if (stalenessMs <= maxStalenessMs) return { kind: 'serve', stalenessMs, roundTrips: 0 }
      if (clock.monotonicMs() + POLL_MS > deadlineMs) {
        throw new MeridianError(
          'STALENESS_NOT_MET',
          `Region ${this.#parts.region} cannot prove a staleness of at most ${maxStalenessMs} ms.`,
          { fix: 'Allow more staleness, more time, or check that all regions are reachable.' },
        )
      }
      if (isFirst) replicas.probe()
      await new Promise<void>((resolve) => {
        timers.after(POLL_MS, resolve)
      })
    }
  }
}

function modesOf(tables: readonly CompiledTable[]): readonly Consistency[] {
  if (tables.length === 1) return [(tables[0] as CompiledTable).consistency]
  return [...new Set(tables.map((t) => t.consistency))]
}

/** Of two admissions that both serve, the one that promises less; their round trips add up. */
function weaker(a: Admission, b: Admission): Admission {
  if (a.kind === 'forward' || b.kind === 'forward') return FORWARD
  const stalenessMs =
    a.stalenessMs === null || b.stalenessMs === null ? null : Math.max(a.stalenessMs, b.stalenessMs)
  return { kind: 'serve', stalenessMs, roundTrips: a.roundTrips + b.roundTrips }
}
