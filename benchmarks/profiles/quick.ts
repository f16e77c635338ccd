/** `quick`: the regression gate of CI. */
import type { Profile } from './profile.ts'

const MINUTE_MS = 60_000

export const QUICK: Profile = {
  name: 'quick',
  summary: 'the regression gate: a few cells of each mode, as ratios against committed bounds',
  parts: ['gate'],
  measuringMs: 40_000,
  limitMs: 3 * MINUTE_MS,
  repetitions: 3,
  rateOpsPerSecond: 40,
  isGate: true,
}
