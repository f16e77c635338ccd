/** `meridian history check`: judges a history that is there, of this command or of another program. */
import { readFile } from 'node:fs/promises'
import { parseHistory } from '../../../replication/verify/history.ts'
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type GivenOptions } from '../command.ts'
import type { Terminal } from '../terminal.ts'
import { judge, workloadOf } from './judge/judge.ts'
import { workloadOption } from './options.ts'
import { printJudgements } from './report.ts'
import { summarizeVerdict, summaryFileOf } from './run/summary.ts'

/** @throws MeridianError `INVALID_ARGUMENT` naming the line or the event that no history has */
export async function checkHistory(
  file: string,
  given: GivenOptions,
  terminal: Terminal,
): Promise<number> {
  const events = parseHistory(await readText(file))
  const workload = workloadOption(given) ?? workloadOf(events)
  const judgements = judge(workload, events)
  const isComplete = await wasComplete(file)
  const isGood = judgements.every((judgement) => judgement.isGood)
  if (given['json'] === true) {
    const verdicts = judgements.map(summarizeVerdict)
    terminal.line(
      JSON.stringify({ file, workload, events: events.length, isComplete, verdicts }, null, 2),
    )
  } else {
    terminal.line(`${file}: ${events.length} events of the workload ${workload}`)
    printJudgements(judgements, terminal)
    if (isComplete === false) {
      terminal.line(terminal.style('yellow', 'The run that recorded it was not ended in order.'))
    }
  }
  return isGood ? EXIT.ok : EXIT.failed
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new MeridianError('INVALID_ARGUMENT', `The history ${file} cannot be read.`, {
      fix: 'Check the path.',
      cause,
    })
  }
}

/** What the summary beside it says; `null`: there is none, as beside another program's file. */
async function wasComplete(file: string): Promise<boolean | null> {
  try {
    const summary = JSON.parse(await readFile(summaryFileOf(file), 'utf8')) as {
      readonly isComplete?: unknown
    }
    return summary.isComplete === true
  } catch {
    return null
  }
}
