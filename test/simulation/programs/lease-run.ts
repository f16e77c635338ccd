/**
 * Runs one seed of the simulation of log leases and prints what came of it, as JSON; ends with 1 if
 * something is wrong. `--operations` prints what clients saw as well.
 */
import { parseArgs } from 'node:util'
import { complaint, runSeed } from '../leases/run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    phase: { type: 'string', default: '2' },
    drift: { type: 'string', default: '0.02' },
    mutation: { type: 'string', default: '' },
    operations: { type: 'boolean', default: false },
  },
})
const names = values.mutation.split(',').filter((name) => name !== '')
const run = runSeed({
  seed: Number(values.seed),
  phase: values.phase === '1' ? 1 : 2,
  driftRate: Number(values.drift),
  mutation: Object.fromEntries(names.map((name) => [name, true])),
  heals: names.length === 0,
  encodes: Number(values.seed) % 10 === 0,
})
const wrong = complaint(run)
const { traceHash, events, simulatedMs, log, operations, logOrder, registers, unsettled } = run
console.log(
  JSON.stringify({
    traceHash,
    events,
    simulatedMs,
    records: log.length,
    operations: values.operations ? operations : operations.length,
    logOrder,
    registers,
    unsettled,
  }),
)
if (wrong !== undefined) process.exitCode = 1
