/** What a read level is called where counts are kept by name. */
import type { ReadLevel } from '../../src/client/index.ts'

/** `strong`, `session`, `stale`, or how stale an answer may be. */
export function levelName(level: ReadLevel): string {
  return typeof level === 'string' ? level : `at most ${level.maxStalenessMs} ms stale`
}
