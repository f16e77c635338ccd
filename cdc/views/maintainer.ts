/**
 * Keeps the materialized views of a store current: follows its change log, turns each batch into
 * what every view writes, and commits that together with the views' positions. After a crash it
 * goes on where the positions say, so every change counts once. Where a batch has no effect on any
 * view, positions move in memory at once, and are durable 600 ms later at the latest, while the
 * store takes writes: to read such changes again is harmless. A view that cannot follow stops with
 * a typed error, alone: reads of it fail, nothing is skipped (protocol rule 21).
 */
import type { Change } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../../src/schema/compiled.ts'
import { createChangeConsumer, type ChangeConsumer } from '../consumer/change-consumer.ts'
import { WakeLoop } from '../wake-loop.ts'
import {
  commitPassed,
  commitSteps,
  ViewFailure,
  ViewMoved,
  type CommitParts,
  type DueStep,
} from './commit-steps.ts'
import type { ViewFaults } from './faults.ts'
import { installViews } from './install.ts'
import { LazyFlush } from './lazy-flush.ts'
import { loadProgress, type ViewProgress } from './progress.ts'
import { createProgram } from './programs.ts'
import { rowDeltas, type RowDelta } from './row-deltas.ts'
import type { ViewProgram, ViewSql } from './view-program.ts'
import { narrowRows } from './view-rows.ts'
import { ViewState } from './view-state.ts'
import { logProblem, replacedError, stopError } from './view-stops.ts'

/** What a maintainer is made of. */
export interface ViewMaintainerOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  readonly changeLog: ChangeLog
  readonly runtime: Runtime
  /** The instant at which expiry of a table's rows is judged. */
  readonly nowMs: (table: CompiledTable) => number
  /** Told of what stops a view for good. */
  readonly onStopped?: (error: MeridianError) => void
  /** Rows that top lists hold behind their limit, at least. Default 64. */
  readonly reserveRows?: number
  /** Test-only. */
  readonly faults?: ViewFaults
}

/** How one view stands. */
export interface ViewStatus {
  readonly view: string
  /** It holds the store's changes up to here. */
  readonly position: number
  /** Why it does not move; an error that may not be repeated has ended it. */
  readonly error: MeridianError | null
}

/** A view that is read, and the instant at which expiry is judged. */
export interface ViewRead {
  readonly view: CompiledView
  readonly nowMs: number
}

/** The views of a store. */
export interface ViewMaintainer {
  /** Every view holds the store's changes up to here; Infinity when there is no view. */
  position(): number
  status(): readonly ViewStatus[]
  /**
   * Resolves once the views hold the store's changes up to `seq`, and no row that has expired at
   * their instant. All views at this moment when `reads` is left out.
   *
   * @throws MeridianError `SESSION_NOT_MET` when the time is over, or what stopped a view
   */
  waitApplied(seq: number, timeoutMs: number, reads?: readonly ViewRead[]): Promise<void>
  /**
   * Reads rows in the order of `viewColumns`; `prefix` holds leading group values.
   *
   * @throws MeridianError what stopped the view
   */
  select(
    view: CompiledView,
    tenant: string,
    prefix: readonly SqlValue[],
    limit: number,
    nowMs: number,
  ): Statement
  /** The rows of a `select`. */
  rows(view: CompiledView, rows: readonly SqlRow[]): SqlRow[]
  /**
   * The view as SQL with its columns in the order of `viewColumns`, for user queries.
   *
   * @throws MeridianError what stopped the view
   */
  source(view: CompiledView, tenant: string, nowMs: number): ViewSql
  stop(): Promise<void>
}

/** Prepares the views' tables and starts to follow the log, which may still be away. */
export async function createViewMaintainer(
  options: ViewMaintainerOptions,
): Promise<ViewMaintainer> {
  const { store, schema, runtime } = options
  const programs = schema.views.map((view) => createProgram(view, options))
  await installViews(store, programs)
  const progress = await loadProgress(store)
  const states = await Promise.all(
    programs.map(async (program) => {
      const own = progress.get(program.view.id) as ViewProgress
      const nextExpiryMs = await readNextExpiry(store, program)
      return new ViewState(program, own, nextExpiryMs, runtime.timers)
    }),
  )
  return new Maintainer(options, states)
}

