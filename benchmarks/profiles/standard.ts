/** `standard`: every latency cell of the three modes, beside its limit and the raw engine. */
import type { Profile } from './profile.ts'

const MINUTE_MS = 60_000

export const STANDARD: Profile = {
  name: 'standard',
  summary: 'every latency cell of the three modes, beside its limit and the raw engines',
  parts: ['latency', 'rates'],
  measuringMs: 9 * MINUTE_MS,
  // Real engines take a while to start and to end.
  limitMs: 10 * MINUTE_MS,
  repetitions: 3,
  rateOpsPerSecond: 50,
  isGate: false,
}
