/** Loads the cities: each region's client sends the rows of the tenants that are at home there. */
import type { Progress } from '../progress.ts'
import { forEachConcurrently, untilInterrupted } from '../../../benchmarks/concurrency.ts'
import type { CityRow, Dataset } from './dataset.ts'
import { unlessThere } from './prepare.ts'
import type { LoadPoint, LoadResult } from './result.ts'
import type { DemoSession } from './session.ts'

const BATCH_ROWS = 1000
/** Batches under way in a region: one is written while the next is on its way. */
const BATCHES_AT_ONCE = 4
const CURVE_PERIOD_MS = 100
const SETTLE_TIMEOUT_MS = 300_000

interface Batch {
  readonly tenant: string
  readonly number: number
  readonly rows: readonly CityRow[]
}

/**
 * Loads all rows and waits until every replica and view holds them. A batch is one transaction
 * under a key of its own: loading again, after whatever end, leaves each row there once.
 */
export async function loadCities(
  session: DemoSession,
  dataset: Dataset,
  progress: Progress,
  signal: AbortSignal,
): Promise<LoadResult> {
  const meter = await startMeter(session, dataset.rows, progress)
  try {
    await Promise.all(
      session.regions.map((region) =>
        forEachConcurrently(batchesOf(dataset, region), BATCHES_AT_ONCE, signal, async (batch) => {
          const { cities } = session.db(region).tenant(batch.tenant)
          const idempotencyKey = `load-${batch.number}-${batch.rows.length}`
          await unlessThere(cities.insertMany(batch.rows, { idempotencyKey }))
          meter.acknowledge(batch.rows.length)
        }),
      ),
    )
    meter.markAcknowledged()
    await untilInterrupted(signal, session.running.settle({ timeoutMs: SETTLE_TIMEOUT_MS }))
    return meter.finish()
  } finally {
    meter.stop()
  }
}

function* batchesOf(dataset: Dataset, region: string): Generator<Batch> {
  for (const { code, home, cities } of dataset.countries) {
    if (home !== region) continue
    for (let at = 0; at < cities.length; at += BATCH_ROWS) {
      const rows = cities.slice(at, at + BATCH_ROWS)
      yield { tenant: code, number: at / BATCH_ROWS, rows }
    }
  }
}

interface LoadMeter {
  acknowledge(rows: number): void
  markAcknowledged(): void
  finish(): LoadResult
  stop(): void
}

/** Samples how far the load has come. */
async function startMeter(
  session: DemoSession,
  total: number,
  progress: Progress,
): Promise<LoadMeter> {
  const startedAtMs = performance.now()
  const curve: LoadPoint[] = [{ atMs: 0, acknowledged: 0, everywhere: 0 }]
  const before = await viewPositions(session)
  let acknowledged = 0
  let acknowledgedMs = 0
  const sample = (everywhere: number): void => {
    curve.push({ atMs: performance.now() - startedAtMs, acknowledged, everywhere })
    const waiting = acknowledged === total && everywhere < total
    progress.update(everywhere, waiting ? 'replicas and views catch up' : '')
  }
  let isAsking = false
  const look = async (): Promise<void> => {
    if (isAsking) return
    isAsking = true
    try {
      // Nothing but the load changes rows now, so that positions count its rows.
      const positions = await viewPositions(session)
      sample(Math.min(acknowledged, ...positions.map((at, i) => at - (before[i] ?? 0))))
    } catch {
      // A curve may lack a point; the load itself says what is wrong.
    } finally {
      isAsking = false
    }
  }
  const timer = setInterval(() => void look(), CURVE_PERIOD_MS)
  return {
    acknowledge(rows) {
      acknowledged += rows
    },
    markAcknowledged() {
      acknowledgedMs = performance.now() - startedAtMs
    },
    finish() {
      const settledMs = performance.now() - startedAtMs
      sample(total)
      return { rows: acknowledged, acknowledgedMs, settledMs, curve }
    },
    stop: () => clearInterval(timer),
  }
}

async function viewPositions(session: DemoSession): Promise<readonly number[]> {
  return (await session.running.progress()).map((node) => node.viewPosition)
}
