/** `meridian strong skip`: passes over a record that stopped its group in every region. */
import type { SkipReport } from '../../../replication/strong/skip-record.ts'
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type GivenOptions } from '../command.ts'
import { textOption } from '../option-values.ts'
import type { Terminal } from '../terminal.ts'
import { act, requireRegion } from './act.ts'
import { readStrongDeployment } from './ask-deployment.ts'
import { left, printTable, right } from './print-view.ts'

/**
 * Shows the record and who stopped at it; with `--yes` has it skipped.
 *
 * @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID`, `REGION_UNKNOWN`, `REGION_UNREACHABLE`, and
 * what `skipRecord` says
 */
export async function runSkip(
  given: GivenOptions,
  terminal: Terminal,
  group: string | undefined,
  at: string | undefined,
): Promise<number> {
  const index = indexOf(group, at)
  const deployment = await readStrongDeployment(given)
  const without = textOption(given, 'without')?.split(',') ?? []
  for (const region of without) requireRegion(deployment, region)
  const isDryRun = given['dry-run'] === true || given['yes'] !== true
  const body = { group, index, dryRun: isDryRun, without }
  const report = await act<SkipReport>(deployment, given, 'skip', body)
  if (given['json'] === true) terminal.line(JSON.stringify(report, null, 2))
  else print(report, terminal)
  return report.regions.every(({ refusal }) => refusal === null) ? EXIT.ok : EXIT.failed
}

function indexOf(group: string | undefined, at: string | undefined): number {
  const index = Number(at)
  if (group !== undefined && Number.isSafeInteger(index) && index >= 1) return index
  throw new MeridianError('INVALID_ARGUMENT', 'A log group and the index of a record are wanted.', {
    fix: '`meridian strong status` shows where groups have stopped.',
  })
}

function print({ group, index, record, regions, skippedAt }: SkipReport, terminal: Terminal): void {
  const { id, bytes, kind, appendedAtMs, commands } = record
  const what = kind ?? 'unreadable'
  const when = appendedAtMs === null ? '' : `, appended ${new Date(appendedAtMs).toISOString()}`
  terminal.heading(`Record ${index} of ${group}: ${what}, ${bytes} bytes, id ${id}${when}`)
  for (const command of commands ?? []) terminal.line(JSON.stringify(command))
  if (commands === null) terminal.line('What it holds cannot be decoded.')
  printTable(
    terminal,
    [left('region'), right('applied'), left('stopped at it'), left('can skip it')],
    regions.map(({ region, applied, why, refusal }) => [
      region,
      applied === null ? '?' : String(applied),
      why ?? '-',
      refusal === null ? 'yes' : `no: ${refusal}`,
    ]),
  )
  if (skippedAt !== null) terminal.line(`It is skipped: record ${skippedAt} says so.`)
  else if (regions.some(({ refusal }) => refusal !== null)) terminal.line('It cannot be skipped.')
  else terminal.line('Nothing was done. With `--yes` the record never has an effect, anywhere.')
}
