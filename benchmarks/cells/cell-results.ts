/** What a step's loops found, as cells with their limits, bounds and the raw engine's figures. */
import type { Cell, CellKey, PeerCell } from '../measure/cell.ts'
import type { LoopResult } from '../measure/loop.ts'
import { toCell, toPeerCell, type CellFacts } from '../measure/to-cell.ts'
import type { NamedHistogram, StepResult } from '../step.ts'
import { budgetBounds } from './budgets.ts'
import type { CellPlan, CellStepPlan, OpenRaw } from './cell-plan.ts'
import type { OpenStep, OpenTurn } from './open-step.ts'

/** What the loops of a step found. */
export interface MeasuredLoops {
  /** By turn, in the order of its cells. */
  readonly turns: readonly (readonly LoopResult[])[]
  /** In the order of the raw loops; empty without any. */
  readonly raw: readonly LoopResult[]
}

/** The result of the step. */
export function resultOf(plan: CellStepPlan, open: OpenStep, loops: MeasuredLoops): StepResult {
  const histograms: NamedHistogram[] = []
  const cells = open.turns.flatMap((turn, t) => {
    const results = loops.turns[t] ?? []
    const callsMade = results.reduce((sum, one) => sum + callsOf(one), 0)
    return turn.cells.map((cell, i): Cell => {
      const loop = results[i] as LoopResult
      histograms.push({ name: fileName(cell.plan.key), encoded: loop.encoded })
      const raw = rawBeside(cell.plan, open.raw, loops.raw)
      // What cells at once spend cannot be told apart: each call counts the same.
      const share = callsMade === 0 ? 0 : callsOf(loop) / callsMade
      return toCell(cell.plan.key, loop, factsOf(cell, turn, share, raw))
    })
  })
  const peers = (open.raw?.loops ?? []).map(({ peer, operation }, i): PeerCell => {
    const loop = loops.raw[i] as LoopResult
    const name = `raw ${peer.name} ${operation.op} ${operation.origin} beside ${plan.name}`
    histograms.push({ name: plainName(name), encoded: loop.encoded })
    return toPeerCell(peer, operation, loop)
  })
  return { cells, peers, histograms, notes: open.notes }
}

/** What is known of a cell besides its loop. The target spends nothing on another deployment. */
function factsOf(
  { plan, open }: OpenTurn['cells'][number],
  { spent }: OpenTurn,
  share: number,
  { rawEngineP50Ms, rawEngineP95Ms }: RawBeside,
): CellFacts {
  const { networkMs, limitMs, budget } = plan
  const bounds =
    budget === null ? [] : budgetBounds(budget, { networkMs, rawEngineP50Ms, rawEngineP95Ms })
  const facts = { networkMs, limitMs, rawEngineP95Ms, budgets: bounds }
  if (open.ownDeployment !== undefined) return facts
  return { ...facts, crossRegionBytes: spent.bytes * share, cpuMs: spent.cpuMs * share }
}

function callsOf({ callsMade, attempted }: LoopResult): number {
  return callsMade ?? attempted
}

interface RawBeside {
  readonly rawEngineP50Ms: number | null
  readonly rawEngineP95Ms: number | null
}

/** Of the loop in the cell's own region, or of the one loop that stands for all. */
function rawBeside(
  { key, rawExtraMs }: CellPlan,
  raw: OpenRaw | null,
  results: readonly LoopResult[],
): RawBeside {
  if (raw === null) return { rawEngineP50Ms: null, rawEngineP95Ms: null }
  const at = raw.loops.findIndex(({ operation }) => operation.origin === key.origin)
  const beside = results[raw.loops.length === 1 ? 0 : at]
  const withWay = (valueMs: number | null | undefined): number | null =>
    typeof valueMs === 'number' ? valueMs + rawExtraMs : null
  return { rawEngineP50Ms: withWay(beside?.p50Ms), rawEngineP95Ms: withWay(beside?.p95Ms) }
}

function fileName(key: CellKey): string {
  const { op, mode, origin, home } = key
  return plainName([mode, op, levelName(key), origin, home ?? ''].join(' '))
}

/** A level in a word or two; nothing of a write. */
export function levelName({ level }: CellKey): string {
  if (level === null || typeof level === 'string') return level ?? ''
  return `at most ${level.maxStalenessMs} ms old`
}

function plainName(text: string): string {
  return text.trim().replaceAll(/[^a-zA-Z0-9]+/g, '-')
}
