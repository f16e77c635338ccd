/**
 * What clients saw of each row, as a history of registers: rows are independent, and the log is used
 * for nothing but which rows a transaction wrote.
 */
import type { EventType, HistoryEvent } from '../../../replication/verify/history.ts'
import type { Reference } from './checks.ts'
import type { Operation } from './sim-clients.ts'

interface Access {
  readonly f: 'read' | 'write' | 'cas'
  readonly key: number
  readonly argument: unknown
  readonly result: unknown
  readonly begunMs: number
  /** Infinity: never answered. */
  readonly endedMs: number
}

/** The history, in the order of time; each access is a process of its own. */
export function registerHistory(
  { keys }: Reference,
  operations: readonly Operation[],
): HistoryEvent[] {
  const accesses = operations.flatMap((operation): Access[] => {
    if (operation.kind === 'emit') return []
    const { begunMs, endedMs } = operation
    if (operation.kind === 'read') {
      return operation.rows.map(({ key, txId }) => {
        return { f: 'read', key, argument: null, result: valueOf(txId), begunMs, endedMs }
      })
    }
    const { id, expected } = operation.tx
    return (keys.get(id) ?? []).map((key): Access => {
      const pair = expected?.key === key ? [valueOf(expected.txId), id] : undefined
      const argument = pair ?? id
      const f = pair === undefined ? 'write' : 'cas'
      return { f, key, argument, result: argument, begunMs, endedMs }
    })
  })
  const events = accesses.flatMap(({ f, key, argument, result, begunMs, endedMs }, process) => {
    const isUnknown = endedMs === Infinity
    const event = (type: EventType, value: unknown, atMs: number): HistoryEvent => {
      return { process, type, f, key: `k${key}`, value, timeNs: Math.round(atMs * 1e6) }
    }
    // Unknown ones are open to the end: their last line comes after all others.
    return [
      event('invoke', argument, begunMs),
      event(isUnknown ? 'info' : 'ok', result, isUnknown ? 1e9 : endedMs),
    ]
  })
  const rank = ({ type }: HistoryEvent): number => (type === 'invoke' ? 0 : 1)
  return events.sort((a, b) => a.timeNs - b.timeNs || rank(a) - rank(b) || a.process - b.process)
}

function valueOf(txId: string): string | null {
  return txId === '' ? null : txId
}
