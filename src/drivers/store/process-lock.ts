/**
 * One process per store: a side database `<path>.lock`, held by an exclusive transaction for as
 * long as the store is open. The operating system releases it with the process, however it ends.
 */
import { MeridianError } from '../../core/errors.ts'
import { Connection } from './connection.ts'
import { isBusy, storeError } from './engine-errors.ts'

/**
 * Takes the lock; the returned function releases it.
 *
 * @throws MeridianError `STORE_LOCKED`, `STORE_UNAVAILABLE`
 */
export function lockStore(path: string): () => void {
  const lockPath = `${path}.lock`
  const connection = new Connection(lockPath)
  try {
    connection.once('BEGIN EXCLUSIVE')
  } catch (error) {
    connection.close()
    if (!isBusy(error)) throw storeError(error, lockPath) ?? error
    throw new MeridianError('STORE_LOCKED', `Store ${path} is open elsewhere (${lockPath}).`, {
      fix: 'Close the other store, or end the process that has it open; then try again.',
      details: { path, lockPath },
      cause: error,
    })
  }
  return () => {
    connection.once('ROLLBACK')
    connection.close()
  }
}
