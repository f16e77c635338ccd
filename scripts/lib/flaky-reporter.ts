/**
 * A Vitest reporter: names every test that passed only at a second attempt. Such a run is green,
 * since the machine may have stood still; but nobody overlooks the test.
 */
import type { Reporter, TestCase } from 'vitest/node'

/** What a line begins with that names such a test. */
export const FLAKY_MARK = 'FLAKY: '

class FlakyReporter implements Reporter {
  onTestCaseResult(testCase: TestCase): void {
    if (testCase.diagnostic()?.flaky !== true) return
    console.log(`${FLAKY_MARK}${testCase.module.relativeModuleId} > ${testCase.fullName}`)
  }
}

// Vitest takes a reporter from a file by its default export.
// oxlint-disable-next-line import/no-default-export
export default FlakyReporter
