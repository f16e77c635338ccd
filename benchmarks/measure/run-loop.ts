/** Runs one loop of calls and says what it found. */
import { MeridianError } from '../../src/core/errors.ts'
import { requireRate } from './calibrate.ts'
import { Calls } from './calls.ts'
import type { CellLoad } from './cell.ts'
import { runClosedLoop } from './closed-loop.ts'
import { dueTimes } from './due-times.ts'
import { generatorPriority } from './generator-priority.ts'
import type { LoopOptions, LoopResult } from './loop.ts'
import { systemTime, type LoopTime } from './loop-time.ts'
import { runOpenLoop } from './open-loop.ts'
import { summarize } from './summarize.ts'
import { Tally } from './tally.ts'

const DRAIN_MS = 10_000
/** An open loop has calls of so many seconds under way at most, */
const OUTSTANDING_SECONDS = 10
/** and may have this many at any rate. */
const FEWEST_OUTSTANDING = 100

/**
 * Makes calls for the warm-up and the duration and waits for those under way. Open: latency counts
 * from when a call was due, so that a pause of the system is met by every call that was due in it.
 * Failed calls have no latency: they are counted by name. While an open loop runs against a system
 * in other processes, the calling thread goes before them, where the machine allows it.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for options without sense, and for a rate that this
 *   machine cannot generate with nothing to call; `CANCELLED` with the signal
 */
export async function runLoop(options: LoopOptions): Promise<LoopResult> {
  requireValid(options)
  throwIfCancelled(options.signal)
  const { load, sharesThread = false, time = systemTime } = options
  // What is measured must not go first, and callers that never wait would leave it nothing.
  const goesFirst = load.loop === 'open' && !sharesThread && time === systemTime
  const letGo = goesFirst ? generatorPriority.hold() : undefined
  try {
    return await run(options)
  } finally {
    letGo?.()
  }
}

async function run(options: LoopOptions): Promise<LoopResult> {
  const { signal, time = systemTime } = options
  if (options.load.loop === 'open') await requireRate(options.load.rateOpsPerSecond, time, signal)
  throwIfCancelled(signal)
  const tally = new Tally()
  const calls = new Calls({ operation: options.operation, time, tally })
  const shared = { calls, tally, time, signal }
  const load =
    options.load.loop === 'open'
      ? await makeDueCalls(options, options.load.rateOpsPerSecond, shared)
      : await makeCallersCall(options, options.load.concurrency, shared)
  return summarize(
    tally.recording({
      ...load,
      callsMade: calls.made,
      sharesThread: options.sharesThread ?? false,
    }),
  )
}

interface SharedParts {
  readonly calls: Calls
  readonly tally: Tally
  readonly time: LoopTime
  readonly signal: AbortSignal | undefined
}

type FoundLoad = CellLoad & Pick<LoopResult, 'durationMs'>

async function makeDueCalls(
  options: LoopOptions,
  rateOpsPerSecond: number,
  shared: SharedParts,
): Promise<FoundLoad> {
  const { warmupMs, durationMs, drainMs = DRAIN_MS } = options
  const { calls, signal } = shared
  const callsIn = (stretchMs: number): number => Math.round((rateOpsPerSecond * stretchMs) / 1000)
  await runOpenLoop({
    ...shared,
    nextDueMs: dueTimes(rateOpsPerSecond, options.seed ?? randomSeed()),
    warmupCalls: callsIn(warmupMs),
    countedCalls: Math.max(1, callsIn(durationMs)),
    maxOutstanding: options.maxOutstanding ?? usualOutstanding(rateOpsPerSecond),
  })
  await calls.drain(drainMs, signal)
  throwIfCancelled(signal)
  return { loop: 'open', rateOpsPerSecond, concurrency: calls.most, durationMs }
}

async function makeCallersCall(
  { warmupMs, durationMs, drainMs = DRAIN_MS }: LoopOptions,
  concurrency: number,
  { calls, tally, time, signal }: SharedParts,
): Promise<FoundLoad> {
  const loop = { calls, time, concurrency, warmupMs, durationMs, signal }
  const countedFromMs = await runClosedLoop(loop)
  await calls.drain(drainMs, signal)
  throwIfCancelled(signal)
  const tookMs = Math.max(durationMs, calls.lastEndMs - countedFromMs)
  const rateOpsPerSecond = (tally.succeeded / tookMs) * 1000
  return { loop: 'closed', rateOpsPerSecond, concurrency, durationMs: tookMs }
}

/** Calls of a client are given deadlines of seconds: more under way means that none are answered. */
function usualOutstanding(rateOpsPerSecond: number): number {
  return Math.max(FEWEST_OUTSTANDING, Math.ceil(rateOpsPerSecond * OUTSTANDING_SECONDS))
}

/** Loops that were told no seed have different ones: due times of one must not be those of another. */
function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 32)
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw new MeridianError('CANCELLED', 'The measurement was given up.', { cause: signal.reason })
}

function requireValid({ load, warmupMs, durationMs, ...rest }: LoopOptions): void {
  const { maxOutstanding = 1, drainMs = 0 } = rest
  if (load.loop === 'open') requirePositive('rateOpsPerSecond', load.rateOpsPerSecond)
  else requireWhole('concurrency', load.concurrency)
  requireWhole('maxOutstanding', maxOutstanding)
  requirePositive('durationMs', durationMs)
  if (!(warmupMs >= 0) || !Number.isFinite(warmupMs)) throw invalid('warmupMs', warmupMs)
  if (!(drainMs >= 0) || !Number.isFinite(drainMs)) throw invalid('drainMs', drainMs)
}

function requirePositive(name: string, value: number): void {
  if (!(value > 0) || !Number.isFinite(value)) throw invalid(name, value)
}

function requireWhole(name: string, value: number): void {
  if (!(value >= 1) || !Number.isInteger(value)) throw invalid(name, value)
}

function invalid(name: string, value: number): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', `A loop cannot run with \`${name}\` ${value}.`, {
    fix: 'Rates and durations are above 0, callers and calls under way whole numbers from 1 on.',
  })
}
