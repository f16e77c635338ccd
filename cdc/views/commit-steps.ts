/**
 * Takes steps of several views in one read and one write: what the views read is of one moment, and
 * their rows are committed with their positions. Whatever fails is told apart by view.
 */
import {
  StatementFailed,
  type Statement,
  type StatementResult,
  type Store,
} from '../../src/core/ports/store.ts'
import type { SqlRow } from '../../src/core/values.ts'
import type { ViewFaults } from './faults.ts'
import type { ViewProgress } from './install.ts'
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

/** Statements with the views that they belong to. */
interface OwnStatements {
  readonly state: ViewState
  readonly statements: readonly Statement[]
}

/**
 * `steps`: at least one.
 *
 * @throws ViewFailure, ViewMoved, or the store's own error; nothing was written then
 */
export async function commitSteps(
  store: Store,
  steps: readonly DueStep[],
  faults: ViewFaults,
): Promise<void> {
  const plans = steps.map((step) => ownFailure(step.state, () => planOf(step)))
  const reads = steps.map(({ state }, i) => ({ state, statements: plans[i]?.reads ?? [] }))
  const [positions, ...results] = await run([positionsOf(steps), ...reads], (statements) =>
    store.read(statements),
  )
  requirePositions(steps, positions?.[0]?.rows ?? [])
  const writes = steps.map((step, i) =>
    ownFailure(step.state, () => ({
      state: step.state,
      statements: writesOf(step, plans[i], results[i] ?? []),
    })),
  )
  const guards = steps.map(({ state, position, nowMs }) => ({
    state,
    statements: moveStatements(state, { position, nowMs }),
  }))
  const written = await writeAll(store, guards, writes, faults)
  for (const [i, { state, position, nowMs }] of steps.entries()) {
    state.moveTo({ position, nowMs }, nextExpiryOf(plans[i], written[i] ?? []))
  }
}

/** Where the store has the views at the moment of the reads. */
function positionsOf(steps: readonly DueStep[]): OwnStatements {
  const sql = 'SELECT view_id, position FROM _views'
  return { state: (steps[0] as DueStep).state, statements: [{ sql, args: [] }] }
}

/** After a write whose answer was lost the rows are those of another position. */
function requirePositions(steps: readonly DueStep[], rows: readonly SqlRow[]): void {
  const positions = new Map(rows.map(([id, position]) => [Number(id), Number(position)]))
  const isMoved = steps.some(({ state }) => positions.get(state.program.view.id) !== state.position)
  if (isMoved) throw new ViewMoved('A view has moved.')
}

function planOf(step: DueStep): ViewPlan | undefined {
  if (step.deltas.length === 0 && !step.hasExpired) return undefined
  return step.state.program.plan(step)
}

/** The view's rows, and what tells when the next one expires. */
function writesOf(
  { state }: DueStep,
  plan: ViewPlan | undefined,
  results: readonly StatementResult[],
): readonly Statement[] {
  if (plan === undefined) return []
  const { nextExpiry } = state.program
  const statements = plan.write(results)
  return nextExpiry === null ? statements : [...statements, nextExpiry]
}

/** `undefined`: as before. */
function nextExpiryOf(
  plan: ViewPlan | undefined,
  written: readonly StatementResult[],
): number | undefined {
  const value = plan === undefined ? undefined : written.at(-1)?.rows[0]?.[0]
  return value === undefined ? undefined : Number(value ?? Infinity)
}

/** Fails the write when the store holds the view elsewhere. */
function moveStatements(state: ViewState, next: ViewProgress): Statement[] {
  const { id } = state.program.view
  return [
    {
      sql: 'INSERT INTO _guard SELECT 1 WHERE (SELECT position FROM _views WHERE view_id = ?) IS NOT ?',
      args: [id, state.position],
    },
    {
      sql: 'UPDATE _views SET position = ?, now_ms = ? WHERE view_id = ?',
      args: [next.position, next.nowMs, id],
    },
  ]
}

async function writeAll(
  store: Store,
  guards: readonly OwnStatements[],
  writes: readonly OwnStatements[],
  faults: ViewFaults,
): Promise<StatementResult[][]> {
  const write = (statements: readonly Statement[]): ReturnType<Store['write']> =>
    store.write(statements)
  try {
    if (faults.positionApart === true) {
      await run(guards, write)
      return await run(writes, write)
    }
    const results = await run([...guards, ...writes], write)
    return results.slice(guards.length)
  } catch (error) {
    const cause = error instanceof ViewFailure ? error.cause : undefined
    const isGuard = cause instanceof StatementFailed && cause.statementIndex < 2 * guards.length
    throw isGuard && cause.kind === 'check' ? new ViewMoved('A view has moved.') : error
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
