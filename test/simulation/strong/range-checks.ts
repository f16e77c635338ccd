/** What must hold of the ranges that clients read and write, whatever happens. */
import type { SqlRow } from '../../../src/core/values.ts'
import type { SerialModel } from '../../support/strong-model.ts'
import { accounts, columnAt } from '../../support/strong-region.ts'
import { showKey } from '../../support/row-text.ts'
import type { Recorder, SeenRange } from './history.ts'
import { KIND, MOST_ON_CALL, ON_CALL, MOST_SLOTS, SLOT_TENANT } from './range-work.ts'

/** A range that was read, against the model that has applied its index. */
export function rangeReadViolations(seen: SeenRange, model: SerialModel): string[] {
  const { level, floor, index, table, tenant, query, nowMs, rows } = seen
  const found: string[] = []
  const what = `a range of ${table.name} at ${index}`
  if (level === 'strong' && index < floor) {
    found.push(`stale-read: ${what}; ${floor} was acknowledged before it`)
  }
  // Judged earlier than the rows are: what fell due in between is seen, and conflicts if it is written.
  if (table.ttl !== null && nowMs !== model.logTimeMs) return found
  const text = (of: readonly { image: readonly unknown[]; version: string }[]): string =>
    of.map(({ image, version }) => `${image.map(cellText).join('|')}@${version}`).join(' ')
  const [is, expected] = [text(rows), text(model.range(table, query, tenant))]
  if (is !== expected) found.push(`wrong-read: ${what} is ${is}, not ${expected}`)
  if (tenant === SLOT_TENANT && rows.length > MOST_SLOTS) {
    found.push(`range: ${rows.length} slots are let at ${index}`)
  }
  if (query === ON_CALL && level === 'strong' && !isManned(rows.length)) {
    found.push(`range: ${rows.length} are on call at ${index}`)
  }
  return found
}

function isManned(onCall: number): boolean {
  return onCall >= 1 && onCall <= MOST_ON_CALL
}

/** The accounts of a region at the end, as `rowsOf` gives them. */
export function finalRangeViolations(
  name: string,
  rows: readonly SqlRow[],
  recorder: Recorder,
): string[] {
  const at = (row: SqlRow, column: string): SqlRow[number] =>
    row[1 + columnAt(accounts, column)] ?? null
  const of = (kind: number): SqlRow[] => rows.filter((row) => at(row, 'ratio') === kind)
  const numbers = (from: readonly SqlRow[]): number[] =>
    from.map((row) => Number(at(row, 'balance'))).toSorted((a, b) => a - b)
  const [waiting, taken] = [of(KIND.waiting), of(KIND.taken)]
  const [numbered, done] = [numbers([...waiting, ...taken]), numbers(taken)]
  const found: string[] = []
  if (numbered.some((number, i) => number !== i + 1)) {
    found.push(`range: the jobs in ${name} have the numbers ${numbered.join()}`)
  }
  if (done.some((number, i) => number !== i + 1)) {
    found.push(`range: of the jobs in ${name} ${done.join()} were taken`)
  }
  for (const { id, mark } of recorder.jobs) {
    const row = [...waiting, ...taken].find((one) => at(one, 'id') === id)
    if (row === undefined) found.push(`range: job ${id} is not in ${name}`)
    else if (mark !== undefined && at(row, 'total') !== mark) {
      found.push(`range: job ${id} in ${name} was taken by ${mark}, and by ${at(row, 'total')}`)
    }
  }
  const onCall = of(KIND.roster).filter((row) => Number(at(row, 'active')) === 1).length
  if (!isManned(onCall)) found.push(`range: ${onCall} are on call in ${name}`)
  return found
}

function cellText(value: unknown): string {
  return showKey((Number.isInteger(value) ? BigInt(value as number) : value) as SqlRow[number])
}
