/** The profiles that there are. */
import { FULL } from './full.ts'
import type { Profile } from './profile.ts'
import { QUICK } from './quick.ts'
import { STANDARD } from './standard.ts'

export type { Profile } from './profile.ts'

/** By name. */
export const PROFILES: Readonly<Record<string, Profile>> = {
  quick: QUICK,
  standard: STANDARD,
  full: FULL,
}
