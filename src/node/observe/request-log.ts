/** Logs requests that failed: those that an operator must hear of as errors, the rest for debugging. */
import {
  asMeridianError,
  isErrorCode,
  type ErrorCode,
  type MeridianError,
} from '../../core/errors.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Clock } from '../../core/ports/runtime.ts'
import type { RequestObserver } from './request-observer.ts'

/** Failures of the store: every request may meet one, so they are told now and then only. */
const STORE_CODES: readonly ErrorCode[] = ['STORE_FULL', 'STORE_UNAVAILABLE', 'STORE_CORRUPT']
/** Failures of the commit log that do not pass by waiting. */
const LOG_CODES: readonly ErrorCode[] = ['LOG_FULL', 'LOG_MISCONFIGURED', 'LOG_FOREIGN']
const INTERVAL_MS = 10_000

export function logFailures(region: string, log: Log, clock: Clock): RequestObserver {
  const quietUntilMs = { store: -Infinity, log: -Infinity }
  return async (request, work) => {
    try {
      return await work(request)
    } catch (thrown) {
      const error = asMeridianError(thrown)
      const { kind } = request.body
      const nowMs = clock.monotonicMs()
      if (error.code === 'INTERNAL') {
        log.write('error', 'request failed unexpectedly', { region, kind, error })
      } else if (STORE_CODES.includes(error.code) && nowMs >= quietUntilMs.store) {
        quietUntilMs.store = nowMs + INTERVAL_MS
        log.write('error', 'the store fails', { region, error })
      } else if (isOfLog(error) && nowMs >= quietUntilMs.log) {
        quietUntilMs.log = nowMs + INTERVAL_MS
        log.write('error', 'the commit log fails', { region, error })
      } else {
        // A message may name what its caller named: the code says enough.
        log.write('debug', 'request failed', { region, kind, code: error.code })
      }
      throw thrown
    }
  }
}

/** A write that was repeated until its time was over names what it met as its cause. */
function isOfLog({ code, cause }: MeridianError): boolean {
  return LOG_CODES.includes(code) || isErrorCode(cause, ...LOG_CODES)
}
