/** Runs steps, says how each went, and counts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand, type CommandResult } from './command.ts'
import { FLAKY_MARK } from './flaky-reporter.ts'
import { readScripts } from './package-json.ts'
import { schedule } from './schedule.ts'
import { progressBar, StatusLine } from './status-line.ts'
import type { Step } from './steps.ts'
import {
  addTallies,
  formatTally,
  ONE_FAILED,
  ONE_PASSED,
  ONE_SKIPPED,
  readTstycheOutput,
  readVitestReport,
  settleTally,
  SKIPPED_MARK,
  type Tally,
} from './tally.ts'

const FLAKY_REPORTER = '--reporter=./scripts/lib/flaky-reporter.ts'
const NAME_WIDTH = 18
const TIME_WIDTH = 8

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function tallyOf(step: Step, result: CommandResult, reportFile: string): Tally {
  if (step.counts === 'vitest') return settleTally(result.ok, readVitestReport(reportFile))
  if (step.counts === 'tstyche') return settleTally(result.ok, readTstycheOutput(result.output))
  return result.ok ? ONE_PASSED : ONE_FAILED
}

export class Verification {
  readonly #steps: readonly Step[]
  readonly #scripts = readScripts()
  readonly #reportFolder = mkdtempSync(join(tmpdir(), 'meridian-verify-'))
  readonly #running = new Set<string>()
  readonly #failed: string[] = []
  /** What was not tried, and tests that passed at their second attempt only. */
  readonly #remarks: string[] = []
  readonly #startedAt = Date.now()
  readonly #status = new StatusLine(() => this.#describe())
  #done = 0
  #tally: Tally = { passed: 0, failed: 0, skipped: 0 }

  constructor(steps: readonly Step[]) {
    this.#steps = steps
  }

  /** Runs every step and prints the count as the last line; true if nothing failed. */
  async run(): Promise<boolean> {
    try {
      await schedule(
        this.#steps,
        (step) => this.#runStep(step),
        (step) => this.#skipStep(step),
      )
    } finally {
      this.#status.stop()
      rmSync(this.#reportFolder, { recursive: true, force: true })
    }
    for (const line of this.#remarks) console.log(line)
    if (this.#failed.length > 0) console.log(`\nFailed: ${this.#failed.join(', ')}`)
    console.log(formatTally(this.#tally))
    return this.#failed.length === 0
  }

  async #runStep(step: Step): Promise<boolean> {
    const script = this.#scripts[step.name]
    if (script === undefined) throw new Error(`package.json has no script ${step.name}.`)
    const reportFile = join(this.#reportFolder, `${step.name.replace(':', '-')}.json`)
    const reporters = `--reporter=default ${FLAKY_REPORTER} --reporter=json --outputFile.json="${reportFile}"`
    const commandLine = step.counts === 'vitest' ? `${script} ${reporters}` : script
    this.#running.add(step.name)
    const result = await runCommand(commandLine, step.timeoutMs)
    this.#running.delete(step.name)

    const tally = tallyOf(step, result, reportFile)
    const passed = result.ok && tally.failed === 0
    const lines = result.output.split('\n')
    const skipped = lines.filter((line) => line.startsWith(SKIPPED_MARK))
    this.#finish({ ...tally, skipped: tally.skipped + skipped.length })
    this.#remarks.push(...skipped, ...lines.filter((line) => line.startsWith(FLAKY_MARK)))
    if (!passed) this.#failed.push(step.name)
    const detail = step.counts === 'step' ? '' : `  ${formatTally(tally)}`
    this.#print(passed ? 'ok' : 'FAIL', step, seconds(result.elapsedMs), detail)
    if (!passed) this.#status.print(`\n$ ${script}\n${result.output}`)
    return passed
  }

  #skipStep(step: Step): void {
    this.#print('skip', step, '', `  needs ${step.needs}`)
    this.#finish(ONE_SKIPPED)
  }

  #print(word: string, step: Step, time: string, detail: string): void {
    const columns = [word.padEnd(4), step.name.padEnd(NAME_WIDTH), time.padStart(TIME_WIDTH)]
    this.#status.print(columns.join('  ') + detail)
  }

  #finish(tally: Tally): void {
    this.#tally = addTallies(this.#tally, tally)
    this.#done++
  }

  #describe(): string {
    const elapsed = seconds(Date.now() - this.#startedAt)
    const running = [...this.#running].join(', ')
    return `${progressBar(this.#done, this.#steps.length)} steps, ${elapsed}: ${running}`
  }
}
