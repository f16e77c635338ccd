/** Whether tests on programs can run that are no engines of Meridian: databases to compare with. */
import { SKIPPED_MARK } from '../../scripts/lib/tally.ts'
import { canInstall, installPrograms, missingPrograms } from '../../scripts/services/install.ts'
import type { ProgramName } from '../../src/cluster/engines/find-program.ts'

/**
 * Whether all programs are here, after installing what is missing where that is allowed. Where they
 * are not, it says why; in CI it fails, since there the tests must run.
 */
export async function havePrograms(
  title: string,
  programs: readonly ProgramName[],
): Promise<boolean> {
  const missing = await missingPrograms(programs)
  const [first] = missing.values()
  if (first === undefined) return true
  const names = [...missing.keys()]
  if (canInstall(names)) {
    await installPrograms(names, (line) => console.error(line))
    return true
  }
  if (process.env['CI'] !== undefined) throw first
  console.log(`\n${SKIPPED_MARK}tests on ${title}: ${first.message.replaceAll(/\s+/g, ' ')}`)
  return false
}
