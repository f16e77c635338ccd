/**
 * What must hold of a run. The log is replayed by a model that runs one transaction after the other; what
 * clients were told must be what the model says at that place of the log, and no place may come before
 * what anybody had been told of earlier: together strict serializability. The histories alone are judged
 * as well, by checkers that know nothing of a log.
 */
import { decodeRecord } from '../../../replication/strong/record.ts'
import { decodeTransaction } from '../../../replication/strong/transaction-codec.ts'
import { checkBank } from '../../../replication/verify/bank.ts'
import { checkListAppend } from '../../../replication/verify/list-append.ts'
import { checkRegisters } from '../../../replication/verify/linearizable.ts'
import type { Verdict } from '../../../replication/verify/history.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import { SerialModel, type Decision } from '../../support/strong-model.ts'
import { accounts, sessions } from '../../support/strong-region.ts'
import { sameRows } from '../../support/row-text.ts'
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
  const seen = recorder.seen.toSorted((a, b) => a.index - b.index)
  let next = 0
  const checkSeenUpTo = (index: number): void => {
    for (; seen[next] !== undefined && (seen[next] as SeenRows).index <= index; next++) {
      found.push(...readViolations(seen[next] as SeenRows, model))
    }
  }
  checkSeenUpTo(0)
  for (const entry of entries) {
    const record = decodeRecord(entry.payload)
    if (record.kind === 'control') continue
    const { kind, nowMs } = record
    model.apply(entry.index, { kind, nowMs, commands: record.commands.map(decodeTransaction) })
    checkSeenUpTo(entry.index)
  }
  found.push(...transactionViolations(recorder.transactions, model.decisions))
  for (const region of regions) found.push(...finalViolations(region, model))
  found.push(...divergence(regions))
  found.push(...told('registers', checkRegisters(recorder.registers)))
  found.push(...told('lists', checkListAppend(recorder.lists)))
  found.push(...told('bank', checkBank(recorder.transfers)))
  return found
}

function readViolations(seen: SeenRows, model: SerialModel): string[] {
  const { level, floor, index, ids, rows } = seen
  const found: string[] = []
  if (level === 'strong' && index < floor) {
    found.push(`stale-read: ${ids.join()} read at ${index}; ${floor} was acknowledged before it`)
  }
  const expected = model.rows(accounts).filter((row) => ids.includes(String(row[1])))
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

function agrees(outcome: SentTransaction['outcome'], decided: readonly Decision[]): boolean {
  switch (outcome.kind) {
    case 'committed':
      return decided.some(({ code, index }) => code === 'OK' && index === outcome.index)
    case 'refused':
      return decided.some(({ code }) => code === outcome.code)
    case 'none':
      return decided.every(({ code }) => code !== 'OK')
    case 'unknown':
      return true
  }
}

function finalViolations(region: FinalRegion, model: SerialModel): string[] {
  return [accounts, sessions].flatMap((table) => {
    const rows = table === accounts ? region.accounts : region.sessions
    const expected = model.rows(table)
    if (sameRows(rows, expected)) return []
    return [`model: ${table.name} in ${region.name} are ${show(rows)}, not ${show(expected)}`]
  })
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
