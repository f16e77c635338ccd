/** The committed bounds of the regression gate. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { packageRoot } from '../../src/node/package-root.ts'

const Quantile = z.enum(['p50', 'p95', 'p99'])

const Bound = z.strictObject({
  op: z.string(),
  mode: z.enum(['strong', 'pinned', 'eventual']),
  origin: z.string(),
  home: z.string().nullable(),
  level: z.string().nullable(),
  /** What is judged: this quantile, less the limit between regions where the call has one. */
  quantile: Quantile,
  /**
   * What it is divided by: a raw engine's quantile in the same run, plus how late calls of the cell
   * began (p95), which is what the machine did to everybody.
   */
  over: z.strictObject({ peer: z.string(), op: z.string(), quantile: Quantile }),
  atMost: z.number().positive(),
  /** What the bound protects. */
  comment: z.string().min(1),
})

const ThresholdsFile = z.strictObject({
  comment: z.string().min(1),
  topology: z.string(),
  engines: z.enum(['embedded', 'real']),
  bounds: z.array(Bound).min(1),
})

/** A bound on one cell, as a ratio. */
export type Bound = z.infer<typeof Bound>

/** All bounds, and the deployment that they are for. */
export type Thresholds = z.infer<typeof ThresholdsFile>

/** The bounds of `benchmarks/thresholds.json`. */
export function readThresholds(): Thresholds {
  const path = join(packageRoot(), 'benchmarks', 'thresholds.json')
  return ThresholdsFile.parse(JSON.parse(readFileSync(path, 'utf8')))
}
