/**
 * What must hold of a run. The log is replayed by a model that runs one transaction after the other; what
 * clients were told must be what the model says at that place of the log, and no place may come before
 * what anybody had been told of earlier: together strict serializability. The histories alone are judged
 * as well, by checkers that know nothing of a log.
 */
import { decodeRecord, type LogRecord } from '../../../replication/strong/record.ts'
import { decodeTransaction } from '../../../replication/strong/transaction-codec.ts'
import { checkBank } from '../../../replication/verify/bank.ts'
import { checkListAppend } from '../../../replication/verify/list-append.ts'
import { checkRegisters } from '../../../replication/verify/linearizable.ts'
import type { Verdict } from '../../../replication/verify/history.ts'
import type { Change } from '../../../src/core/change.ts'
import { MAX_NAMED_CONFLICTS } from '../../../src/core/limits.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import type { LoggedRecord } from '../../support/strong-arbitrary.ts'
import { SerialModel, type Decision } from '../../support/strong-model.ts'
import { accounts, sessions } from '../../support/strong-region.ts'
import { sameRows } from '../../support/row-text.ts'
import { emissionViolations, StreamCheck } from './change-checks.ts'
import { finalRangeViolations, rangeReadViolations } from './range-checks.ts'
import type { Recorder, SeenRows, SentTransaction } from './history.ts'

/** A region at the end. */
export interface FinalRegion {
  readonly name: string
  readonly accounts: readonly SqlRow[]
  readonly sessions: readonly SqlRow[]
  /** Rows, outcomes and position, as text. */
  readonly group: string
  /** The same with the outbox; undefined where it tells of a reseed as well. */
  readonly outbox: string | undefined
  /** All changes that its outbox holds. */
  readonly changes: readonly Change[]
  /** What its consumer was told; undefined where its disk has lied to it. */
  readonly emitted: readonly Change[] | undefined
  /** What others that write to its store have to say. */
  readonly complaints: readonly string[]
}

/** Everything that does not hold, in words that begin with the check's name. */
export function violationsOf(
  entries: readonly LogEntry[],
  windowRecords: number,
  recorder: Recorder,
  regions: readonly FinalRegion[],
): string[] {
  const found: string[] = [...recorder.complaints]
  const model = new SerialModel(windowRecords)
  const streams = regions.map(
    ({ name, changes, outbox }) => new StreamCheck(name, changes, outbox === undefined),
  )
  const seen = new ByIndex(recorder.seen)
  const ranges = new ByIndex(recorder.ranges)
  const checkSeenUpTo = (index: number): void => {
    for (const read of seen.upTo(index)) found.push(...readViolations(read, model))
    for (const read of ranges.upTo(index)) found.push(...rangeReadViolations(read, model))
  }
  checkSeenUpTo(0)
  for (const entry of entries) {
    model.apply(entry.index, loggedRecord(decodeRecord(entry.payload)))
    checkSeenUpTo(entry.index)
    for (const stream of streams) stream.advance(entry.index, model)
  }
  const { transactions } = recorder
  found.push(...transactionViolations(transactions, model.decisions))
  found.push(...floorViolations(recorder, model.decisions))
  for (const region of regions) found.push(...finalViolations(region, model, recorder))
  found.push(...divergence(regions))
  for (const stream of streams) {
    stream.finish(entries.length, model)
    // What follows from the first is many.
    found.push(...stream.violations.slice(0, 3))
  }
  found.push(...told('registers', checkRegisters(recorder.registers)))
  found.push(...told('lists', checkListAppend(recorder.lists)))
  found.push(...told('range-lists', checkListAppend(recorder.rangeLists)))
  found.push(...told('bank', checkBank(recorder.transfers)))
  return found
}

function loggedRecord(record: LogRecord): LoggedRecord {
  const { kind, nowMs } = record
  if (kind === 'tick') return { kind, nowMs, commands: [] }
  // What changes the log itself leaves rows as they are.
  const commands = kind === 'control' ? [] : record.commands.map(decodeTransaction)
  return { kind: 'commands', nowMs, commands }
}

/** Hands out reads in the order of their indexes. */
class ByIndex<R extends { readonly index: number }> {
  readonly #reads: readonly R[]
  #next = 0

  constructor(reads: readonly R[]) {
    this.#reads = reads.toSorted((a, b) => a.index - b.index)
  }

