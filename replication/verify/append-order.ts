/**
 * Orders of versions, as reads of lists show them, and what is wrong with the reads by themselves.
 * A read shows every version before it, so that the longest read of a key orders them all.
 */

import type { AnomalyList } from './anomalies.ts'
import type { AppendHistory, Transaction, Writer } from './append-transactions.ts'
import { eventsOf } from './operations.ts'

/** What a transaction saw of a key first, perhaps with appends of its own. */
export interface KeyRead {
  readonly transaction: Transaction
  readonly list: readonly string[]
}

/** What is known of one key. */
export interface KeyOrder {
  /** Elements by version; the longest read. */
  readonly order: readonly string[]
  /** The first read of each transaction that took effect. */
  readonly reads: readonly KeyRead[]
}

/**
 * The order of versions of each key that was read.
 *
 * Adds anomalies: `internal` (a transaction contradicts its own steps), `duplicate-elements`,
 * `unwritten-element`, `G1a` (read of a transaction that failed), `G1b` (read of a state inside a
 * transaction), `incompatible-order` (two reads of which neither continues the other, or one that has
 * the elements of one transaction in another order than it appended them), `lost-update` (two transactions read the same version and both appended to it).
 */
export function inferOrders(history: AppendHistory, anomalies: AnomalyList): Map<string, KeyOrder> {
  const reads = new Map<string, KeyRead[]>()
  for (const transaction of history.transactions) {
    checkInternal(transaction, anomalies)
    for (const [key, list] of firstReads(transaction)) {
      const ofKey = reads.get(key) ?? []
      reads.set(key, ofKey)
      ofKey.push({ transaction, list })
      checkElements({ transaction, list }, key, history, anomalies)
    }
  }
  const orders = new Map<string, KeyOrder>()
  for (const [key, ofKey] of reads) orders.set(key, orderOf(key, ofKey, anomalies))
  for (const [key, { order, reads: ofKey }] of orders) {
    checkOwnOrder({ key, order, reads: ofKey }, history, anomalies)
    checkLostUpdates(key, ofKey, anomalies)
  }
  return orders
}

/** The list of each key's first read. */
function firstReads({ steps }: Transaction): Map<string, readonly string[]> {
  const reads = new Map<string, readonly string[]>()
  for (const step of steps) {
    if (step.kind === 'r' && step.list !== undefined && !reads.has(step.key)) {
      reads.set(step.key, step.list)
    }
  }
  return reads
}

/** A read sees what the transaction read before and its appends since, and nothing else at the end. */
function checkInternal(transaction: Transaction, anomalies: AnomalyList): void {
  /** What is known: the whole list once read, else its end. */
  const known = new Map<string, { readonly whole: boolean; readonly list: readonly string[] }>()
  for (const step of transaction.steps) {
    const { whole, list } = known.get(step.key) ?? { whole: false, list: [] }
    if (step.kind === 'append') {
      known.set(step.key, { whole, list: [...list, step.element] })
    } else if (step.list !== undefined) {
      const seen = whole ? step.list : step.list.slice(step.list.length - list.length)
      if (!isSame(seen, list) && (whole || list.length > 0)) {
        const expected = `${whole ? '' : '… '}${list.join(' ')}`
        anomalies.add(
          'internal',
          `A transaction ${nameOf(transaction)} reads ${step.key} as ${shortList(step.list)}, ` +
            `but its own steps before leave it ${expected}.`,
          eventsOf([transaction.operation]),
        )
      }
      known.set(step.key, { whole: true, list: step.list })
    }
  }
}

