/** `full`: everything that there is to measure. */
import type { Profile } from './profile.ts'
import { WORKLOADS } from '../workloads/index.ts'

const MINUTE_MS = 60_000

export const FULL: Profile = {
  name: 'full',
  summary: 'all of standard, every workload, the peers, and how costs grow',
  // Growth leaves many rows behind: it is last.
  parts: ['latency', 'rates', 'peers', ...Object.keys(WORKLOADS), 'growth'],
  measuringMs: 84 * MINUTE_MS,
  limitMs: 90 * MINUTE_MS,
  repetitions: 3,
  rateOpsPerSecond: 50,
  isGate: false,
}
