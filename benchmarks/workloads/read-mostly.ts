/**
 * A table of strong rows that is read a hundred times as often as it is written, from every region:
 * half of the reads by session, half strong. A strong read must see every increment of its row that
 * was acknowledged, anywhere, before the read began.
 */
import { increment, type ReadConsistency } from '../../src/client/index.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { Operation } from '../measure/loop.ts'
import { commitLogMs } from '../measure/network-time.ts'
import { seededRandom, type SeededRandom } from '../../src/core/seeded-random.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { callersIn, readReport, writeReport, type Callers } from './callers.ts'
import { freshName, loadRows } from './preparation.ts'
import { runKinds } from './run-kinds.ts'
import { Tally } from './tally.ts'
import type { CallKind } from './workload.ts'
import { scrambledZipfian } from './zipfian.ts'

const STEP = 'read-mostly strong'
const WARMUP_MS = 3000
const WINDOW_MS = 30_000
const LOAD_AND_CHECK_MS = 5000
const ROWS = 100
const WRITE_SHARE = 0.01
/** Of the reads, those that must be strong. */
const STRONG_SHARE = 0.5

/** The step of the read-mostly strong table. */
export function readMostlySteps(plan: StepPlan): readonly BenchStep[] {
  return [
    {
      name: STEP,
      durationMs: WARMUP_MS + WINDOW_MS + LOAD_AND_CHECK_MS,
      run: (context) => runReadMostly(context, plan.rateOpsPerSecond),
    },
  ]
}

async function runReadMostly(context: BenchContext, rateOpsPerSecond: number): Promise<StepResult> {
  const tally = new Tally(STEP)
  const { topology, leader } = context.target
  const name = freshName(STEP)
  const ids = Array.from({ length: ROWS }, (_, i) => `${name}:${i}`)
  const rows = ids.map((id) => ({ id, value: 'read often' }))
  await loadRows(context, STEP, context.client(leader).strongRows, rows)
  await context.target.settle()
  const kinds = topology.regions.flatMap((origin, i): readonly CallKind[] => {
    const random = seededRandom(context.seed * topology.regions.length + i)
    const part: Part = { ids, choose: chooser(random), tally, callers: callersIn(context, origin) }
    const commitMs = commitLogMs(topology, leader, origin)
    const read = { op: 'read-mostly read', mode: 'strong', origin } as const
    const open = (share: number) =>
      ({ loop: 'open', rateOpsPerSecond: rateOpsPerSecond * share }) as const
    return [
      {
        ...read,
        home: null,
        level: 'session',
        networkMs: 0,
        load: open((1 - WRITE_SHARE) * (1 - STRONG_SHARE)),
        operation: readOperation(part, 'session'),
      },
      {
        ...read,
        home: leader,
        level: 'strong',
        networkMs: commitMs,
        load: open((1 - WRITE_SHARE) * STRONG_SHARE),
        operation: readOperation(part, 'strong'),
      },
      {
        op: 'read-mostly write',
        mode: 'strong',
        origin,
        home: leader,
        level: null,
        networkMs: commitMs,
        load: open(WRITE_SHARE),
        operation: writeOperation(part),
      },
    ]
  })
  const timing = { warmupMs: WARMUP_MS, durationMs: WINDOW_MS }
  const result = await runKinds(context, { step: STEP, kinds, tally, ...timing })
  await checkAmounts(context, ids, tally)
  tally.finish()
  return result
}

interface Part {
  readonly ids: readonly string[]
  readonly choose: () => number
  readonly tally: Tally
  readonly callers: Callers
}

function chooser(random: SeededRandom): () => number {
  return scrambledZipfian(random, ROWS)
}

function readOperation(
  part: Part,
  consistency: ReadConsistency & ('session' | 'strong'),
): Operation {
  const { ids, choose, tally, callers } = part
  return async (index) => {
    const id = ids[choose()] as string
    const { db, session } = callers.of(index)
    const before = tally.written(id).acknowledged
    const call = db.strongRows.get(id, { session, consistency })
    const { value, receipt } = await call.withReceipt()
    if (value === undefined) {
      tally.wrong(`${db.region} did not find ${id}`)
      throw new MeridianError('NOT_FOUND', `The row ${id} was not found.`)
    }
    if (consistency === 'strong' && value.amount < before) {
      tally.wrong(`a strong read in ${db.region} gave ${value.amount} after ${before} increments`)
    }
    return readReport(receipt)
  }
}

function writeOperation({ ids, choose, tally, callers }: Part): Operation {
  return async (index) => {
    const id = ids[choose()] as string
    const { db, session } = callers.of(index)
    const call = db.strongRows.update(id, { amount: increment(1) }, { session })
    const { receipt } = await tally.write(id, call.withReceipt())
    return writeReport(receipt)
  }
}

async function checkAmounts(
  context: BenchContext,
  ids: readonly string[],
  tally: Tally,
): Promise<void> {
  await context.target.settle()
  for (const region of context.target.topology.regions) {
    const rows = await context.client(region).strongRows.getMany(ids)
    rows.forEach((row, i) => {
      const id = ids[i] as string
      tally.expectTotal(`increments of ${id} that ${region} reads`, row?.amount ?? -1, id)
    })
  }
}
