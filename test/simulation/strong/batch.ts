/** Many seeds one after another, and the figures of all of them. */
import { Counters } from '../world/counters.ts'
import type { Plan } from './plan.ts'
import { simulate, type Mutants, type RunReport } from './simulation.ts'

/** What came of a batch. */
export interface BatchReport {
  readonly seeds: number
  readonly operations: number
  readonly events: number
  readonly virtualMs: number
  readonly counters: Counters
  /** Runs that broke a rule. */
  readonly failed: readonly RunReport[]
}

/** Which seeds, and how. */
export interface BatchOptions {
  readonly from: number
  readonly seeds: number
  readonly mutants?: Mutants
  /** Changes what seeds draw. */
  readonly adapt?: (plan: Plan) => Plan
  /** Ends the batch behind this many failed runs. */
  readonly maxFailed?: number
  /** Told of each at once. */
  readonly onFailed?: (run: RunReport) => void
}

/** Runs seeds `from` to `from + seeds - 1`. */
export async function runSeeds(options: BatchOptions): Promise<BatchReport> {
  const { from, seeds, maxFailed = Number.POSITIVE_INFINITY } = options
  const counters = new Counters()
  const failed: RunReport[] = []
  let [operations, events, virtualMs, done] = [0, 0, 0, 0]
  for (let seed = from; seed < from + seeds && failed.length < maxFailed; seed++) {
    const report = await simulate({ ...options, seed })
    operations += report.operations
    events += report.events
    virtualMs += report.virtualMs
    done += 1
    counters.addAll(report.counters)
    if (report.violations.length === 0) continue
    const checks = new Set(report.violations.map((violation) => violation.split(':', 1)[0]))
    // Runs by what saw it: a mutant may be seen by several.
    for (const check of checks) counters.add(`seen-by.${check}`)
    failed.push(report)
    options.onFailed?.(report)
  }
  return { seeds: done, operations, events, virtualMs, counters, failed }
}

/** A failed run for people: what broke, how to see it again, and what happened last. */
export function describeFailure(report: RunReport, lines: number, mutant?: string): string {
  const { seed, violations, last } = report
  const broken = mutant === undefined ? '' : ` --mutant ${mutant}`
  return [
    `seed ${seed} fails; replay: npm run soak -- --seeds 1 --from ${seed}${broken}`,
    ...violations.slice(0, 5).map((violation) => `  ${violation.slice(0, 500)}`),
    ...last.slice(last.length - lines).map((line) => `    ${line.slice(0, 200)}`),
  ].join('\n')
}
