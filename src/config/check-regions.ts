/** Whether names of regions in a configuration are regions. */
import type { ConfigSource } from './config-source.ts'

/** @throws MeridianError `CONFIG_INVALID` with the line */
export function requireRegion(
  source: ConfigSource,
  path: readonly PropertyKey[],
  regions: readonly string[],
  region: string,
): void {
  if (regions.includes(region)) return
  const fix = `Use one of: ${regions.join(', ')}.`
  throw source.invalid(path, `region '${region}' is unknown`, fix)
}
