/**
 * Keeps the materialized views of a store current: follows its change log, turns each batch into
 * what every view writes, and commits that together with the views' position. After a crash it goes
 * on where the position says, so every change counts once. This process alone writes the views.
 */
import type { Change } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../../src/schema/compiled.ts'
import { createChangeConsumer, type ChangeConsumer } from '../consumer/change-consumer.ts'
import { rowDeltas, type RowDelta } from './row-deltas.ts'
import { installViews, loadPositions } from './install.ts'
import { createProgram } from './programs.ts'
import { PositionWaiters } from './position-waiters.ts'
import { narrowRows } from './view-rows.ts'
import type { ViewProgram, ViewSql } from './view-program.ts'

/** What a maintainer is made of. */
export interface ViewMaintainerOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  readonly changeLog: ChangeLog
  readonly runtime: Runtime
  /** The instant at which expiry of a table's rows is judged. */
  readonly nowMs: (table: CompiledTable) => number
}

/** The views of a store. */
export interface ViewMaintainer {
  /** Every view holds the store's changes up to here. */
  position(): number
  status(): { readonly position: number; readonly error: MeridianError | null }
  /**
   * Resolves once every view holds the store's changes up to `seq`, and no row that has expired.
   *
   * @throws MeridianError `SESSION_NOT_MET` when the time is over, or what stopped the views
   */
  waitApplied(seq: number, timeoutMs: number): Promise<void>
  /** Reads rows in the order of `viewColumns`; `prefix` holds leading group values. */
  select(
    view: CompiledView,
    tenant: string,
    prefix: readonly SqlValue[],
    limit: number,
    nowMs: number,
  ): Statement
  /** The rows of a `select`. */
  rows(view: CompiledView, rows: readonly SqlRow[]): SqlRow[]
  /** The view as SQL with public column names, for user queries. */
  source(view: CompiledView, tenant: string, nowMs: number): ViewSql
  stop(): Promise<void>
}

/** Prepares the views' tables and starts to follow the log. */
export async function createViewMaintainer(
  options: ViewMaintainerOptions,
): Promise<ViewMaintainer> {
  const programs = options.schema.views.map(createProgram)
  await installViews(options.store, programs)
  const positions = await loadPositions(options.store, programs)
  return new Maintainer(options, programs, positions)
}

/** How far one view is. */
interface Progress {
  position: number
  nowMs: number
}

class Maintainer implements ViewMaintainer {
  readonly #options: ViewMaintainerOptions
  readonly #programs: ReadonlyMap<number, ViewProgram>
  readonly #progress: Map<number, Progress>
  readonly #waiters: PositionWaiters
  readonly #consumer: ChangeConsumer | undefined
  /** Batches and expiry take turns: both read what the other writes. */
  #turn: Promise<void> = Promise.resolve()

