/** The dependency graph of a list-append history (Adya, "Weak consistency", 1999; Elle, 2020). */

import type { KeyOrder, KeyRead } from './append-order.ts'
import type { AppendHistory, Transaction } from './append-transactions.ts'
import { DependencyGraph, EDGE } from './dependency-graph.ts'

/** Readers that append what nobody reads, beyond which no more edges are drawn: two lost an update. */
const MAX_SELF_READERS = 4

/**
 * The graph, with a node for each transaction, numbered by its id. One of unknown outcome may never
 * have taken effect: until somebody reads from it no edge leaves it, so that it is in no cycle.
 */
export function buildAppendGraph(
  history: AppendHistory,
  orders: ReadonlyMap<string, KeyOrder>,
): DependencyGraph {
  const graph = new DependencyGraph(history.transactions.length)
  for (const [key, { order, reads }] of orders) {
    const writers = history.writers.get(key)
    const writerOf = (at: number): number | undefined =>
      writers?.get(order[at] as string)?.transaction?.id
    const link = (from: number | undefined, to: number | undefined, type: number): void => {
      if (from !== undefined && to !== undefined) graph.add(from, to, type, key)
    }
    for (let at = 1; at < order.length; at++) link(writerOf(at - 1), writerOf(at), EDGE.ww)
    for (const { transaction, list } of reads) {
      link(writerOf(list.length - 1), transaction.id, EDGE.wr)
      link(transaction.id, writerOf(list.length), EDGE.rw)
    }
    const seen = new Set(order)
    const unread = new Set<number>()
    for (const [element, { transaction }] of writers ?? []) {
      if (transaction !== undefined && !seen.has(element)) unread.add(transaction.id)
    }
    for (const id of unread) link(writerOf(order.length - 1), id, EDGE.ww)
    const last = reads.filter(({ list }) => list.length === order.length)
    addUnread(graph, key, { unread, last })
  }
  addRealTime(graph, history.transactions)
  return graph
}

/**
 * Appends that no read shows come after all that one shows: who read the last version read it before
 * them. One node stands for all of them, so that the edges stay few.
 */
function addUnread(
  graph: DependencyGraph,
  key: string,
  of: { readonly unread: ReadonlySet<number>; readonly last: readonly KeyRead[] },
): void {
  if (of.unread.size === 0) return
  const tail = graph.addNode()
  for (const id of of.unread) graph.add(tail, id, EDGE.via, key)
  let selfReaders = 0
  for (const { transaction } of of.last) {
    if (!of.unread.has(transaction.id)) graph.add(transaction.id, tail, EDGE.rw, key)
    else if (selfReaders++ < MAX_SELF_READERS) {
      for (const id of of.unread) graph.add(transaction.id, id, EDGE.rw, key)
    }
  }
}

/**
 * Who ended before another began comes before it. Edges go only from the last ended: whoever ended
 * before one of them began is reached through it.
 */
function addRealTime(graph: DependencyGraph, transactions: readonly Transaction[]): void {
  const marks: { readonly at: number; readonly id: number; readonly begins: boolean }[] = []
  for (const { id, operation } of transactions) {
    marks.push({ at: operation.invokedAt, id, begins: true })
    if (operation.outcome === 'ok') marks.push({ at: operation.endedAt, id, begins: false })
  }
  marks.sort((a, b) => a.at - b.at)
  const latest = new Set<number>()
  const before = new Map<number, readonly number[]>()
  for (const { id, begins } of marks) {
    if (begins) {
      before.set(id, [...latest])
      for (const earlier of latest) graph.add(earlier, id, EDGE.rt)
    } else {
      for (const earlier of before.get(id) ?? []) latest.delete(earlier)
      before.delete(id)
      latest.add(id)
    }
  }
}
