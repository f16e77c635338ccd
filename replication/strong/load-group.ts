/** Where a store is with a log group, read in one moment. */
import type { Timers } from '../../src/core/ports/runtime.ts'
import type { StatementResult, Store } from '../../src/core/ports/store.ts'
import { selectStoredSums } from './digests/digest-store.ts'
import { readPosition, selectPosition, type LogPosition } from './log-batch.ts'
import { readMarker, selectMarker } from './reseed-marker.ts'

/** What a group begins with. */
export interface LoadedGroup {
  readonly position: LogPosition
  /** The copy is not whole: it is to be seeded again. */
  readonly isMarked: boolean
  /** The digests that the store keeps. */
  readonly sums: StatementResult | undefined
}

export async function loadGroup(store: Store, group: string): Promise<LoadedGroup> {
  const [position, marker, sums] = await store.read([
    selectPosition(group),
    selectMarker(group),
    selectStoredSums(group),
  ])
  return { position: readPosition(position), isMarked: readMarker(marker) !== undefined, sums }
}

const RETRY_STORE_MS = 50

/** As `loadGroup`, for as long as the store is away; undefined once `isOver`. */
export async function loadAgain(
  store: Store,
  group: string,
  timers: Timers,
  isOver: () => boolean,
): Promise<LoadedGroup | undefined> {
  while (!isOver()) {
    try {
      const loaded = await loadGroup(store, group)
      return isOver() ? undefined : loaded
    } catch {
      await new Promise<void>((resolve) => {
        timers.after(RETRY_STORE_MS, resolve)
      })
    }
  }
  return undefined
}
