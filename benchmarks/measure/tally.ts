/** Counts calls, and records how long they took. */
import { MeridianError } from '../../src/core/errors.ts'
import type { CellLoad } from './cell.ts'
import { createHistogram, recordMs } from './histogram.ts'
import { levelName } from './level-name.ts'
import type { CallReport } from './loop.ts'
import type { Recording } from './summarize.ts'

/** What a loop counts. Every attempted call ends as one that succeeded or failed. */
export class Tally {
  readonly #latencies = createHistogram()
  readonly #latenesses = createHistogram()
  readonly #stalenesses = createHistogram()
  readonly #errors = new Map<string, number>()
  readonly #levels = new Map<string, number>()
  #attempted = 0
  #succeeded = 0
  #failed = 0
  #retried = 0

  /** A call is about to be made, so much after it was due. */
  attempt(lateMs: number | undefined): void {
    this.#attempted++
    if (lateMs !== undefined) recordMs(this.#latenesses, lateMs)
  }

  /** An attempted call succeeded. A report of durations that are none makes it one that failed. */
  succeed(report: CallReport, measuredMs: number): void {
    const { level, needed = 1, attempts = needed } = report
    const latencyMs = report.latencyMs ?? measuredMs
    const stalenessMs = report.stalenessMs ?? undefined
    if (!Number.isFinite(latencyMs) || !Number.isFinite(stalenessMs ?? 0)) {
      this.fail('INVALID_VALUE')
      return
    }
    recordMs(this.#latencies, latencyMs)
    if (stalenessMs !== undefined) recordMs(this.#stalenesses, stalenessMs)
    if (level !== undefined) increment(this.#levels, levelName(level))
    this.#retried += Math.max(0, attempts - needed)
    this.#succeeded++
  }

  /** An attempted call failed. */
  fail(name: string): void {
    this.#failed++
    increment(this.#errors, name)
  }

  /** Calls that succeeded. */
  get succeeded(): number {
    return this.#succeeded
  }

  /** What was found. */
  recording(
    load: CellLoad & Pick<Recording, 'durationMs' | 'callsMade' | 'sharesThread'>,
  ): Recording {
    return {
      ...load,
      attempted: this.#attempted,
      succeeded: this.#succeeded,
      failed: this.#failed,
      retried: this.#retried,
      errors: Object.fromEntries(this.#errors),
      levels: Object.fromEntries(this.#levels),
      latencies: this.#latencies,
      latenesses: this.#latenesses,
      stalenesses: this.#stalenesses,
    }
  }
}

/** A failure's name: its code; of foreign errors the name, or the code where that says more. */
export function failureName(error: unknown): string {
  if (error instanceof MeridianError) return error.code
  if (!(error instanceof Error)) return 'unknown'
  const { name, code } = error as Error & { readonly code?: unknown }
  return name.toLowerCase() === 'error' && typeof code === 'string' ? code : name
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
