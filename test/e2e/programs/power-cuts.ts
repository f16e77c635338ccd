/** Program: cuts the power of a region's disk under load. `npm run power-cuts -- --help` */
import { parseArgs } from 'node:util'
import { runInPlace, settleInPlace, whyNoPlace } from '../power-cut/own-place.ts'
import { cutLine, skipLine, totalLines, totalOf } from '../power-cut/report.ts'
import { proveRig, runCuts, type CutReport } from '../power-cut/rig.ts'

const HELP = `Usage: npm run power-cuts -- [options]

Runs a region whose files are on a disk of their own, cuts the power of the disk while clients write
(what was not forced to it is gone), starts the region again and looks for every acknowledged write.
Takes root on Linux. Nothing is left behind, however it ends.

  --cuts N                     how often (default 20)
  --seed S                     how much is written before each cut, and what (default: drawn)
  --log file|etcd              what keeps the order of strong writes (default file)
  --synchronous full|normal    normal: must fail; commits are not forced to the disk (default full)
  --json                       a line of JSON for each cut, and one for all

Ends with 0 when nothing was lost, with 1 when something was, with 77 when it cannot run here.`

const USAGE = 2
/** As test harnesses have it (automake). */
const SKIPPED = 77

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    log: { type: 'string', default: 'file' },
    synchronous: { type: 'string', default: 'full' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    inside: { type: 'boolean', default: false },
  },
})

function wrong(message: string): never {
  console.error(`${message}\n\n${HELP}`)
  process.exit(USAGE)
}

function wholeNumber(name: 'cuts' | 'seed', least: number): number {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= least) return number
  wrong(`--${name} is a whole number from ${least}.`)
}

function oneOf<T extends string>(name: 'log' | 'synchronous', allowed: readonly T[]): T {
  const found = allowed.find((word) => word === values[name])
  return found ?? wrong(`--${name} is ${allowed.join(' or ')}.`)
}

const options = {
  cuts: wholeNumber('cuts', 1),
  seed: wholeNumber('seed', 0),
  log: oneOf('log', ['file', 'etcd']),
  synchronous: oneOf('synchronous', ['full', 'normal']),
}

async function outside(): Promise<number> {
  const reason = await whyNoPlace(options.log === 'etcd')
  if (reason !== undefined) {
    console.log(skipLine(reason))
    return SKIPPED
  }
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  return runInPlace([...given, ...(values.json ? ['--json'] : []), '--inside'])
}

async function inside(): Promise<number> {
  const folder = await settleInPlace(`power-cuts-${options.seed}`)
  try {
    await proveRig(folder)
  } catch (error) {
    console.log(skipLine((error as Error).message))
    return SKIPPED
  }
  const say = (event: 'cut' | 'total', content: object, lines: readonly string[]): void => {
    if (values.json) console.log(JSON.stringify({ event, ...content }))
    else for (const line of lines) console.log(line)
  }
  const onCut = (report: CutReport): void => say('cut', report, [cutLine(report)])
  const total = totalOf(options, await runCuts({ ...options, folder, onCut }))
  say('total', total, totalLines(total))
  return total.isGood ? 0 : 1
}

if (values.help) console.log(HELP)
// Whatever still runs inside ends with this process.
else process.exit(values.inside ? await inside() : await outside())