  /** Those at or before `index` that were not handed out yet. */
  upTo(index: number): readonly R[] {
    const from = this.#next
    while ((this.#reads[this.#next]?.index ?? Number.POSITIVE_INFINITY) <= index) this.#next += 1
    return this.#reads.slice(from, this.#next)
  }
}

function readViolations(seen: SeenRows, model: SerialModel): string[] {
  const { level, floor, index, ids, rows } = seen
  const found: string[] = []
  if (level === 'strong' && index < floor) {
    found.push(`stale-read: ${ids.join()} read at ${index}; ${floor} was acknowledged before it`)
  }
  const expected = model.rows(accounts, ids)
  if (!sameRows(rows, expected)) {
    found.push(`wrong-read: ${ids.join()} at ${index} are ${show(rows)}, not ${show(expected)}`)
  }
  return found
}

function transactionViolations(
  transactions: readonly SentTransaction[],
  decisions: readonly Decision[],
): string[] {
  const byId = new Map<string, Decision[]>()
  for (const decision of decisions) {
    byId.set(decision.txId, [...(byId.get(decision.txId) ?? []), decision])
  }
  return transactions.flatMap(({ txId, floor, outcome }) => {
    const decided = byId.get(txId) ?? []
    const effects = decided.filter(({ code }) => code === 'OK')
    const found: string[] = []
    if (effects.length > 1) found.push(`twice: ${txId} took effect ${effects.length} times`)
    const early = decided.find(({ index }) => index <= floor)
    if (early !== undefined) {
      found.push(`order: ${txId} is at ${early.index}; ${floor} was known when it was sent`)
    }
    if (!agrees(outcome, decided)) {
      found.push(
        `answer: ${txId} was told ${JSON.stringify(outcome)}, not ${JSON.stringify(decided)}`,
      )
    }
    return found
  })
}

/**
 * A refusal says as much of the log as a success: whoever begins after it was told, reads at its place or
 * beyond, and writes behind it.
 */
function floorViolations(recorder: Recorder, decisions: readonly Decision[]): string[] {
  const firsts = new Map<string, number>()
  const refusals = new Map<string, number>()
  for (const { txId, index, code } of decisions) {
    if (!firsts.has(txId)) firsts.set(txId, index)
    const id = `${txId} ${code}`
    if (!refusals.has(id)) refusals.set(id, index)
  }
  const told = recorder.transactions
    .flatMap(({ txId, ended, outcome }) => {
      const index = outcome.kind === 'refused' ? refusals.get(`${txId} ${outcome.code}`) : undefined
      return index === undefined ? [] : [{ ended, txId, index }]
    })
    .toSorted((a, b) => a.ended - b.ended)
  const highest = told.map((_, i) => i)
  for (const i of told.keys()) {
    const before = highest[i - 1]
    if (before !== undefined && (told[before]?.index ?? 0) > (told[i]?.index ?? 0))
      highest[i] = before
  }
  const before = (began: number): (typeof told)[number] | undefined => {
    const last = told.findLastIndex(({ ended }) => ended < began)
    return told[highest[last] ?? -1]
  }
  const found: string[] = []
  for (const { level, began, index } of [...recorder.seen, ...recorder.ranges]) {
    const known = level === 'strong' ? before(began) : undefined
    if (known !== undefined && index < known.index) {
      found.push(`stale-read: at ${index}; ${known.txId} had been refused at ${known.index}`)
    }
  }
  for (const { txId, began } of recorder.transactions) {
    const known = before(began)
    const first = firsts.get(txId)
    if (known !== undefined && first !== undefined && first <= known.index) {
      found.push(`order: ${txId} is at ${first}; ${known.txId} had been refused at ${known.index}`)
    }
  }
  return found
}

function agrees(outcome: SentTransaction['outcome'], decided: readonly Decision[]): boolean {
  switch (outcome.kind) {
    case 'committed':
      return decided.some(({ code, index }) => code === 'OK' && index === outcome.index)
    case 'refused':
      return decided.some(
        ({ code, stale }) =>
          code === outcome.code &&
          (outcome.reads === undefined || sameNames(outcome.reads, stale ?? [])),
      )
    case 'none':
      return decided.every(({ code }) => code !== 'OK')
    case 'unknown':
      return true
  }
}

/** The answer names the first of the stale reads. */
function sameNames(named: readonly number[], stale: readonly number[]): boolean {
  return named.join() === stale.slice(0, MAX_NAMED_CONFLICTS).join()
}

function finalViolations(region: FinalRegion, model: SerialModel, recorder: Recorder): string[] {
  const { name, emitted, changes, complaints } = region
  const found = [
    ...complaints,
    ...(emitted === undefined ? [] : emissionViolations(name, emitted, changes)),
    ...finalRangeViolations(name, region.accounts, recorder),
  ]
  const rows = [accounts, sessions].flatMap((table) => {
    const rows = table === accounts ? region.accounts : region.sessions
    const expected = model.rows(table)
    if (sameRows(rows, expected)) return []
    return [`model: ${table.name} in ${region.name} are ${show(rows)}, not ${show(expected)}`]
  })
  return [...found, ...rows]
}

function divergence(regions: readonly FinalRegion[]): string[] {
  const found: string[] = []
  const compare = (of: readonly FinalRegion[], what: 'group' | 'outbox'): void => {
    const [first, ...others] = of
    for (const other of others) {
      if (other[what] !== first?.[what]) {
        found.push(`divergence: the ${what} of ${other.name} is not that of ${first?.name}`)
      }
    }
  }
  compare(regions, 'group')
  compare(
    regions.filter(({ outbox }) => outbox !== undefined),
    'outbox',
  )
  return found
}

function told(what: string, verdict: Verdict): string[] {
  return verdict.anomalies.map(({ kind, message }) => `${what}: ${kind} ${message}`)
}

function show(rows: readonly SqlRow[]): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  ).slice(0, 400)
}
