/** Reads a change log from a position and hands its changes, whole transactions, to a handler. */
import type { Change, RowImage } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Random, Timers } from '../../src/core/ports/runtime.ts'
import { decodeChange } from '../../src/protocol/change-codec.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { completeImage } from '../../src/schema/image.ts'
import { follow, type Follower } from '../wake-loop.ts'

const DEFAULT_BATCH_CHANGES = 1000

/**
 * Takes changes in `localSeq` order. It must commit its effect together with `position`, the last
 * change's, and start from that position next time: then every change has its effect once. It is
 * called again with the same changes when it rejects, unless the error says `retry: never`.
 */
export type ChangeHandler = (changes: readonly Change[], position: number) => Promise<void>

/** What a consumer is made of. */
export interface ChangeConsumerOptions {
  readonly changeLog: ChangeLog
  /** Images of older schemas get the defaults of the columns that those did not have. */
  readonly schema: CompiledSchema
  /** The position that the handler committed last; 0 to start at the beginning. */
  readonly position: number
  readonly handler: ChangeHandler
  readonly timers: Timers
  readonly random: Random
  /** Changes that the handler gets at once, about. Default 1,000. */
  readonly maxChanges?: number
  /** Told of what has ended the consumer for good. */
  readonly onStopped?: (error: MeridianError) => void
  /** Told of what it waits for: of each failure, and with null of its end. */
  readonly onTrouble?: ((error: MeridianError | null) => void) | undefined
}

/** A running consumer; its position is the last one that the handler took. */
export type ChangeConsumer = Follower

/** Starts a consumer. It is woken by every append to the log. */
export function createChangeConsumer(options: ChangeConsumerOptions): ChangeConsumer {
  const { changeLog, schema, handler } = options
  const maxChanges = options.maxChanges ?? DEFAULT_BATCH_CHANGES
  let position = options.position
  const step = async (): Promise<boolean> => {
    const changes = await readTransactions(changeLog, position, maxChanges)
    const last = changes.at(-1)
    if (last === undefined) return false
    await handler(
      changes.map((change) => widen(schema, change)),
      last.localSeq,
    )
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
    subscribe: (wake) => changeLog.onAppend(wake),
  })
}

/** Changes after `position` up to the end of a transaction; none while the last one is cut. */
async function readTransactions(
  changeLog: ChangeLog,
  position: number,
  maxChanges: number,
): Promise<readonly Change[]> {
  const changes: Change[] = []
  let wanted = maxChanges
  for (;;) {
    const records = await changeLog.read(position + changes.length, wanted)
    for (const record of records) {
      if (record.position !== position + changes.length + 1) {
        throw new MeridianError('LOG_GAP', `Change ${position + changes.length + 1} is missing.`, {
          fix: 'Rebuild the reader from the store.',
        })
      }
      changes.push(decodeChange(record.payload))
    }
    const last = changes.at(-1)
    if (last === undefined) return changes
    const missing = last.size - 1 - last.index
    if (missing === 0) return changes
    if (records.length === 0) return changes.slice(0, -1 - last.index)
    wanted = missing
  }
}

function widen(schema: CompiledSchema, change: Change): Change {
  const table = schema.tableById.get(change.tableId)
  if (table === undefined) return change
  const columns = table.physical.length
  const isShort = (image: RowImage | null): boolean => image !== null && image.length < columns
  if (!isShort(change.before) && !isShort(change.after)) return change
  return {
    ...change,
    before: widenImage(table, change.before),
    after: widenImage(table, change.after),
  }
}

function widenImage(table: CompiledTable, image: RowImage | null): RowImage | null {
  return image === null ? null : completeImage(table, image)
}