async function readNextExpiry(store: Store, { nextExpiry }: ViewProgram): Promise<number> {
  if (nextExpiry === null) return Infinity
  const [result] = await store.read([nextExpiry])
  return Number(result?.rows[0]?.[0] ?? Infinity)
}

function stopView(
  { onStopped }: ViewMaintainerOptions,
  state: ViewState,
  error: MeridianError,
): void {
  state.stop(error)
  onStopped?.(error)
}

const ASK_AGAIN_MS = 1_000

class Maintainer implements ViewMaintainer {
  readonly #options: ViewMaintainerOptions
  readonly #states: ReadonlyMap<number, ViewState>
  /** Asks the log where it begins, for as long as it takes: it may be away at the start. */
  readonly #beginning: WakeLoop
  /** Progress without effect on any view is durable some time later. */
  readonly #flush: LazyFlush
  #consumer: ChangeConsumer | undefined
  /** Batches and expiry take turns: both read what the other writes. */
  #turn: Promise<void> = Promise.resolve()

  constructor(options: ViewMaintainerOptions, states: readonly ViewState[]) {
    this.#options = options
    this.#states = new Map(states.map((state) => [state.program.view.id, state]))
    const { timers, random } = options.runtime
    const { onStopped } = options
    this.#flush = new LazyFlush(timers, () => this.#inTurn(() => this.#commitPassed()))
    const step = (): Promise<false> => this.#begin()
    this.#beginning = new WakeLoop({ step, timers, random, pollMs: ASK_AGAIN_MS, onStopped })
  }

  position(): number {
    return Math.min(...[...this.#states.values()].map((state) => state.position))
  }

  status(): readonly ViewStatus[] {
    const behind = this.#logError()
    return [...this.#states.values()].map(({ program, position, error }) => ({
      view: program.view.name,
      position,
      error: error ?? behind,
    }))
  }

