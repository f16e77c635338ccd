/** The form of a result's JSON, checked when one is read. Field by field: docs/spec/bench-result.md. */
import { z } from 'zod'
import { BUDGET_ROWS } from '../cells/budgets.ts'

const ms = z.number().nonnegative()
const maybeMs = ms.nullable()
const count = z.int().nonnegative()
const counts = z.record(z.string(), count)

const generator = z.strictObject({
  lateP95Ms: z.number().nullable(),
  lateP50Ms: z.number().nullable(),
  isLate: z.boolean(),
})

/** What cells of both kinds have. */
const measured = {
  loop: z.enum(['open', 'closed']),
  rateOpsPerSecond: z.number().nonnegative(),
  concurrency: count,
  attempted: count,
  succeeded: count,
  failed: count,
  retried: count,
  errors: counts,
  levels: counts,
  n: count,
  p50Ms: maybeMs,
  p95Ms: maybeMs,
  p99Ms: maybeMs,
  p999Ms: maybeMs,
  networkMs: ms,
  generator,
  repetitionP95Ms: z.array(maybeMs),
}

const level = z.union([
  z.enum(['strong', 'session', 'stale']),
  z.strictObject({ maxStalenessMs: ms }),
])

const cell = z.strictObject({
  op: z.string(),
  mode: z.enum(['strong', 'pinned', 'eventual']),
  origin: z.string(),
  home: z.string().nullable(),
  level: level.nullable(),
  ...measured,
  rawEngineP95Ms: maybeMs,
  limitMs: maybeMs,
  p95OverLimit: ms.nullable(),
  stalenessP95Ms: maybeMs,
  crossRegionBytesPerOp: z.number().nonnegative().nullable(),
  cpuMsPerOp: maybeMs,
  budgets: z.array(
    z.strictObject({
      text: z.string(),
      quantile: z.enum(['p50', 'p95', 'p99']),
      boundMs: ms,
      holds: z.boolean().nullable(),
    }),
  ),
})

const peer = z.strictObject({
  peer: z.string(),
  version: z.string(),
  op: z.string(),
  origin: z.string(),
  home: z.string().nullable(),
  durability: z.string(),
  ...measured,
})

const growthPoint = z.strictObject({
  series: z.string(),
  x: z.number(),
  xUnit: z.string(),
  y: z.number(),
  yUnit: z.string(),
})

const environment = z.strictObject({
  meridian: z.string(),
  commit: z.string().nullable(),
  isModified: z.boolean().nullable(),
  node: z.string(),
  os: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  cpuModel: z.string(),
  cores: count,
  cpuQuotaCores: z.number().nullable(),
  memoryBytes: count,
  fileSystem: z
    .strictObject({ type: z.string(), source: z.string(), mountPoint: z.string() })
    .nullable(),
  fsync: z.strictObject({ n: count, p50Ms: maybeMs, p99Ms: maybeMs }).nullable(),
  loadAverage: z.array(z.number()),
  engines: z.record(z.string(), z.string()),
  notes: z.array(z.string()),
})

/** A round trip less the delays may come out below 0, by less than a clock tells. */
const added = z.strictObject({ p50: z.number(), p99: z.number() })

const wan = z.strictObject({
  delayMs: ms,
  n: count,
  addedMs: added,
  addedWithoutDelayMs: added,
  directMs: added,
  isPreferred: z.boolean().optional(),
})

const budgetRow = z.strictObject({
  name: z.enum(BUDGET_ROWS.map(({ name }) => name)),
  path: z.string(),
  limit: z.string(),
  bound: z.string(),
  verdict: z.enum(['holds', 'misses', 'not measured', 'not built']),
  reason: z.string().nullable(),
  measures: z.array(
    z.strictObject({
      of: z.string(),
      cell: count.nullable(),
      text: z.string(),
      quantile: z.enum(['p50', 'p95', 'p99']).nullable(),
      unit: z.string(),
      measured: z.number().nullable(),
      bound: z.number(),
      boundIs: z.enum(['most', 'least']),
      holds: z.boolean().nullable(),
    }),
  ),
})

/** A result of version 1. */
export const resultSchema = z.strictObject({
  version: z.literal(1),
  profile: z.string(),
  engines: z.enum(['embedded', 'real']),
  command: z.string(),
  deployment: z.string(),
  topologyName: z.string(),
  topology: z.strictObject({ regions: z.array(z.string()), oneWayMs: z.record(z.string(), ms) }),
  leader: z.string(),
  seed: z.number(),
  timeScale: z.number().positive(),
  repetitions: count,
  startedAt: z.iso.datetime(),
  elapsedMs: ms,
  isComplete: z.boolean(),
  environment,
  cpuStealShare: z.number().min(0).max(1).nullable(),
  wan: wan.nullable(),
  cells: z.array(cell),
  peers: z.array(peer),
  growth: z.array(growthPoint),
  notes: z.array(z.string()),
  budget: z.array(budgetRow),
  histograms: z.array(z.strictObject({ name: z.string(), file: z.string() })),
})
