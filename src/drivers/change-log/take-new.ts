/** Which records of an append follow the end of a change log: what every driver judges alike. */
import type { ChangeLogRecord } from '../../core/ports/change-log.ts'

/** Adds the records above `end`. The first missing position, when there is one: nothing is added. */
export function takeNew(
  records: readonly ChangeLogRecord[],
  end: number,
  into: ChangeLogRecord[],
): number | undefined {
  const before = into.length
  let next = end + 1
  for (const record of records) {
    if (record.position < next) continue
    if (record.position > next) {
      into.length = before
      return next
    }
    into.push(record)
    next++
  }
  return undefined
}
