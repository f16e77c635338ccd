/**
 * A store whose lease may pass to another node of the region. A write that the fence refused was not
 * done, whoever asked for it may ask the next holder: it is told so, instead of what is wrong with
 * this process. A store that this process does not reach any more may be one that another node does.
 */
import { isErrorCode, MeridianError } from '../../core/errors.ts'
import type { Clock } from '../../core/ports/runtime.ts'
import { StatementFailed, type Store } from '../../core/ports/store.ts'

/** How long nothing may come from the store before another node is to try. */
const AWAY_MS = 10_000

/** `onLost` runs once the region is to be given up: the store is another's, or away for too long. */
export function fencedStore(region: string, store: Store, clock: Clock, onLost: () => void): Store {
  let answeredMs = -Infinity
  let awaySinceMs: number | undefined
  const answered = (): void => {
    answeredMs = clock.monotonicMs()
    awaySinceMs = undefined
  }
  const watched = async <T>(call: () => Promise<T>): Promise<T> => {
    const startedMs = clock.monotonicMs()
    try {
      const result = await call()
      answered()
      return result
    } catch (error) {
      if (error instanceof StatementFailed) answered()
      if (isErrorCode(error, 'STORE_UNAVAILABLE')) {
        awaySinceMs ??= Math.max(startedMs, answeredMs)
        if (clock.monotonicMs() - awaySinceMs >= AWAY_MS) onLost()
      }
      throw error
    }
  }
  return {
    async write(statements) {
      try {
        return await watched(() => store.write(statements))
      } catch (error) {
        if (!isErrorCode(error, 'STORE_LOCKED')) throw error
        onLost()
        throw new MeridianError('REGION_UNREACHABLE', `Another node holds region ${region} now.`, {
          fix: 'Repeat.',
          retry: 'safe',
          details: { region },
          cause: error,
        })
      }
    },
    read: (statements) => watched(() => store.read(statements)),
    // How long a caller's own SQL takes says nothing of the way.
    query: (statement) => store.query(statement),
    ...(store.snapshot === undefined ? {} : { snapshot: store.snapshot.bind(store) }),
    ...(store.durability === undefined ? {} : { durability: store.durability }),
    ...(store.takesStatistics === undefined ? {} : { takesStatistics: store.takesStatistics }),
    onCommit: (listener) => store.onCommit(listener),
    close: () => store.close(),
  }
}
