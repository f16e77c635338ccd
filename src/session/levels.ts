/** Read levels and lists of wishes: how fresh a read must be, and what to settle for. */
import { MeridianError } from '../core/errors.ts'
import type { ReadLevel } from '../protocol/messages.ts'

/** One wish of an ordered list: this level, if it can be had within this time. */
export interface ReadWish {
  readonly level: ReadLevel
  /** Milliseconds to try before the next wish; the last one has what the deadline leaves. */
  readonly withinMs?: number
}

/** What a call may ask for: one level, or wishes in order of preference. */
export type Consistency = ReadLevel | readonly ReadWish[]

/** The level of calls that name none. */
const DEFAULT_READ_LEVEL: ReadLevel = 'session'

/** Normalizes what a call asks for. @throws MeridianError `INVALID_ARGUMENT` */
export function readWishes(consistency: Consistency | undefined): readonly ReadWish[] {
  if (consistency === undefined) return DEFAULT_WISHES
  if (!isWishList(consistency)) {
    checkLevel(consistency)
    return [{ level: consistency }]
  }
  if (consistency.length === 0) throw invalid('an empty list')
  for (const wish of consistency) {
    checkLevel((wish as ReadWish | null)?.level)
    if (wish.withinMs !== undefined && !(wish.withinMs > 0)) throw invalid('a time that is not > 0')
  }
  return consistency
}

const DEFAULT_WISHES: readonly ReadWish[] = [{ level: DEFAULT_READ_LEVEL }]

function isWishList(consistency: Consistency): consistency is readonly ReadWish[] {
  return Array.isArray(consistency)
}

function checkLevel(level: unknown): void {
  if (level === 'strong' || level === 'session' || level === 'stale') return
  const bound = (level as { readonly maxStalenessMs?: unknown } | null | undefined)?.maxStalenessMs
  if (Number.isFinite(bound) && (bound as number) > 0) return
  throw invalid('an unknown level')
}

function invalid(what: string): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', `The option \`consistency\` holds ${what}.`, {
    fix: "Give 'strong', 'session', 'stale', { maxStalenessMs } or a list of { level, withinMs }.",
  })
}
