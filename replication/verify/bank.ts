/** Transfers between accounts: what every snapshot of all balances must keep. */

import { AnomalyList } from './anomalies.ts'
import type { HistoryEvent, Verdict } from './history.ts'
import { eventsOf, malformedEvent, pairOperations, type Operation } from './operations.ts'

/**
 * Checks snapshots of all accounts (`read`) among transfers between them (`transfer`).
 *
 * Anomalies: `wrong-total` (the balances of a snapshot do not sum up to what most snapshots hold),
 * `wrong-accounts` (an account is missing or new), `negative-balance`, and `impossible-balance`: no
 * opening balance explains this and the earlier snapshots, when transfers that ended before a snapshot
 * began are in it, those that began after it are not, and those between, or of unknown outcome, may be.
 * This is necessary for strict serializability, not sufficient.
 *
 * @throws MeridianError INVALID_ARGUMENT for a history of another workload, or a malformed one.
 */
export function checkBank(events: readonly HistoryEvent[]): Verdict {
  const { operations } = pairOperations(events, ['transfer', 'read'])
  const anomalies = new AnomalyList()
  const snapshots = operations
    .filter(({ f, outcome }) => f === 'read' && outcome === 'ok')
    .map((operation) => ({ operation, balances: balancesOf(operation) }))
  checkTotals(snapshots, anomalies)
  for (const { operation, balances } of snapshots) {
    for (const [account, balance] of balances) {
      if (balance >= 0) continue
      const message = `Account ${account} holds ${balance} in a snapshot of process ${operation.process}.`
      anomalies.add('negative-balance', message, eventsOf([operation]))
    }
  }
  checkBalances(operations, new Map(snapshots.map((each) => [each.operation, each])), anomalies)
  const list = anomalies.list()
  const transfers = operations.filter(({ f }) => f === 'transfer').length
  return {
    ok: list.length === 0,
    checked: transfers + snapshots.length,
    anomalies: list,
    undecided:
      transfers > 0 && snapshots.length === 0
        ? ['no snapshot was read: transfers show nothing']
        : [],
  }
}

interface Snapshot {
  readonly operation: Operation
  readonly balances: ReadonlyMap<string, number>
}

function checkTotals(snapshots: readonly Snapshot[], anomalies: AnomalyList): void {
  const totals = snapshots.map(({ balances }) => sumOf(balances.values()))
  const accounts = snapshots.map(({ balances }) => [...balances.keys()].sort().join(' '))
  const usualTotal = mostFrequent(totals)
  const usualAccounts = mostFrequent(accounts)
  snapshots.forEach(({ operation }, at) => {
    const who = `A snapshot of process ${operation.process}`
    if (accounts[at] !== usualAccounts) {
      const message = `${who} has the accounts ${accounts[at]}; most have ${usualAccounts}.`
      anomalies.add('wrong-accounts', message, eventsOf([operation]))
    } else if (totals[at] !== usualTotal) {
      const message = `${who} sums up to ${totals[at]}; most sum up to ${usualTotal}.`
      anomalies.add('wrong-total', message, eventsOf([operation]))
    }
  })
}

/** What transfers so far did to one account. Plus and minus are sums of amounts. */
class Account {
  /** By transfers that ended. */
  settled = 0
  /** By transfers that are open, or of unknown outcome. */
  openPlus = 0
  openMinus = 0
  /** By all that ever began. */
  begunPlus = 0
  begunMinus = 0

  begin(amount: number): void {
    this.openPlus += Math.max(amount, 0)
    this.begunPlus += Math.max(amount, 0)
    this.openMinus += Math.max(-amount, 0)
    this.begunMinus += Math.max(-amount, 0)
  }

  end(amount: number): void {
    this.settled += amount
    this.openPlus -= Math.max(amount, 0)
    this.openMinus -= Math.max(-amount, 0)
  }

  /** The least and the most that a snapshot may show, less the opening balance; less what began before. */
  range(): { readonly low: number; readonly high: number } {
    return {
      low: this.settled - this.openMinus + this.begunMinus,
      high: this.settled + this.openPlus - this.begunPlus,
    }
  }
}

/** What the opening balance of an account may have been, and the snapshots that say so. */
interface Opening {
  readonly low: number
  readonly high: number
  readonly lowBy: Operation
  readonly highBy: Operation
}

