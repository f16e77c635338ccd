/** All checks, in their order: those that write come before those that compare. */
import type { WorkloadResult } from '../workload.ts'
import { AGREEMENT_CHECKS } from './agreement.ts'
import { count, refute, type Check } from './check.ts'
import { ENCRYPTION_CHECKS } from './encryption.ts'
import { EXPIRY_CHECKS } from './expiry.ts'
import { GUARANTEE_CHECKS } from './guarantees.ts'
import { RESIDENCY_CHECKS } from './residency.ts'
import { CITY_CHECKS } from './stored-cities.ts'

/** All checks of a run. */
export function allChecks(workload: WorkloadResult): readonly Check[] {
  return [
    workloadCheck(workload),
    ...GUARANTEE_CHECKS,
    ...EXPIRY_CHECKS,
    ...ENCRYPTION_CHECKS,
    ...RESIDENCY_CHECKS,
    ...CITY_CHECKS,
    ...AGREEMENT_CHECKS,
  ]
}

function workloadCheck({ calls, failures }: WorkloadResult): Check {
  return {
    name: 'every call of the workload succeeded and found what it must',
    run: async () => {
      const failed = [...failures].map(([what, times]) => `${times} × ${what}`)
      if (failed.length > 0) refute(failed.join('; '))
      return count(calls, 'call')
    },
  }
}
