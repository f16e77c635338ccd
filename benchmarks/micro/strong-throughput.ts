/**
 * Strong transactions a second over three regions, single rows and one hot counter, what they cost
 * in CPU by process, and the bare puts a second of the etcd beneath.
 *
 * Usage: npx tsx benchmarks/micro/strong-throughput.ts --help
 */
import { asMeridianError } from '../../src/core/errors.ts'
import { measureThroughput } from '../throughput/measure-throughput.ts'
import { HELP, readOptions } from '../throughput/options.ts'
import { formatSummary } from '../throughput/summary.ts'

try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(HELP)
  else {
    await measureThroughput(options, (summary) => {
      console.log(options.json ? JSON.stringify(summary) : `${formatSummary(summary)}\n`)
    })
  }
} catch (thrown) {
  const { code, message } = asMeridianError(thrown)
  console.error(`${code}: ${message}`)
  process.exitCode = 1
}
