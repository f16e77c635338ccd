/**
 * Tells an operator what the roles of a region wait for: an engine that is away or not as it should
 * be fails the same step again and again, so that one line says it, and one says that it is over.
 */
import type { MeridianError } from '../../core/errors.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Clock } from '../../core/ports/runtime.ts'

/** Told of each failure of a role that is repeated, and with null of the end of it. */
export type OnTrouble = (role: string, error: MeridianError | null) => void

/** What was said of a role last. */
interface Told {
  readonly code: string
  readonly message: string
  readonly atMs: number
}

/** The same engine fails in many words: others than those of the first line are told so rarely. */
const REWORD_MS = 60_000

/** Makes what the roles of one region are to call. */
export function logTroubles(region: string, log: Log, clock: Clock): OnTrouble {
  const told = new Map<string, Told>()
  return (role, error) => {
    const before = told.get(role)
    if (error === null) {
      if (told.delete(role)) log.write('info', 'role goes on', { region, role })
      return
    }
    const { code, message } = error
    const nowMs = clock.monotonicMs()
    const isNews =
      before?.code !== code || (before.message !== message && nowMs - before.atMs >= REWORD_MS)
    if (!isNews) return
    told.set(role, { code, message, atMs: nowMs })
    log.write('warn', 'role waits', { region, role, error })
  }
}
