/** The relay: copies the changes of a store to its change log, in order, each exactly once. */
import type { MeridianError } from '../../src/core/errors.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Random, Timers } from '../../src/core/ports/runtime.ts'
import { encodeChange } from '../../src/protocol/change-codec.ts'
import { follow, type Follower } from '../wake-loop.ts'

const BATCH_CHANGES = 1000

/** What a relay is made of. */
export interface RelayOptions {
  readonly feed: ChangeFeed
  readonly changeLog: ChangeLog
  readonly timers: Timers
  readonly random: Random
  /** Told of what has ended the relay for good. */
  readonly onStopped?: (error: MeridianError) => void
  /** Told of what it waits for: of each failure, and with null of its end. */
  readonly onTrouble?: (error: MeridianError | null) => void
}

/**
 * A running relay; the change log is known to be durable up to its position, 0 before the first
 * contact.
 */
export type Relay = Follower

/**
 * Starts a relay. It resumes behind the change log's end, so a crash between append and any note
 * of it repeats nothing, and is woken by every commit of the store.
 */
export function createRelay(options: RelayOptions): Relay {
  const { feed, changeLog } = options
  let position = 0
  let isSure = false
  const step = async (): Promise<boolean> => {
    if (!isSure) position = await changeLog.end()
    isSure = true
    const changes = await feed.read(position, BATCH_CHANGES)
    const last = changes.at(-1)
    if (last === undefined) return false
    // A failed append may have been stored all the same: its end is asked anew.
    isSure = false
    await changeLog.append(
      changes.map((change) => ({ position: change.localSeq, payload: encodeChange(change) })),
    )
    isSure = true
    position = last.localSeq
    return true
  }
  return follow({
    step,
    timers: options.timers,
    random: options.random,
    onStopped: options.onStopped,
    onTrouble: options.onTrouble,
    position: () => position,
    subscribe: (wake) => feed.onChange(wake),
  })
}
