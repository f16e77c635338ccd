/** `meridian strong reseed`: has the copies of a region made anew from another one. */
import { MeridianError } from '../../core/errors.ts'
import type { ReseedReport } from '../../node/strong-actions.ts'
import { EXIT, type GivenOptions } from '../command.ts'
import { textOption } from '../option-values.ts'
import type { Terminal } from '../terminal.ts'
import { act, requireRegion } from './act.ts'
import { readStrongDeployment } from './ask-deployment.ts'

/**
 * @throws MeridianError `INVALID_ARGUMENT` (without `--yes`, too), `CONFIG_INVALID`, `REGION_UNKNOWN`,
 * `REGION_UNREACHABLE`, and what `LogGroup.orderReseed` says
 */
export async function runReseed(
  given: GivenOptions,
  terminal: Terminal,
  region: string | undefined,
): Promise<number> {
  if (region === undefined) {
    throw new MeridianError('INVALID_ARGUMENT', 'The region to seed again is missing.')
  }
  const deployment = await readStrongDeployment(given)
  const group = textOption(given, 'group')
  const from = textOption(given, 'from')
  for (const one of [region, ...(from === undefined ? [] : [from])]) requireRegion(deployment, one)
  if (given['yes'] !== true) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `Strong tables of ${region} cannot be read or written there until its copy is made.`,
      { fix: 'Say `--yes` if that is what you want.' },
    )
  }
  const body = {
    region,
    ...(group === undefined ? {} : { group }),
    ...(from === undefined ? {} : { from }),
  }
  const report = await act<ReseedReport>(deployment, given, 'reseed', body, region)
  if (given['json'] === true) terminal.line(JSON.stringify(report, null, 2))
  else {
    const source = from ?? 'another region'
    terminal.line(`${region} is being seeded again from ${source}: ${report.groups.join(', ')}.`)
  }
  return EXIT.ok
}