  constructor(
    options: ViewMaintainerOptions,
    programs: readonly ViewProgram[],
    progress: Map<number, Progress>,
  ) {
    this.#options = options
    this.#programs = new Map(programs.map((program) => [program.view.id, program]))
    this.#progress = progress
    const start = Math.min(...[...progress.values()].map((p) => p.position))
    this.#waiters = new PositionWaiters(options.runtime.timers, programs.length === 0 ? Infinity : start)
    if (programs.length === 0) return
    const { changeLog, schema, runtime } = options
    this.#consumer = createChangeConsumer({
      changeLog,
      schema,
      position: start,
      handler: (changes, position) => this.#inTurn(() => this.#take(changes, position)),
      timers: runtime.timers,
      random: runtime.random,
    })
  }

  position(): number {
    return this.#waiters.position()
  }

  status(): { readonly position: number; readonly error: MeridianError | null } {
    return { position: this.position(), error: this.#consumer?.status().error ?? null }
  }

  async waitApplied(seq: number, timeoutMs: number): Promise<void> {
    if (!(await this.#waiters.wait(seq, timeoutMs))) {
      throw (
        this.status().error ??
        new MeridianError('SESSION_NOT_MET', `The views are at ${this.position()}, not at ${seq}.`, {
          fix: "Give more time with `deadlineMs`, or read with 'stale'.",
        })
      )
    }
    if ([...this.#programs.values()].some((program) => program.nextExpiry !== null)) {
      await this.#inTurn(() => this.#expire())
    }
  }

  select(
    view: CompiledView,
    tenant: string,
    prefix: readonly SqlValue[],
    limit: number,
    nowMs: number,
  ): Statement {
    const { sql, args } = this.#program(view).select(tenant, prefix, nowMs)
    return { sql: `SELECT * FROM (${sql}) LIMIT ?`, args: [...args, limit], bigints: true }
  }

  rows(view: CompiledView, rows: readonly SqlRow[]): SqlRow[] {
    return narrowRows(view, rows)
  }

  source(view: CompiledView, tenant: string, nowMs: number): ViewSql {
    return this.#program(view).select(tenant, [], nowMs)
  }

  async stop(): Promise<void> {
    await this.#consumer?.stop()
    await this.#turn
  }

  #program(view: CompiledView): ViewProgram {
    return this.#programs.get(view.id) as ViewProgram
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** Takes a batch of changes into every view that does not hold it yet. */
  async #take(changes: readonly Change[], position: number): Promise<void> {
    const bySource = new Map<CompiledTable, RowDelta[]>()
    await this.#commit([...this.#programs.values()], (program) => {
      const progress = this.#progressOf(program)
      if (progress.position >= position) return undefined
      const { source } = program.view
      // A view that is ahead, since another one is new, skips what it holds.
      const isAhead = progress.position >= (changes[0]?.localSeq ?? 0)
      let deltas = isAhead ? undefined : bySource.get(source)
      if (deltas === undefined) {
        const fresh = changes.filter((change) => change.localSeq > progress.position)
        deltas = rowDeltas(source, fresh)
        if (!isAhead) bySource.set(source, deltas)
      }
      return { deltas, position }
    })
    this.#waiters.advance(position)
  }

  /** Takes out what has expired by now. */
  async #expire(): Promise<void> {
    const expiring = [...this.#programs.values()].filter((program) => program.nextExpiry !== null)
    const results = await this.#options.store.read(
      expiring.map((program) => program.nextExpiry as Statement),
    )
    const due = expiring.filter((program, i) => {
      const next = results[i]?.rows[0]?.[0] ?? null
      return next !== null && Number(next) <= this.#options.nowMs(program.view.source)
    })
    await this.#commit(due, (program) => ({
      deltas: [],
      position: this.#progressOf(program).position,
    }))
  }

  /** Reads what the programs need, and commits what they write with their positions. */
  async #commit(
    programs: readonly ViewProgram[],
    plan: (program: ViewProgram) => { deltas: readonly RowDelta[]; position: number } | undefined,
  ): Promise<void> {
    const steps = programs.flatMap((program) => {
      const planned = plan(program)
      if (planned === undefined) return []
      const { source } = program.view
      const nowMs = Math.max(this.#progressOf(program).nowMs, this.#options.nowMs(source))
      const step = { deltas: planned.deltas, nowMs }
      const isIdle = step.deltas.length === 0 && program.nextExpiry === null
      const reads = isIdle ? [] : program.reads(step)
      return { program, step, reads, position: planned.position, isIdle }
    })
    if (steps.length === 0) return
    const statements = steps.flatMap(({ reads }) => reads)
    const results = statements.length === 0 ? [] : await this.#options.store.read(statements)
    let at = 0
    const writes = steps.flatMap(({ program, step, reads, position, isIdle }) => {
      const own = results.slice(at, (at += reads.length))
      const body = isIdle ? [] : program.writes(step, own)
      return [...this.#movePosition(program, position, step.nowMs), ...body]
    })
    await this.#options.store.write(writes)
    for (const { program, step, position } of steps) {
      this.#progress.set(program.view.id, { position, nowMs: step.nowMs })
    }
  }

  /** Fails the write when somebody else has moved the view. */
  #movePosition(program: ViewProgram, position: number, nowMs: number): Statement[] {
    const { id } = program.view
    const known = this.#progressOf(program)
    return [
      {
        sql: `INSERT INTO _guard SELECT 1 WHERE (SELECT position FROM _views WHERE view_id = ?) IS NOT ?`,
        args: [id, known.position],
      },
      {
        sql: 'UPDATE _views SET position = ?, now_ms = ? WHERE view_id = ?',
        args: [position, nowMs, id],
      },
    ]
  }

  #progressOf(program: ViewProgram): Progress {
    return this.#progress.get(program.view.id) as Progress
  }
}
