/**
 * Driver: what regions support, in the memory of the process that keeps the log's file. Regions say
 * it again as long as it matters, so nothing of it need survive the process.
 */
import { MeridianError } from '../../core/errors.ts'
import type { MachineSupport } from '../../core/ports/machine-support.ts'

/** Far above what a deployment has: a peer must not fill the memory of this process. */
const MAX_GROUPS = 64

/** `regions`: of the configuration; what is said of others is refused (`REGION_UNKNOWN`). */
export function createMemorySupport(regions: readonly string[]): MachineSupport {
  const groups = new Map<string, Map<string, number>>()
  return {
    async report(group, region, version) {
      if (!regions.includes(region)) {
        throw new MeridianError('REGION_UNKNOWN', `Region ${region} is not in the configuration.`, {
          fix: 'Add the region to the configuration of every region.',
        })
      }
      const reported = groups.get(group) ?? new Map<string, number>()
      if (!groups.has(group) && groups.size === MAX_GROUPS) {
        throw new MeridianError('OVERLOADED', 'Versions of too many log groups were reported.')
      }
      groups.set(group, reported.set(region, version))
    },
    async reported(group) {
      return new Map(groups.get(group))
    },
  }
}
