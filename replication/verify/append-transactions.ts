/** Transactions of a list-append history, and which of them wrote which element. */

import type { HistoryEvent } from './history.ts'
import { malformedEvent, pairOperations, type Operation } from './operations.ts'
import { canonical } from './values.ts'

/** One step of a transaction. Keys and elements are canonical JSON. */
export type MicroOperation =
  | { readonly kind: 'append'; readonly key: string; readonly element: string }
  /** `list`: undefined where the answer is unknown. */
  | { readonly kind: 'r'; readonly key: string; readonly list: readonly string[] | undefined }

/** A transaction that took effect or may have. */
export interface Transaction {
  /** Its place among the transactions. */
  readonly id: number
  readonly operation: Operation
  readonly steps: readonly MicroOperation[]
}

/** Who appended an element. */
export interface Writer {
  /** Undefined: a transaction that failed. */
  readonly transaction: Transaction | undefined
  readonly invoke: HistoryEvent
  /** The step's place in its transaction. */
  readonly place: number
  /** The transaction's last append to the key: what others may see of it. */
  readonly final: boolean
}

/** A list-append history, read. */
export interface AppendHistory {
  readonly transactions: readonly Transaction[]
  /** By key, then by element. */
  readonly writers: ReadonlyMap<string, ReadonlyMap<string, Writer>>
}

/**
 * @throws MeridianError INVALID_ARGUMENT: a value is not a list of steps, or an element is appended
 * to a key twice.
 */
export function readAppendHistory(events: readonly HistoryEvent[]): AppendHistory {
  const { operations, failed } = pairOperations(events, ['txn'])
  const places = new Map(events.map((event, at) => [event, at]))
  const writers = new Map<string, Map<string, Writer>>()
  const transactions = operations.map((operation, id) => {
    const { outcome, invoke, end, invokedAt, endedAt } = operation
    const known = outcome === 'ok'
    const steps = known
      ? stepsOf(end?.value, endedAt, true)
      : stepsOf(invoke.value, invokedAt, false)
    const transaction = { id, operation, steps }
    addWriters(writers, { transaction, invoke, steps, at: invokedAt })
    return transaction
  })
  for (const invoke of failed) {
    const at = places.get(invoke) as number
    const steps = stepsOf(invoke.value, at, false)
    addWriters(writers, { transaction: undefined, invoke, steps, at })
  }
  return { transactions, writers }
}

function addWriters(
  writers: Map<string, Map<string, Writer>>,
  from: Pick<Writer, 'transaction' | 'invoke'> & {
    readonly steps: readonly MicroOperation[]
    readonly at: number
  },
): void {
  const { transaction, invoke, steps, at } = from
  const finals = new Map<string, string>()
  for (const step of steps) if (step.kind === 'append') finals.set(step.key, step.element)
  for (const [place, step] of steps.entries()) {
    if (step.kind !== 'append') continue
    const ofKey = writers.get(step.key) ?? new Map<string, Writer>()
    writers.set(step.key, ofKey)
    if (ofKey.has(step.element)) {
      throw malformedEvent(at, `${step.element} is appended to ${step.key} twice`)
    }
    const final = finals.get(step.key) === step.element
    ofKey.set(step.element, { transaction, invoke, place, final })
  }
}

function stepsOf(value: unknown, at: number, known: boolean): MicroOperation[] {
  if (!Array.isArray(value)) throw malformedEvent(at, 'the value of `txn` is not a list')
  return value.map((step: unknown) => stepOf(step, at, known))
}

function stepOf(step: unknown, at: number, known: boolean): MicroOperation {
  if (!Array.isArray(step) || step.length !== 3) {
    throw malformedEvent(at, 'a step of `txn` is not [name, key, value]')
  }
  const parts: readonly unknown[] = step
  const [kind, rawKey, value] = parts
  const key = canonical(rawKey)
  if (kind === 'append') return { kind, key, element: canonical(value) }
  if (kind !== 'r') throw malformedEvent(at, 'a step of `txn` is neither append nor r')
  if (!known) return { kind, key, list: undefined }
  if (value !== null && !Array.isArray(value)) {
    throw malformedEvent(at, 'what `r` read is not a list')
  }
  return { kind, key, list: (value ?? []).map(canonical) }
}