  async waitApplied(seq: number, timeoutMs: number, reads?: readonly ViewRead[]): Promise<void> {
    const wanted = (reads ?? this.#allNow()).map(({ view, nowMs }) => ({
      state: this.#state(view),
      nowMs,
    }))
    await Promise.all(wanted.map(({ state }) => this.#waitPosition(state, seq, timeoutMs)))
    const instants = new Map(wanted.map(({ state, nowMs }) => [state, nowMs]))
    const hasExpired = (): boolean =>
      wanted.some(({ state, nowMs }) => state.error === null && state.hasExpired(nowMs))
    while (hasExpired()) await this.#inTurn(() => this.#expire(instants))
    for (const { state } of wanted) state.requireRunning()
  }

  select(
    view: CompiledView,
    tenant: string,
    prefix: readonly SqlValue[],
    limit: number,
    nowMs: number,
  ): Statement {
    return { ...this.#select(view, { tenant, prefix, nowMs, limit }), bigints: true }
  }

  rows(view: CompiledView, rows: readonly SqlRow[]): SqlRow[] {
    return narrowRows(view, rows)
  }

  source(view: CompiledView, tenant: string, nowMs: number): ViewSql {
    return this.#select(view, { tenant, prefix: [], nowMs, limit: null })
  }

  async stop(): Promise<void> {
    await this.#beginning.stop()
    await this.#consumer?.stop()
    await this.#flush.stop()
    await this.#turn
    const closed = new MeridianError('CLOSED', 'The views are closed.')
    for (const state of this.#states.values()) state.stop(closed)
  }

  /** Follows the log with the views that it holds all the changes for. */
  async #begin(): Promise<false> {
    const { changeLog, schema, runtime } = this.#options
    await Promise.all(
      this.#running().map(async (state) => {
        const problem = await logProblem(changeLog, state)
        if (problem !== undefined) stopView(this.#options, state, problem)
      }),
    )
    const running = this.#running()
    // Not awaited: it ends once this step is over.
    void this.#beginning.stop()
    if (running.length === 0) return false
    this.#consumer = createChangeConsumer({
      changeLog,
      schema,
      position: Math.min(...running.map((state) => state.position)),
      handler: (changes, position) => this.#inTurn(() => this.#take(changes, position)),
      timers: runtime.timers,
      random: runtime.random,
    })
    return false
  }

  /** Why the log cannot be followed now. */
  #logError(): MeridianError | null {
    return this.#consumer?.status().error ?? this.#beginning.error()
  }

  #select(view: CompiledView, selection: Parameters<ViewProgram['select']>[0]): ViewSql {
    const state = this.#state(view)
    state.requireRunning()
    return state.program.select(selection)
  }

  #state(view: CompiledView): ViewState {
    return this.#states.get(view.id) as ViewState
  }

  #running(): ViewState[] {
    return [...this.#states.values()].filter((state) => state.error === null)
  }

  #allNow(): ViewRead[] {
    return this.#options.schema.views.map((view) => ({
      view,
      nowMs: this.#options.nowMs(view.source),
    }))
  }

  async #waitPosition(state: ViewState, seq: number, timeoutMs: number): Promise<void> {
    const ended = this.#logError()
    if (ended?.retry === 'never' && seq > state.position) throw ended
    if (await state.wait(seq, timeoutMs)) return
    const { name } = state.program.view
    throw (
      this.#logError() ??
      new MeridianError(
        'SESSION_NOT_MET',
        `View \`${name}\` is at ${state.position}, not at ${seq}.`,
        {
          fix: "Give more time with `deadlineMs`, or read with 'stale'.",
        },
      )
    )
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** Takes a batch of changes into every view that does not hold it yet. */
  #take(changes: readonly Change[], position: number): Promise<void> {
    const shared = new Map<CompiledTable, readonly RowDelta[]>()
    const first = changes[0]?.localSeq ?? 0
    return this.#commit(() =>
      this.#running()
        .filter((state) => state.position < position)
        .map((state) => {
          const { source } = state.program.view
          // A view that is ahead, since another one is new, leaves out what it holds.
          const isAhead = state.position >= first
          const fresh = isAhead
            ? changes.filter((change) => change.localSeq > state.position)
            : changes
          const deltas = (isAhead ? undefined : shared.get(source)) ?? rowDeltas(source, fresh)
          if (!isAhead) shared.set(source, deltas)
          return this.#step(state, deltas, position, this.#options.nowMs(source))
        }),
    )
  }

  /** Takes out rows that have expired at the views' instants: a part of them, if there are many. */
  #expire(instants: ReadonlyMap<ViewState, number>): Promise<void> {
    return this.#commit(() =>
      [...instants]
        .filter(([state, nowMs]) => state.error === null && state.hasExpired(nowMs))
        .map(([state, nowMs]) => this.#step(state, [], state.position, nowMs)),
    )
  }

  #step(state: ViewState, deltas: readonly RowDelta[], position: number, askedMs: number): DueStep {
    const nowMs = Math.max(state.nowMs, askedMs)
    return {
      state,
      deltas,
      from: state.position,
      position,
      nowMs,
      hasExpired: state.hasExpired(nowMs),
    }
  }

  /** Commits the steps that are due; those of a view that fails are left out then. */
  async #commit(stepsDue: () => readonly DueStep[]): Promise<void> {
    try {
      for (;;) {
        const steps = stepsDue()
        if (steps.length === 0) return
        if (await this.#attempt((parts) => commitSteps(parts, steps))) return
      }
    } finally {
      if (this.#running().some((state) => state.isUnstored)) this.#flush.arm()
    }
  }

  async #commitPassed(): Promise<void> {
    while (!(await this.#attempt(commitPassed)));
  }

  /** Whether a commit went through; if not, what stood in its way is known and settled now. */
  async #attempt(commit: (parts: CommitParts) => Promise<void>): Promise<boolean> {
    const { store, faults = {} } = this.#options
    try {
      await commit({ store, running: this.#running(), faults })
      return true
    } catch (error) {
      if (error instanceof ViewMoved) await this.#reload()
      else if (error instanceof ViewFailure) stopView(this.#options, error.state, stopError(error))
      else throw error
      return false
    }
  }

  /**
   * A write whose answer was lost, or another node, has moved the views further than was known. What
   * a view has passed in memory holds as well from where it is now: it has the same log.
   */
  async #reload(): Promise<void> {
    const progress = await loadProgress(this.#options.store)
    for (const state of this.#running()) {
      const { view } = state.program
      const own = progress.get(view.id)
      if (own === undefined) stopView(this.#options, state, replacedError(view, 'removed'))
      else if (own.position < state.stored.position) {
        stopView(this.#options, state, replacedError(view, 'begun anew'))
      } else state.storedAt(own, await readNextExpiry(this.#options.store, state.program))
    }
  }
}
