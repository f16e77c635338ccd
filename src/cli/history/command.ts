/** `meridian history`: record what clients see while things go wrong, and judge it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replaceFile } from '../../../benchmarks/report/write-reports.ts'
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type Command } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import { withProgress, type Progress } from '../progress.ts'
import type { Terminal } from '../terminal.ts'
import { checkHistory } from './check.ts'
import { judge } from './judge/judge.ts'
import { commandLine, HISTORY_OPTIONS, readRecordOptions, type RecordOptions } from './options.ts'
import { printRun } from './report.ts'
import { recordHistory, type Recorded, type RecordProgress } from './run/record-history.ts'
import { summarize, summaryFileOf } from './run/summary.ts'

const DESCRIPTION = `Runs a workload on strong tables through clients in every region, breaks things meanwhile, heals
them, reads everything once more from every region, and writes what was asked and answered as JSON
lines (docs/spec/histories.md). Checkers judge it then.

Workloads:
  register     reads, writes and compare-and-set of registers: linearizable, each
  list-append  transactions that read lists and append to them: strictly serializable
  bank         transfers and reads of all accounts: no money appears or is lost

Nemeses of real engines; each fault is drawn from the seed, and healed:
  kill-node    SIGKILL to a node, which is started again
  pause-node   SIGSTOP, then SIGCONT
  kill-etcd    the same of a member of etcd, of the leader in half of the cases
  pause-etcd
  partition    at the proxies: two regions, or one and all others; connections are reset and
               refused, or nothing passes and nobody is told
  clock        the wall clock of a node jumps by 2 s or 1 h, and back; takes libfaketime
  disk-full    the disk of a store has no byte left; takes root, which mounts it
Embedded regions have partition alone.

Beside FILE, FILE.faults.jsonl says what was broken when, FILE.summary.json what came of it.

  meridian history check FILE    judges a file that is there, of this or another program

Ends with exit code 1 if a checker finds an anomaly, or a region does not come back after the
faults; 2 where an option or a history is wrong. Ctrl-C ends it in order and leaves the history so
far, which its summary calls incomplete.

Examples:
  meridian history --workload register --out register.jsonl
  meridian history --workload bank --engines real --seconds 60 --nemesis kill-node,partition --out bank.jsonl
  meridian history check bank.jsonl`

/** The command. */
export const historyCommand: Command = {
  description: DESCRIPTION,
  argument: { placeholder: '[check]', summary: 'Judge a history that is there.' },
  operand: { placeholder: '[FILE]', summary: 'check: the history.' },
  options: HISTORY_OPTIONS,
  async run(given, terminal, action, operand) {
    if (action === 'check') return checkHistory(requireFile(operand), given, terminal)
    if (action !== undefined) {
      throw new MeridianError('INVALID_ARGUMENT', `There is no action \`${action}\`.`, {
        fix: 'There is `check FILE`; without an action a history is recorded.',
      })
    }
    return record(await readRecordOptions(given), terminal)
  },
}

function requireFile(file: string | undefined): string {
  if (file !== undefined && file !== '') return file
  throw new MeridianError('INVALID_ARGUMENT', 'Which history to check is missing.', {
    fix: 'Write `meridian history check FILE`.',
  })
}

async function record(options: RecordOptions, terminal: Terminal): Promise<number> {
  terminal.note(commandLine(options))
  const { recorded, isInterrupted } = await withInterrupts(terminal, async (signal) => ({
    recorded: await inTemporaryFolder(options, terminal, (directory) =>
      watch(options, directory, signal, terminal),
    ),
    isInterrupted: signal.aborted,
  }))
  const judgements = judge(options.workload, recorded.events)
  const summary = summarize(options, recorded, judgements)
  const text = JSON.stringify(summary, null, 2)
  await replaceFile(summaryFileOf(options.out), `${text}\n`)
  if (options.isJson) terminal.line(text)
  else printRun(summary, judgements, terminal)
  if (judgements.some(({ isGood }) => !isGood)) return EXIT.failed
  if (isInterrupted) return EXIT.interrupted
  return recorded.problem === undefined ? EXIT.ok : EXIT.failed
}

function watch(
  options: RecordOptions,
  directory: string,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<Recorded> {
  const seconds = options.forMs / 1000
  return withProgress(terminal, 'History', seconds, (progress) => {
    let latest: RecordProgress | undefined
    let phase = ''
    const show = (): void => progress.update(...shown(latest, phase, seconds))
    return recordHistory(options, {
      ...{ directory, signal },
      onPhase: (next) => {
        phase = next
        show()
      },
      onNotice: (notice) => {
        phase = phase === '' ? '' : notice
        show()
      },
      onProgress: (next) => {
        latest = next
        show()
      },
    })
  })
}

function shown(
  latest: RecordProgress | undefined,
  phase: string,
  seconds: number,
): Parameters<Progress['update']> {
  if (latest === undefined) return [0, phase]
  const { elapsedMs, operations, unknown, faults, underWay } = latest
  const parts = [
    `${operations} operations, ${unknown} unknown, ${faults} faults`,
    phase === '' ? underWay.join('; ') : phase,
  ]
  const done = Math.min(seconds, Math.floor(elapsedMs / 1000))
  return [done, parts.filter((part) => part !== '').join(' | ')]
}

async function inTemporaryFolder<T>(
  { keep }: RecordOptions,
  terminal: Terminal,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'meridian-history-'))
  try {
    return await work(folder)
  } finally {
    if (keep) terminal.note(`The data and logs are in ${folder}.`)
    else await rm(folder, { recursive: true, force: true })
  }
}
