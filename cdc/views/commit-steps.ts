/**
 * Takes steps of several views. Steps that have no effect on a view's rows move it in memory alone;
 * all others take one read, where they need to know rows, and one write: what the views read is of
 * one moment, and their rows are committed with their positions, and with those of the views that
 * have moved in memory. Whatever fails is told apart by view.
 */
import type { RowImage } from '../../src/core/change.ts'
import {
  StatementFailed,
  type Statement,
  type StatementResult,
  type Store,
} from '../../src/core/ports/store.ts'
import type { SqlRow } from '../../src/core/values.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { ViewFaults } from './faults.ts'
import { passes } from './filter.ts'
import { moveProgress, type ViewMove, type ViewProgress } from './progress.ts'
import type { RowDelta } from './row-deltas.ts'
import type { ViewPlan, ViewStep } from './view-program.ts'
import type { ViewState } from './view-state.ts'

/** A step of a view, and where it is then. */
export interface DueStep extends ViewStep {
  readonly state: ViewState
  readonly position: number
}

/** A view cannot take its step: its program threw, or a statement of its own failed. */
export class ViewFailure extends Error {
  override readonly name = 'ViewFailure'
  readonly state: ViewState

  constructor(state: ViewState, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.state = state
  }
}

/** The store holds a view at another position than was known: nothing was written. */
export class ViewMoved extends Error {
  override readonly name = 'ViewMoved'
}

/** A step that writes. */
interface PlannedStep extends DueStep {
  readonly plan: ViewPlan
}

/** Statements with the view that they belong to; undefined: to all. */
interface OwnStatements {
  readonly state: ViewState | undefined
  readonly statements: readonly Statement[]
}

/** What steps are committed with. */
export interface CommitParts {
  readonly store: Store
  /** All views that run. */
  readonly running: readonly ViewState[]
  readonly faults: ViewFaults
}

/**
 * Once it resolves, each view is where its step says. Durable are then the steps that wrote: one
 * without effect is so with the next write, or with `commitPassed`.
 *
 * @throws ViewFailure, ViewMoved, or the store's own error; nothing was written then
 */
export async function commitSteps(parts: CommitParts, steps: readonly DueStep[]): Promise<void> {
  const plans = steps.map((step) => ownFailure(step.state, () => planOf(step)))
  const planned: PlannedStep[] = []
  for (const [i, step] of steps.entries()) {
    const plan = plans[i]
    if (plan === undefined) step.state.pass(progressOf(step))
    else planned.push({ ...step, plan })
  }
  if (planned.length === 0) return
  const results = await readAll(parts.store, planned)
  const writes = planned.map((step, i) =>
    ownFailure(step.state, () => ({
      state: step.state,
      statements: writesOf(step, results[i] ?? []),
    })),
  )
  if (parts.faults.movesBeforeWrite === true) {
    for (const step of planned) step.state.pass(progressOf(step))
  }
  const targets = new Map(unstoredOf(parts.running).map((state) => [state, state.progress]))
  for (const step of planned) targets.set(step.state, progressOf(step))
  const written = await writeAll(parts, targets, writes)
  const nextExpiries = new Map(
    planned.map((step, i) => [step.state, nextExpiryOf(step, written[i] ?? [])]),
  )
  for (const [state, progress] of targets) state.storedAt(progress, nextExpiries.get(state))
}

/**
 * Makes durable how far views have moved in memory.
 *
 * @throws ViewMoved, or the store's own error
 */
export async function commitPassed(parts: CommitParts): Promise<void> {
  const targets = new Map(unstoredOf(parts.running).map((state) => [state, state.progress]))
  if (targets.size === 0) return
  await writeAll(parts, targets, [])
  for (const [state, progress] of targets) state.storedAt(progress)
}

function unstoredOf(states: readonly ViewState[]): ViewState[] {
  return states.filter((state) => state.isUnstored)
}

function progressOf({ position, nowMs }: DueStep): ViewProgress {
  return { position, nowMs }
}

