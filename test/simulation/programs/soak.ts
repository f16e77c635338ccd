/**
 * Runs any number of seeds and prints figures: `npm run soak -- --seeds N [--from S] [--mutant NAME]
 * [--hash]`. Ends with 1 where a seed breaks a rule; prints it, and how to run it again.
 */
import { parseArgs } from 'node:util'
import { describeFailure, runSeeds } from '../strong/batch.ts'
import { MUTANTS } from '../strong/mutants.ts'
import { simulate, type RunReport } from '../strong/simulation.ts'

const TRACE_LINES = 40

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    hash: { type: 'boolean', default: false },
  },
})

function whole(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new Error(`--${name} must be a whole number above 0, not '${text}'.`)
}

const from = whole('from', values.from)
const seeds = whole('seeds', values.seeds)
const broken = values.mutant === undefined ? {} : MUTANTS[values.mutant]
if (broken === undefined) {
  throw new Error(`No mutant '${values.mutant}'. There are: ${Object.keys(MUTANTS).join(', ')}.`)
}

if (values.hash) {
  for (let seed = from; seed < from + seeds; seed++) {
    const { hash } = await simulate({ seed, ...broken })
    process.stdout.write(`${seed} ${hash}\n`)
  }
} else {
  const [beganMs, cpu] = [performance.now(), process.cpuUsage()]
  const onFailed = (run: RunReport): void => {
    const lines = seeds === 1 ? TRACE_LINES : 0
    process.stdout.write(`${describeFailure(run, lines, values.mutant)}\n`)
  }
  const report = await runSeeds({ from, seeds, onFailed, ...broken })
  const tookMs = performance.now() - beganMs
  const { user, system } = process.cpuUsage(cpu)
  const { operations, events, virtualMs, counters, failed } = report
  const lines = [
    ...counters.sorted().map(([name, count]) => `${name.padEnd(44)} ${count}`),
    `seeds ${report.seeds}, failed ${failed.length}, operations ${operations}, events ${events}`,
    `simulated ${(virtualMs / 3_600_000).toFixed(2)} h: ${Math.round(virtualMs / tookMs)} times real time, ` +
      `${Math.round((virtualMs * 1_000) / (user + system))} times the processor's`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
