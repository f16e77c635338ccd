/** Measures a planned step: its turns and the raw engine's in turns, and cells made of both. */
import { setMaxListeners } from 'node:events'
import type { LoopOptions, LoopResult } from '../measure/loop.ts'
import { interleave } from '../measure/merge-loops.ts'
import { runLoop } from '../measure/run-loop.ts'
import { settleInTime, spendingNotes, startMeter, unsettledCount } from '../measure/spending.ts'
import type { BenchContext, BenchStep, StepResult } from '../step.ts'
import { durationOf, type CellStepPlan, type RawLoop, type TurnLength } from './cell-plan.ts'
import { levelName, resultOf, type MeasuredLoops } from './cell-results.ts'
import { closeAll, openStep, type Close, type OpenStep, type OpenTurn } from './open-step.ts'
import { prepare } from './prepare.ts'

/** The step of a plan. */
export function cellStep(plan: CellStepPlan): BenchStep {
  return {
    name: plan.name,
    durationMs: durationOf(plan),
    run: (context) => runCells(plan, context),
  }
}

async function runCells(plan: CellStepPlan, run: BenchContext): Promise<StepResult> {
  const signal = AbortSignal.any([run.signal])
  // Loops and looks listen to it all at once, as many as there are calls under way.
  setMaxListeners(0, signal)
  const context: BenchContext = {
    ...run,
    signal,
    client: (region) => run.client(region),
    note: (remark) => run.note(remark),
  }
  await prepare(context)
  const unsettledBefore = unsettledCount(run.target)
  const closing: Close[] = []
  let result: StepResult
  try {
    const open = await openStep(plan, context, closing)
    const loops = await measure(plan, open, context)
    for (const { cells } of open.turns) for (const cell of cells) cell.open.check?.()
    const notes = await spendingNotes(context, { since: unsettledBefore })
    result = resultOf(plan, { ...open, notes: [...open.notes, ...notes] }, loops)
  } catch (error) {
    // Why it failed says more than what cannot be closed then.
    await closeAll(closing).catch(() => undefined)
    throw error
  }
  await closeAll(closing)
  return result
}

async function measure(
  plan: CellStepPlan,
  { turns, raw }: OpenStep,
  context: BenchContext,
): Promise<MeasuredLoops> {
  const repetitions = context.repetitions * (plan.rounds ?? 1)
  const say = (repetition: number, what: string): void =>
    context.note(`${plan.name}: ${repetition + 1} of ${repetitions}, ${what}`)
  const runTurns = turns.map((turn) => async (repetition: number) => {
    say(repetition, turnName(turn))
    return spending(context, turn, () => runTurn(turn, context, repetition))
  })
  const runRaw = async (repetition: number): Promise<readonly LoopResult[]> => {
    if (raw === null || plan.raw === null) return []
    say(repetition, plan.raw.what)
    return runRawTurn(plan.raw, raw.loops, context, repetition)
  }
  // What opening has caused is over before the first turn, and what a turn causes is part of it.
  await settleInTime(context)
  const merged = await interleave({ repetitions, turns: [...runTurns, runRaw] })
  const results = merged as readonly (readonly LoopResult[])[]
  return { turns: results.slice(0, turns.length), raw: results.at(-1) ?? [] }
}

/** All cells of a turn at once. */
function runTurn(
  turn: OpenTurn,
  context: BenchContext,
  repetition: number,
): Promise<readonly LoopResult[]> {
  const isEmbedded = context.target.engines === 'embedded'
  return Promise.all(
    turn.cells.map(({ plan, open }, i) =>
      runLoop({
        ...loopOptions(context, turn, seedOf(context, repetition, i)),
        operation: open.operation,
        load: plan.load,
        sharesThread: open.ownDeployment?.sharesThread ?? isEmbedded,
      }),
    ),
  )
}

function runRawTurn(
  length: TurnLength,
  loops: readonly RawLoop[],
  context: BenchContext,
  repetition: number,
): Promise<readonly LoopResult[]> {
  return Promise.all(
    loops.map(({ operation, load }, i) =>
      runLoop({
        ...loopOptions(context, length, seedOf(context, repetition, i)),
        operation: operation.operation,
        load,
        sharesThread: operation.sharesThread ?? false,
      }),
    ),
  )
}

function loopOptions(
  { timeScale, signal }: BenchContext,
  { warmupMs, windowMs }: TurnLength,
  seed: number,
): Pick<LoopOptions, 'warmupMs' | 'durationMs' | 'signal' | 'seed'> {
  return { warmupMs: warmupMs * timeScale, durationMs: windowMs * timeScale, signal, seed }
}

/** Due times of loops beside each other, and of repetitions, are not the same. */
function seedOf({ seed }: BenchContext, repetition: number, cell: number): number {
  return seed + repetition * 1000 + cell
}

/** Adds what the deployment spends on it to the turn. Ends once what it left behind has arrived. */
async function spending<T>(
  context: BenchContext,
  { spent }: OpenTurn,
  run: () => Promise<T>,
): Promise<T> {
  const meter = await startMeter(context)
  const result = await run()
  const { cpuMs, bytes } = await meter.read()
  spent.cpuMs += cpuMs
  spent.bytes += bytes
  return result
}

function turnName({ cells }: OpenTurn): string {
  const key = cells[0]?.plan.key
  if (key === undefined) return 'nothing'
  return key.level === null ? `${key.mode} ${key.op}` : `${key.mode} ${key.op}, ${levelName(key)}`
}