/** Each element of a read was appended, once, by a transaction that did not fail, and is not amid one. */
function checkElements(
  { transaction, list }: KeyRead,
  key: string,
  { writers }: AppendHistory,
  anomalies: AnomalyList,
): void {
  const report = (kind: string, what: string, writer?: Writer): void => {
    const other = writer?.transaction?.operation
    const events = eventsOf([transaction.operation, ...(other === undefined ? [] : [other])])
    const failed = writer !== undefined && other === undefined ? [writer.invoke] : []
    const message = `A transaction ${nameOf(transaction)} reads ${key} as ${shortList(list)}: ${what}.`
    anomalies.add(kind, message, [...failed, ...events])
  }
  const seen = new Set<string>()
  for (const element of list) {
    if (seen.has(element)) report('duplicate-elements', `${element} is there twice`)
    seen.add(element)
    const writer = writers.get(key)?.get(element)
    if (writer === undefined) report('unwritten-element', `nobody appended ${element}`)
    else if (writer.transaction === undefined) {
      report('G1a', `the transaction that appended ${element} failed`, writer)
    }
  }
  const last = list.at(-1)
  const writer = last === undefined ? undefined : writers.get(key)?.get(last)
  if (writer !== undefined && !writer.final && writer.transaction !== transaction) {
    report('G1b', `the transaction that appended ${last} appended more to it`, writer)
  }
}

function orderOf(key: string, reads: readonly KeyRead[], anomalies: AnomalyList): KeyOrder {
  const longest = reads.reduce((best, read) => (read.list.length > best.list.length ? read : best))
  const order = [...new Set(longest.list)]
  const fitting: KeyRead[] = []
  for (const read of reads) {
    const list = [...new Set(read.list)]
    if (list.every((element, at) => order[at] === element)) {
      fitting.push({ transaction: read.transaction, list })
      continue
    }
    anomalies.add(
      'incompatible-order',
      `Key ${key} is read as ${shortList(read.list)} and as ${shortList(longest.list)}: neither continues the other.`,
      eventsOf([read.transaction.operation, longest.transaction.operation]),
    )
  }
  return { order, reads: fitting }
}

/** Elements of one transaction stand in the order in which it appended them. */
function checkOwnOrder(
  { key, order, reads }: KeyOrder & { readonly key: string },
  { writers }: AppendHistory,
  anomalies: AnomalyList,
): void {
  for (let at = 1; at < order.length; at++) {
    const [before, after] = [order[at - 1], order[at]] as [string, string]
    const [first, second] = [before, after].map((element) => writers.get(key)?.get(element))
    const transaction = second?.transaction
    if (transaction === undefined || first?.transaction !== transaction) continue
    if (first.place < (second?.place ?? Infinity)) continue
    const reader = reads.find(({ list }) => list.length > at) as KeyRead
    anomalies.add(
      'incompatible-order',
      `Key ${key} is read with ${before} before ${after}, which one transaction appended the other way around.`,
      eventsOf([transaction.operation, reader.transaction.operation]),
    )
  }
}

function checkLostUpdates(key: string, reads: readonly KeyRead[], anomalies: AnomalyList): void {
  const updates = new Map<number, Transaction[]>()
  for (const { transaction, list } of reads) {
    if (!updatesAfterRead(transaction, key)) continue
    updates.set(list.length, [...(updates.get(list.length) ?? []), transaction])
  }
  for (const [length, transactions] of updates) {
    if (transactions.length < 2) continue
    anomalies.add(
      'lost-update',
      `${transactions.length} transactions read version ${length} of ${key} and appended to it.`,
      eventsOf(transactions.slice(0, MAX_SHOWN).map(({ operation }) => operation)),
    )
  }
}

/** Whether the transaction reads the key before it appends to it. */
function updatesAfterRead({ steps }: Transaction, key: string): boolean {
  const ofKey = steps.filter((step) => step.key === key)
  return ofKey[0]?.kind === 'r' && ofKey.some((step) => step.kind === 'append')
}

/** Transactions or elements that a message shows. */
const MAX_SHOWN = 8

function shortList(list: readonly string[]): string {
  const shown = list.slice(-MAX_SHOWN).join(' ')
  return `[${list.length > MAX_SHOWN ? '… ' : ''}${shown}]`
}

function nameOf({ operation }: Transaction): string {
  return `of process ${operation.process}`
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((element, at) => element === b[at])
}
