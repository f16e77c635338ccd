/** Several runs of one measurement as one, and runs of several measurements in turns. */
import { MeridianError } from '../../src/core/errors.ts'
import { addEncoded } from './histogram.ts'
import type { LoopResult } from './loop.ts'
import { summarize } from './summarize.ts'

/**
 * The repetitions of one loop as one result: counts and histograms are added, quantiles and the
 * generator's lateness read anew from all calls, and p95 of each repetition kept.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for no results, or for both open and closed loops
 */
export function mergeLoops(results: readonly LoopResult[]): LoopResult {
  const [first] = results
  if (first === undefined || results.some(({ loop }) => loop !== first.loop)) {
    throw new MeridianError('INVALID_ARGUMENT', 'Only results of loops of one kind can be merged.')
  }
  const sum = (valueOf: (result: LoopResult) => number): number =>
    results.reduce((total, result) => total + valueOf(result), 0)
  const durationMs = sum((result) => result.durationMs)
  const withoutHistogram = results.filter(({ encodedLateness }) => encodedLateness === undefined)
  return summarize({
    loop: first.loop,
    rateOpsPerSecond: meanRate(results, durationMs),
    concurrency: Math.max(...results.map(({ concurrency }) => concurrency)),
    durationMs,
    attempted: sum(({ attempted }) => attempted),
    succeeded: sum(({ succeeded }) => succeeded),
    failed: sum(({ failed }) => failed),
    retried: sum(({ retried }) => retried),
    errors: addCounts(results.map(({ errors }) => errors)),
    levels: addCounts(results.map(({ levels }) => levels)),
    latencies: addEncoded(results.map(({ encoded }) => encoded)),
    latenesses: addEncoded(results.flatMap(({ encodedLateness }) => encodedLateness ?? [])),
    stalenesses: addEncoded(results.flatMap(({ encodedStaleness }) => encodedStaleness ?? [])),
    knownLateP95Ms: greatest(withoutHistogram.map(({ generator }) => generator.lateP95Ms)),
    callsMade: sum(({ callsMade, attempted }) => callsMade ?? attempted),
    sharesThread: results.every(({ sharesThread }) => sharesThread === true),
    repetitionP95Ms: results.flatMap(({ repetitionP95Ms, p95Ms }) => repetitionP95Ms ?? [p95Ms]),
  })
}

/** What a turn gives: one result, or those of loops that ran beside each other. */
export type TurnResult = LoopResult | readonly LoopResult[]

/** Runs one loop, or some beside each other; told which repetition it is, from 0. */
export type Turn<R extends TurnResult = TurnResult> = (repetition: number) => Promise<R>

/** The merged results of turns, each in the form that its turn gives. */
export type Merged<T extends readonly Turn[]> = {
  -readonly [I in keyof T]: Awaited<ReturnType<T[I]>> extends LoopResult
    ? LoopResult
    : readonly LoopResult[]
}

/**
 * Runs loops in turns, A, B, B, A, A, B, and so on, and merges the repetitions of each: whatever the
 * machine does meanwhile, it does to all, and none always comes after the other. A turn of several
 * results gives as many in every repetition.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for fewer than one repetition, and what turns throw
 */
export async function interleave<const T extends readonly Turn[]>(options: {
  readonly repetitions: number
  readonly turns: T
}): Promise<Merged<T>> {
  const { repetitions, turns } = options
  if (!Number.isInteger(repetitions) || repetitions < 1) {
    throw new MeridianError('INVALID_ARGUMENT', `There cannot be ${repetitions} repetitions.`)
  }
  const found: TurnResult[][] = turns.map(() => [])
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const inOrder = [...turns.entries()]
    const order = repetition % 2 === 0 ? inOrder : inOrder.toReversed()
    for (const [i, run] of order) found[i]?.push(await run(repetition))
  }
  return found.map(mergeTurn) as Merged<T>
}

function mergeTurn(repetitions: readonly TurnResult[]): TurnResult {
  const [first] = repetitions
  if (!isList(first)) return mergeLoops(repetitions as readonly LoopResult[])
  const lists = repetitions as readonly (readonly LoopResult[])[]
  if (lists.some(({ length }) => length !== first.length)) {
    throw new MeridianError('INVALID_ARGUMENT', 'A turn gave more results once than another time.')
  }
  return first.map((_, i) => mergeLoops(lists.map((list) => list[i] as LoopResult)))
}

function isList(result: TurnResult | undefined): result is readonly LoopResult[] {
  return Array.isArray(result)
}

/** Of repetitions of equal rates that rate, to the last digit. */
function meanRate(results: readonly LoopResult[], durationMs: number): number {
  const [first] = results
  const rate = first?.rateOpsPerSecond ?? 0
  if (results.every(({ rateOpsPerSecond }) => rateOpsPerSecond === rate)) return rate
  const calls = results.reduce((sum, one) => sum + one.rateOpsPerSecond * one.durationMs, 0)
  return calls / durationMs
}

function addCounts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum = new Map<string, number>()
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) sum.set(name, (sum.get(name) ?? 0) + count)
  }
  return Object.fromEntries(sum)
}

function greatest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Math.max(...known)
}
