/** Rates of the performance budget: how fast changes are merged, and how fast views take them. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { seededRandom } from '../../src/core/seeded-random.ts'
import type { GrowthPoint } from '../measure/cell.ts'
import type { BenchContext, BenchStep, StepResult } from '../step.ts'
import { measureMergeRates, VALUE_COLUMNS } from './merge-rate.ts'
import type { Rate } from './timed.ts'
import { measureViewRates, type City } from './view-rate.ts'

/** The longest that a step should take at a time scale of 1. */
const STEP_MS = 10_000
/** Merging has six kinds of work, and opens two stores. */
const MERGE_PHASE_MS = 1_200
const MERGE_ROWS = 20_000
const VIEW_INSERTS = 12_000
const VIEW_UPDATES = 12_000
const COUNTRIES = 200

const WHERE =
  'Rates of merging and of views: one region in the process of the callers, on files of its own, ' +
  'while the deployment has nothing to do.'

/** The steps. */
export function rateSteps(): readonly BenchStep[] {
  return [
    { name: 'rate: CRDT merge', durationMs: STEP_MS, run: runMerge },
    { name: 'rate: view maintenance', durationMs: STEP_MS, run: runViews },
  ]
}

function runMerge(context: BenchContext): Promise<StepResult> {
  const { signal, timeScale } = context
  return inFolder(context, 'rate-merge', async (folder) => {
    const phaseMs = MERGE_PHASE_MS * timeScale
    const rates = await measureMergeRates({ folder, rows: MERGE_ROWS, phaseMs, signal })
    const kinds: readonly (readonly [string, Rate])[] = [
      [`import of rows of ${VALUE_COLUMNS} columns`, rates.importInserts],
      ['import of single columns', rates.importUpdates],
      ['in memory', rates.inMemory],
    ]
    const points = [
      ...kinds.map(([kind, rate]) => ofCore(`CRDT merge, ${kind}, a core`, rate)),
      ...kinds.map(([kind, rate]) => merged(`merging by the clock, ${kind}`, rate)),
      merged('libSQL bulk insert of the same rows', rates.rawInsert),
    ]
    return { growth: points, notes: [WHERE] }
  })
}

function runViews(context: BenchContext): Promise<StepResult> {
  const { seed, signal, timeScale } = context
  return inFolder(context, 'rate-views', async (folder) => {
    const { inserts, updates } = makeCities(seed, timeScale)
    const rates = await measureViewRates({ folder, inserts, updates, signal })
    const points = [
      changed('view maintenance, insertions', rates.inserts),
      changed('view maintenance, updates', rates.updates),
      changed('libSQL bulk upsert, insertions', rates.rawInserts),
      changed('libSQL bulk upsert, updates', rates.rawUpdates),
    ]
    return { growth: points, notes: [WHERE] }
  })
}

/** `count` is of column changes. */
function merged(series: string, { count, perSecond }: Rate): GrowthPoint {
  return { series, x: count, xUnit: 'column changes', y: perSecond, yUnit: 'column changes/s' }
}

/** A second of one core's time, of all threads of this process: what else runs does not count. */
function ofCore(series: string, rate: Rate): GrowthPoint {
  return { ...merged(series, rate), y: 1e6 / rate.cpuUs }
}

function changed(series: string, { count, perSecond }: Rate): GrowthPoint {
  return { series, x: count, xUnit: 'changes', y: perSecond, yUnit: 'changes/s' }
}

/** Rows of many tenants and groups, and new values for some of them. */
function makeCities(
  seed: number,
  timeScale: number,
): { readonly inserts: readonly City[]; readonly updates: readonly City[] } {
  const random = seededRandom(seed)
  const sized = (count: number): number => Math.max(1, Math.round(count * timeScale))
  const inserts = Array.from({ length: sized(VIEW_INSERTS) }, (_, id): City => {
    const country = `country-${random.below(COUNTRIES)}`
    const population = 1 + random.below(1_000_000)
    return {
      tenant: country,
      image: [id, `city ${id}`, country, population, random.below(90), random.below(180)],
    }
  })
  const updates = Array.from({ length: sized(VIEW_UPDATES) }, (): City => {
    const { tenant, image } = inserts[random.below(inserts.length)] as City
    const [id, name, country, , latitude, longitude] = image
    return { tenant, image: [id, name, country, random.below(1_000_000), latitude, longitude] }
  })
  return { inserts, updates }
}

/** A folder beside the deployment's data, gone afterwards. */
async function inFolder<T>(
  { target }: BenchContext,
  name: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = join(target.directory, name)
  await mkdir(folder, { recursive: true })
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
