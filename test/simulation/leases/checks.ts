/**
 * What is wrong with a run, the log's order being the witness: it sees what checks of single rows
 * cannot, such as reads of several rows, aborts that reveal what they met, and change streams.
 */
import { PLACES, ROW_COUNT, SimStore, type LogEntry } from './sim-store.ts'
import type { Operation } from './sim-clients.ts'

/** What the log says, whoever read it. */
export interface Reference {
  /** Where each transaction that wrote is. */
  readonly places: ReadonlyMap<string, number>
  /** Rows that it wrote. */
  readonly keys: ReadonlyMap<string, readonly number[]>
  /** Versions of each row, rising. */
  readonly versions: readonly (readonly number[])[]
}

/** Runs the log by itself. */
export function replay(log: readonly LogEntry[]): Reference {
  const store = new SimStore('reference')
  const places = new Map<string, number>()
  const keys = new Map<string, readonly number[]>()
  const versions: number[][] = Array.from({ length: ROW_COUNT }, () => [0])
  for (const entry of log) {
    const evaluation = store.evaluate(entry)
    store.commit(evaluation)
    if (entry.kind !== 'transactions') continue
    for (const [place, tx] of entry.transactions.entries()) {
      const outcome = evaluation.outcomes.get(tx.id)
      if (outcome === undefined || outcome.keys.length === 0 || places.has(tx.id)) continue
      places.set(tx.id, evaluation.record.index * PLACES + place)
      keys.set(tx.id, outcome.keys)
      for (const key of outcome.keys) {
        versions[key]?.push(evaluation.record.index * PLACES + place)
      }
    }
  }
  return { places, keys, versions }
}

/** An operation and the positions of the log at which it could have happened. */
interface Span {
  readonly begunMs: number
  readonly endedMs: number
  readonly low: number
  readonly high: number
  readonly kind: Operation['kind']
}

/**
 * Strict serializability, with the log as the order: every operation is put at the smallest position
 * that what it saw and what ended before it allow.
 *
 * @returns what is wrong; undefined: nothing
 */
export function checkLogOrder(
  reference: Reference,
  operations: readonly Operation[],
): string | undefined {
  const spans: Span[] = []
  for (const operation of operations) {
    const span = spanOf(operation, reference)
    if (typeof span === 'string') return span
    if (span !== undefined) spans.push(span)
  }
  return placeAll(spans)
}

function spanOf(operation: Operation, reference: Reference): Span | string | undefined {
  if (operation.kind === 'emit') {
    const { atMs, index } = operation
    return { begunMs: atMs, endedMs: atMs, low: index * PLACES, high: Infinity, kind: 'emit' }
  }
  const { begunMs, endedMs, kind } = operation
  if (operation.kind === 'write') {
    const place = reference.places.get(operation.tx.id)
    if (place === undefined) return undefined
    if (operation.answer === 'aborted') return `aborted ${operation.tx.id} took effect`
    return { begunMs, endedMs, low: place, high: place, kind }
  }
  let low = 0
  let high = Infinity
  for (const { key, version } of operation.rows) {
    const versions = reference.versions[key] ?? []
    const at = versions.indexOf(version)
    if (at < 0) return 'a read saw a version that is not in the log'
    low = Math.max(low, version)
    high = Math.min(high, (versions[at + 1] ?? Infinity) - 1)
  }
  return low > high ? 'a read saw rows of different moments' : { begunMs, endedMs, low, high, kind }
}

function placeAll(spans: readonly Span[]): string | undefined {
  const moments = spans
    .flatMap((span, number) => [
      { atMs: span.begunMs, isEnd: 0, number, span },
      { atMs: span.endedMs, isEnd: 1, number, span },
    ])
    .sort((a, b) => a.atMs - b.atMs || a.isEnd - b.isEnd || a.number - b.number)
  /** The largest position of an operation that has ended. */
  let passed = 0
  const placed: number[] = []
  for (const { atMs, isEnd, number, span } of moments) {
    if (isEnd === 1) {
      if (atMs < Infinity) passed = Math.max(passed, placed[number] ?? 0)
      continue
    }
    const place = Math.max(span.low, passed)
    placed[number] = place
    if (place > span.high || (span.kind === 'write' && passed >= span.low)) {
      return `a ${span.kind} at ${Math.round(atMs)} ms is older than what had ended`
    }
  }
  return undefined
}
