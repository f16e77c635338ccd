/** Follows a log from where a store is with it. */
import type { CommitLog, LogEntry, LogTail } from '../../src/core/ports/commit-log.ts'
import { replacedLog } from './log-group-errors.ts'
import type { LogPosition } from './log-batch.ts'

/** What a follower is told. */
export interface FollowHandlers {
  readonly onEntries: (entries: readonly LogEntry[]) => Promise<void>
  /** The tail has stopped, or the log is not the one that was applied (`POSITION_LOST`). */
  readonly onFailure: (error: unknown) => void
}

/** From the record that was applied last, where its id is known: it must be the log's. */
export function followLog(
  log: CommitLog,
  group: string,
  { index, lastId }: Pick<LogPosition, 'index' | 'lastId'>,
  { onEntries, onFailure }: FollowHandlers,
): LogTail {
  let expectedId = index === 0 ? undefined : lastId
  return log.tail(group, expectedId === undefined ? index + 1 : index, {
    onEntries: async (entries) => {
      const isOther = expectedId !== undefined && entries[0]?.id !== expectedId
      expectedId = undefined
      if (isOther) onFailure(replacedLog(group, index))
      else await onEntries(entries)
    },
    onFailure,
  })
}
