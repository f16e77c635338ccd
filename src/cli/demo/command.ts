/** `meridian demo`: load the world's cities into three regions, work on them, check everything. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type Command } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import type { Terminal } from '../terminal.ts'
import { DEMO_OPTIONS, readDemoOptions, type DemoOptions } from './options.ts'
import { printResult } from './print.ts'
import { renderReport } from './report/report.ts'
import { runDemo, type DemoRun } from './run-demo.ts'
import { openDemo, readDemoConfig } from './session.ts'

const DESCRIPTION = `Opens three regions (us-east, eu-west, ap-south) in this process, each with its own database
files, and delays messages between them as distance does. Loads 135,233 cities through the
public client, then reads and writes from every region in all three consistency modes, and
checks what Meridian promises. Ends with exit code 1 if a check fails.

With --processes every region is a \`meridian node\` of its own, with tokens and keys, and clients come
over HTTP; whatever passes between regions crosses a proxy that delays it.

With --engines real each region has a Kafka, a Redis, a store and a node as processes, and all have
three members of etcd, as \`meridian cluster\` starts them.

Delays at --scale 1 are 40 ms (us-east - eu-west), 95 ms (us-east - ap-south) and 60 ms
(eu-west - ap-south) one way; the default shrinks them to a tenth, to be quick.`

/** The command. */
export const demoCommand: Command = {
  description: DESCRIPTION,
  options: DEMO_OPTIONS,
  async run(given, terminal) {
    const options = readDemoOptions(given)
    const config = await readDemoConfig(options)
    const run = await withInterrupts(terminal, async (signal) => {
      const session = await openDemo(config, options, (notice) => terminal.note(`  ${notice}`))
      try {
        return await runDemo(session, options, terminal, signal)
      } finally {
        await session.close()
      }
    })
    await writeResults(run, options, terminal)
    return run.result.checks.every((check) => check.passed) ? EXIT.ok : EXIT.failed
  },
}

async function writeResults(
  { result, dots }: DemoRun,
  options: DemoOptions,
  terminal: Terminal,
): Promise<void> {
  await write(options.reportFile, renderReport(result, dots))
  if (options.jsonFile !== undefined) {
    await write(options.jsonFile, `${JSON.stringify(result, null, 2)}\n`)
  }
  printResult(result, terminal)
  terminal.line()
  terminal.line(`Report: ${resolve(options.reportFile)}`)
  if (options.jsonFile !== undefined) terminal.line(`JSON:   ${resolve(options.jsonFile)}`)
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (error) {
    throw new MeridianError('INVALID_ARGUMENT', `The file ${path} cannot be written.`, {
      fix: 'Check that its folder exists.',
      cause: error,
    })
  }
}
