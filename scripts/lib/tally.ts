/** Counts what a step proved: one for a check, every test for a test runner. */
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'

export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** What a line begins with that names something that was not tried, and why. */
export const SKIPPED_MARK = 'SKIPPED: '

export const ONE_PASSED: Tally = { passed: 1, failed: 0, skipped: 0 }
export const ONE_FAILED: Tally = { passed: 0, failed: 1, skipped: 0 }
export const ONE_SKIPPED: Tally = { passed: 0, failed: 0, skipped: 1 }

const VitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
})

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  }
}

/** `N passed, N failed, N skipped`. */
export function formatTally({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

/** Reads the totals that Vitest wrote with its JSON reporter; `undefined` if it wrote none. */
export function readVitestReport(file: string): Tally | undefined {
  if (!existsSync(file)) return undefined
  const report = VitestReport.parse(JSON.parse(readFileSync(file, 'utf8')))
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

/** Reads the line `Tests: 1 failed, 2 passed, 3 total` that TSTyche prints at its end. */
export function readTstycheOutput(output: string): Tally | undefined {
  const line = /^Tests:\s.*total$/m.exec(output)?.[0]
  if (line === undefined) return undefined
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0)
  return {
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped') + count('todo'),
  }
}

/**
 * Settles a runner's totals with its exit code: a run that failed counts a failure even if every
 * test passed (an unhandled rejection), and a run without any test proves nothing.
 */
export function settleTally(ok: boolean, counted: Tally | undefined): Tally {
  if (counted === undefined) return ONE_FAILED
  const isEmpty = counted.passed + counted.failed + counted.skipped === 0
  const isUnexplained = !ok && counted.failed === 0
  return isEmpty || isUnexplained ? addTallies(counted, ONE_FAILED) : counted
}