/** What the steps must know, in one read; none where they need nothing. */
async function readAll(
  store: Store,
  steps: readonly PlannedStep[],
): Promise<readonly StatementResult[][]> {
  const reads = steps.map(({ state, plan }) => ({ state, statements: plan.reads }))
  // Without reads the guard of the write is enough.
  if (reads.every(({ statements }) => statements.length === 0)) return []
  const sql = 'SELECT view_id, position FROM _views'
  const positions = { state: undefined, statements: [{ sql, args: [] }] }
  const [found, ...results] = await run([positions, ...reads], (statements) =>
    store.read(statements),
  )
  requirePositions(steps, found?.[0]?.rows ?? [])
  return results
}

/** After a write whose answer was lost the rows are those of another position. */
function requirePositions(steps: readonly DueStep[], rows: readonly SqlRow[]): void {
  const positions = new Map(rows.map(([id, position]) => [Number(id), Number(position)]))
  const isMoved = steps.some(
    ({ state }) => positions.get(state.program.view.id) !== state.stored.position,
  )
  if (isMoved) throw new ViewMoved('A view has moved.')
}

/** Of changes that undo each other, or of rows that come expired: nothing to write but the position. */
const POSITION_ALONE: ViewPlan = { reads: [], write: () => [] }

/**
 * `undefined`: no change of the step, taken by itself and at whatever instant, has an effect. Their
 * net effect is not asked: the store may be within the step, after a write whose answer was lost.
 */
function planOf({ state, ...step }: DueStep): ViewPlan | undefined {
  const { program } = state
  const isConcerned = step.deltas.some((delta) => concerns(program.view, delta))
  if (!isConcerned && !step.hasExpired) return undefined
  return program.plan(step) ?? POSITION_ALONE
}

function concerns(view: CompiledView, { before, between, after }: RowDelta): boolean {
  const isIn = (image: RowImage | null): boolean => image !== null && passes(view, image)
  return isIn(before) || isIn(after) || between.some(isIn)
}

/** The view's rows, and what tells when the next one expires. */
function writesOf(
  { state, plan }: PlannedStep,
  results: readonly StatementResult[],
): readonly Statement[] {
  const { nextExpiry } = state.program
  const statements = plan.write(results)
  return nextExpiry === null ? statements : [...statements, nextExpiry]
}

/** `undefined`: as before. */
function nextExpiryOf(
  { state }: PlannedStep,
  written: readonly StatementResult[],
): number | undefined {
  if (state.program.nextExpiry === null) return undefined
  return Number(written.at(-1)?.rows[0]?.[0] ?? Infinity)
}

/** Fails as `ViewMoved` when the store holds one of the views elsewhere than is known. */
async function writeAll(
  { store, faults }: CommitParts,
  targets: ReadonlyMap<ViewState, ViewProgress>,
  writes: readonly OwnStatements[],
): Promise<StatementResult[][]> {
  const moves = [...targets].map(([{ program, stored }, to]): ViewMove => ({
    viewId: program.view.id,
    from: stored,
    to,
  }))
  const positions = { state: undefined, statements: moveProgress(moves) }
  const write = (statements: readonly Statement[]): ReturnType<Store['write']> =>
    store.write(statements)
  try {
    if (faults.positionApart === true) {
      await run([positions], write)
      return await run(writes, write)
    }
    return (await run([positions, ...writes], write)).slice(1)
  } catch (error) {
    const isGuard = error instanceof StatementFailed && error.statementIndex === 0
    throw isGuard && error.kind === 'check' ? new ViewMoved('A view has moved.') : error
  }
}

/** Runs all statements at once; the results by owner. */
async function run(
  owned: readonly OwnStatements[],
  call: (statements: readonly Statement[]) => Promise<readonly StatementResult[]>,
): Promise<StatementResult[][]> {
  const statements = owned.flatMap((own) => own.statements)
  if (statements.length === 0) return owned.map(() => [])
  try {
    const results = await call(statements)
    let at = 0
    return owned.map((own) => results.slice(at, (at += own.statements.length)))
  } catch (error) {
    if (!(error instanceof StatementFailed)) throw error
    const owners = owned.flatMap((own) => own.statements.map(() => own.state))
    const state = owners[error.statementIndex]
    throw state === undefined ? error : new ViewFailure(state, error)
  }
}

function ownFailure<T>(state: ViewState, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new ViewFailure(state, error)
  }
}
