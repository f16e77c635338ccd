/** Opens what a planned step needs: its cells, and the raw engine beside them. */
import { isErrorCode } from '../../src/client/index.ts'
import type { BenchContext } from '../step.ts'
import type { CellPlan, CellStepPlan, OpenCell, OpenRaw, TurnLength } from './cell-plan.ts'

/** A turn whose calls can begin. */
export interface OpenTurn extends TurnLength {
  readonly cells: readonly { readonly plan: CellPlan; readonly open: OpenCell }[]
  /** What the deployment spent in all its repetitions. */
  readonly spent: { bytes: number; cpuMs: number }
}

/** A step whose turns can begin. */
export interface OpenStep {
  readonly turns: readonly OpenTurn[]
  readonly raw: OpenRaw | null
  readonly notes: readonly string[]
}

/** Closes one thing that was opened. */
export type Close = () => Promise<void>

/** Opens everything; what is to be closed is in `closing`, also after a failure. */
export async function openStep(
  plan: CellStepPlan,
  context: BenchContext,
  closing: Close[],
): Promise<OpenStep> {
  context.note(`${plan.name}: opening`)
  const turns: OpenTurn[] = []
  for (const { warmupMs, windowMs, cells } of plan.turns) {
    const opened = await allSettled(cells.map((cell) => openCell(cell, context, closing)))
    turns.push({ warmupMs, windowMs, cells: opened, spent: { bytes: 0, cpuMs: 0 } })
  }
  const notes = plan.notes ?? []
  if (plan.raw === null) return { turns, raw: null, notes }
  const raw = await openRaw(plan.raw, context)
  if (typeof raw === 'string') {
    const missing = `${plan.name}: no raw engine beside them (${plan.raw.what}): ${raw}.`
    return { turns, raw: null, notes: [...notes, missing] }
  }
  closing.push(() => raw.close())
  const { note } = plan.raw
  return { turns, raw, notes: note === undefined ? notes : [...notes, note] }
}

async function openCell(
  plan: CellPlan,
  context: BenchContext,
  closing: Close[],
): Promise<OpenTurn['cells'][number]> {
  const open = await plan.open(context)
  closing.push(async () => open.close?.())
  // Connections and routes are there before a turn. What fails now fails again where it is counted.
  await open.operation(0).catch(() => undefined)
  return { plan, open }
}

/** Waits for all, also where one fails: what the others open is closed then. */
async function allSettled<T>(running: readonly Promise<T>[]): Promise<readonly T[]> {
  await Promise.allSettled(running)
  return Promise.all(running)
}

/** The last first, and every one. */
export async function closeAll(closing: readonly Close[]): Promise<void> {
  const failures: unknown[] = []
  for (const close of closing.toReversed()) {
    await close().catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}

/** A package that is not installed is a reason, not a failure. */
async function openRaw(
  raw: NonNullable<CellStepPlan['raw']>,
  context: BenchContext,
): Promise<OpenRaw | string> {
  try {
    return await raw.open(context)
  } catch (error) {
    if (!isErrorCode(error, 'CONFIG_INVALID')) throw error
    return error.message.replace(/\.$/, '')
  }
}