function checkBalances(
  operations: readonly Operation[],
  snapshots: ReadonlyMap<Operation, Snapshot>,
  anomalies: AnomalyList,
): void {
  const accounts = new Map<string, Account>()
  const accountOf = (name: string): Account => {
    const account = accounts.get(name) ?? new Account()
    accounts.set(name, account)
    return account
  }
  const openings = new Map<string, Opening>()
  const begun = new Map<Operation, ReadonlyMap<string, ReturnType<Account['range']>>>()
  for (const { operation, begins } of marksOf(operations)) {
    if (operation.f === 'transfer') {
      const { from, to, amount } = transferOf(operation)
      for (const [name, delta] of [[from, -amount] as const, [to, amount] as const]) {
        if (begins) accountOf(name).begin(delta)
        else accountOf(name).end(delta)
      }
    } else if (begins) {
      begun.set(operation, new Map([...accounts].map(([name, account]) => [name, account.range()])))
    } else {
      const snapshot = snapshots.get(operation) as Snapshot
      narrow(snapshot, { before: begun.get(operation), accountOf, openings, anomalies })
      begun.delete(operation)
    }
  }
}

function narrow(
  { operation, balances }: Snapshot,
  context: {
    readonly before: ReadonlyMap<string, ReturnType<Account['range']>> | undefined
    readonly accountOf: (name: string) => Account
    readonly openings: Map<string, Opening>
    readonly anomalies: AnomalyList
  },
): void {
  for (const [name, balance] of balances) {
    const { begunPlus, begunMinus } = context.accountOf(name)
    const { low, high } = context.before?.get(name) ?? { low: 0, high: 0 }
    const from = { low: balance - (high + begunPlus), high: balance - (low - begunMinus) }
    const opening = context.openings.get(name)
    const lowBy = opening !== undefined && opening.low >= from.low ? opening.lowBy : operation
    const highBy = opening !== undefined && opening.high <= from.high ? opening.highBy : operation
    const next: Opening = {
      low: Math.max(opening?.low ?? -Infinity, from.low),
      high: Math.min(opening?.high ?? Infinity, from.high),
      lowBy,
      highBy,
    }
    if (next.low <= next.high) {
      context.openings.set(name, next)
      continue
    }
    context.anomalies.add(
      'impossible-balance',
      `Account ${name} holds ${balance} in a snapshot of process ${operation.process}: with the ` +
        'transfers between, that contradicts an earlier snapshot.',
      eventsOf([lowBy, highBy]),
    )
  }
}

interface Mark {
  readonly at: number
  readonly operation: Operation
  readonly begins: boolean
}

/** Begins and known ends in the order of the history; reads without an answer left out. */
function marksOf(operations: readonly Operation[]): Mark[] {
  const marks: Mark[] = []
  for (const operation of operations) {
    const known = operation.outcome === 'ok'
    if (operation.f === 'read' && !known) continue
    marks.push({ at: operation.invokedAt, operation, begins: true })
    if (known) marks.push({ at: operation.endedAt, operation, begins: false })
  }
  return marks.sort((a, b) => a.at - b.at)
}

function balancesOf({ end, endedAt }: Operation): ReadonlyMap<string, number> {
  const value = end?.value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformedEvent(endedAt, 'the value of `read` is not a map of accounts to balances')
  }
  const balances = new Map<string, number>()
  for (const [account, balance] of Object.entries(value)) {
    if (!Number.isSafeInteger(balance)) {
      throw malformedEvent(endedAt, `the balance of ${account} is not a whole number`)
    }
    balances.set(account, balance as number)
  }
  return balances
}

function transferOf({ invoke, invokedAt }: Operation): {
  readonly from: string
  readonly to: string
  readonly amount: number
} {
  const { from, to, amount } = (invoke.value ?? {}) as Record<string, unknown>
  if (!isName(from) || !isName(to) || !Number.isSafeInteger(amount)) {
    throw malformedEvent(invokedAt, 'the value of `transfer` is not {from,to,amount}')
  }
  return { from: String(from), to: String(to), amount: amount as number }
}

function isName(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

function sumOf(numbers: Iterable<number>): number {
  let sum = 0
  for (const number of numbers) sum += number
  return sum
}

function mostFrequent<T>(items: readonly T[]): T | undefined {
  const counts = new Map<T, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return [...counts].reduce<[T | undefined, number]>(
    (best, each) => (each[1] > best[1] ? each : best),
    [undefined, 0],
  )[0]
}
