/** The workloads by name. */
import { MeridianError } from '../../src/core/errors.ts'
import { hotKeySteps } from './hot-key.ts'
import { manyTenantsSteps } from './many-tenants.ts'
import { movrSteps } from './movr/steps.ts'
import { readMostlySteps } from './read-mostly.ts'
import { viewLoadSteps } from './view-load.ts'
import type { WorkloadEntry } from './workload.ts'
import { CORE_WORKLOADS } from './ycsb/core-workloads.ts'
import { ycsbSteps } from './ycsb/steps.ts'

export type { WorkloadEntry } from './workload.ts'

/** Every workload, in the order in which they run. */
export const WORKLOADS: Readonly<Record<string, WorkloadEntry>> = {
  ...Object.fromEntries(
    CORE_WORKLOADS.map((core): [string, WorkloadEntry] => [
      core.name,
      { summary: core.summary, steps: (plan) => ycsbSteps(core, plan) },
    ]),
  ),
  movr: {
    summary: 'rides in pinned tables of each region, mostly at home; promo codes shared by all',
    steps: movrSteps,
  },
  'read-mostly': {
    summary: 'a strong table: 99% reads, half of them strong, 1% writes',
    steps: readMostlySteps,
  },
  'view-load': {
    summary: 'a view under write load: writes, reads of the view, and how far it lags',
    steps: viewLoadSteps,
  },
  'hot-key': {
    summary: 'all regions increment one row, in each mode; then transactions that conflict',
    steps: hotKeySteps,
  },
  'many-tenants': {
    summary: 'pinned writes spread over 10, 100 and 1,000 tenants',
    steps: manyTenantsSteps,
  },
}

/**
 * The workloads of these names, each once, in the order of `WORKLOADS`.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for a name that there is not; it lists those that there are
 */
export function chooseWorkloads(names: readonly string[]): readonly WorkloadEntry[] {
  const known = Object.keys(WORKLOADS)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new MeridianError('INVALID_ARGUMENT', `There is no workload '${unknown}'.`, {
      fix: `There are: ${known.join(', ')}.`,
    })
  }
  return known
    .filter((name) => names.includes(name))
    .map((name) => WORKLOADS[name] as WorkloadEntry)
}
