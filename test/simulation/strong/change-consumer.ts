/** A consumer of a region's changes: where it is outlives the region's process, and it takes each once. */
import type { Change } from '../../../src/core/change.ts'
import { isErrorCode } from '../../../src/core/errors.ts'
import type { ChangeFeed } from '../../../src/core/ports/changes.ts'
import type { SimProcess } from '../world/process.ts'

const POLL_MS = 1_500
const MAX_CHANGES = 200

export class ChangeConsumer {
  /** In the order in which they came. */
  readonly emitted: Change[] = []
  readonly #onChanges: (last: Change) => void

  /** `onChanges`: told of the last of those that came. */
  constructor(onChanges: (last: Change) => void) {
    this.#onChanges = onChanges
  }

  /** Goes on with the feed of a process that has just begun. */
  follow(process: SimProcess, feed: ChangeFeed): void {
    process.after(POLL_MS, () => void this.#poll(process, feed))
  }

  async #poll(process: SimProcess, feed: ChangeFeed): Promise<void> {
    try {
      const after = this.emitted.at(-1)?.localSeq ?? 0
      const changes = await feed.read(after, MAX_CHANGES)
      const last = changes.at(-1)
      this.emitted.push(...changes)
      if (last !== undefined) this.#onChanges(last)
    } catch (error) {
      // A disk that lied has forgotten what was read of it: nothing follows that.
      if (isErrorCode(error, 'POSITION_LOST', 'LOG_GAP')) return
    }
    this.follow(process, feed)
  }
}
