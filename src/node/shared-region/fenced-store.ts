/**
 * A store whose lease may pass to another node of the region. A write that the fence refused was not
 * done, whoever asked for it may ask the next holder: it is told so, instead of what is wrong with
 * this process.
 */
import { isErrorCode, MeridianError } from '../../core/errors.ts'
import type { Store } from '../../core/ports/store.ts'

/** `onLost` runs at the first refusal: the region is to be given up. */
export function fencedStore(region: string, store: Store, onLost: () => void): Store {
  return {
    async write(statements) {
      try {
        return await store.write(statements)
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
    read: (statements) => store.read(statements),
    query: (statement) => store.query(statement),
    ...(store.snapshot === undefined ? {} : { snapshot: store.snapshot.bind(store) }),
    ...(store.durability === undefined ? {} : { durability: store.durability }),
    ...(store.takesStatistics === undefined ? {} : { takesStatistics: store.takesStatistics }),
    onCommit: (listener) => store.onCommit(listener),
    close: () => store.close(),
  }
}
