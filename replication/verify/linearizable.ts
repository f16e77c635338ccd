/** Linearizability of registers (Herlihy and Wing, 1990), one register at a time. */

import type { Anomaly, HistoryEvent, Verdict } from './history.ts'
import { eventsOf, malformedEvent, pairOperations, type Operation } from './operations.ts'
import { findCulprit } from './register-culprit.ts'
import { searchOrder, type RegisterStep } from './register-search.ts'
import { canonical, casPair, versioned } from './values.ts'

/** States that the search of one register may visit, and those of all registers together. */
const MAX_STATES = 300_000
const MAX_STATES_IN_ALL = 2_000_000
/** Open operations that an anomaly shows. */
const MAX_SHOWN = 12

/** The search's bounds. */
export interface RegisterLimits {
  /** States that the search of one register may visit. Default 300,000. */
  readonly maxStates?: number
}

/**
 * Checks that every register (`read`, `write`, `cas`; empty, null, at first) behaves as one copy that
 * each operation meets at one instant between its begin and its end. Registers are independent:
 * linearizability is local, so that the whole history is linearizable when each of them is.
 *
 * Anomalies: `unwritten-value` (a value that nobody wrote was seen), `not-linearizable` (no order of
 * the register's operations explains what was seen). One is reported for a register. A register whose
 * search is cut off is named in `undecided`.
 *
 * @throws MeridianError INVALID_ARGUMENT for a history of another workload, or a malformed one.
 */
export function checkRegisters(
  events: readonly HistoryEvent[],
  limits: RegisterLimits = {},
): Verdict {
  const { operations, failed } = pairOperations(events, ['read', 'write', 'cas'])
  const registers = new Map<string, Register>()
  let checked = 0
  let left = MAX_STATES_IN_ALL
  for (const operation of operations) {
    // A read that got no answer says nothing.
    if (operation.f === 'read' && operation.outcome === 'unknown') continue
    checked++
    const key = keyOf(operation.invokedAt, operation.invoke)
    const register = registers.get(key) ?? new Register(key)
    registers.set(key, register)
    register.add(operation)
  }
  const anomalies: Anomaly[] = []
  const undecided: string[] = []
  for (const register of registers.values()) {
    const { anomaly, unsure, states } = register.judge(
      failed,
      Math.min(limits.maxStates ?? MAX_STATES, left),
    )
    left -= states
    if (anomaly !== undefined) anomalies.push(anomaly)
    if (unsure !== undefined) undecided.push(unsure)
  }
  return { ok: anomalies.length === 0, checked, anomalies, undecided }
}

/** What became of one register. */
interface Judgement {
  readonly anomaly?: Anomaly
  readonly unsure?: string
  readonly states: number
}

/** The operations of one register, with its values numbered. */
class Register {
  readonly #key: string
  readonly #operations: Operation[] = []
  readonly #steps: RegisterStep[] = []
  readonly #numbers = new Map<string, number>([[canonical(null), 0]])

  constructor(key: string) {
    this.#key = key
  }

  add(operation: Operation): void {
    const { invokedAt, endedAt } = operation
    const { observes, sets } = this.#effectOf(operation)
    // One that puts back what it found is a read; unknown, it is nothing.
    const idle = observes !== undefined && observes === sets
    if (idle && operation.outcome === 'unknown') return
    this.#operations.push(operation)
    this.#steps.push({ observes, sets: idle ? undefined : sets, invokedAt, endedAt })
  }

  /** The anomaly, or why none could be excluded, or neither: it is linearizable. */
  judge(failed: readonly HistoryEvent[], maxStates: number): Judgement {
    const unwritten = this.#unwrittenValue(failed)
    if (unwritten !== undefined) return { anomaly: unwritten, states: 0 }
    const found = searchOrder(this.#steps, this.#numbers.size, maxStates)
    const { states } = found
    if (found.outcome === 'violated') return { anomaly: this.#explain(found.ended), states }
    if (found.outcome === 'linearizable') return { states }
    const unsure = `register ${this.#key}: ${states} states of its ${this.#steps.length} operations were not enough`
    return { unsure, states }
  }

  #explain(ended: number): Anomaly {
    const { step, values, open } = findCulprit(this.#steps, this.#numbers.size, ended)
    const culprit = this.#operations[step] as Operation
    const names = [...this.#numbers.keys()]
    const held = values.map((value) => names[value]).slice(0, MAX_SHOWN)
    const shown = new Set([
      culprit,
      ...open.slice(0, MAX_SHOWN).map((id) => this.#operations[id] as Operation),
    ])
    for (const value of [this.#steps[step]?.observes, ...values]) {
      const writer = this.#lastWriter(value, culprit)
      if (writer !== undefined) shown.add(writer)
    }
    return {
      kind: 'not-linearizable',
      message:
        `Register ${this.#key}: no order of its operations explains ${describe(culprit)}` +
        `${held.length === 0 ? '' : `; those that ended before leave it at ${held.join(' or ')}`}.`,
      events: eventsOf(shown),
    }
  }

  #effectOf(operation: Operation): Pick<RegisterStep, 'observes' | 'sets'> {
    const { f, invoke, end, invokedAt } = operation
    if (f === 'read')
      return { observes: this.#numberOf(versioned(end?.value).value), sets: undefined }
    if (f === 'write') {
      return { observes: undefined, sets: this.#numberOf(versioned(invoke.value).value) }
    }
    const pair = casPair(invoke.value)
    if (pair === undefined) throw malformedEvent(invokedAt, 'the value of `cas` is not [old,new]')
    return { observes: this.#numberOf(pair.old), sets: this.#numberOf(pair.new) }
  }

  #numberOf(value: unknown): number {
    const name = canonical(value)
    const number = this.#numbers.get(name) ?? this.#numbers.size
    this.#numbers.set(name, number)
    return number
  }

  /** A known operation that saw a value which no operation leaves. */
  #unwrittenValue(failed: readonly HistoryEvent[]): Anomaly | undefined {
    const written = new Set<number | undefined>([0, ...this.#steps.map(({ sets }) => sets)])
    const at = this.#steps.findIndex(
      ({ observes, endedAt }) =>
        observes !== undefined && endedAt !== Infinity && !written.has(observes),
    )
    if (at === -1) return undefined
    const operation = this.#operations[at] as Operation
    const value = this.#steps[at]?.observes as number
    const refused = failed.find((event) => this.#wouldSet(event, value))
    return {
      kind: 'unwritten-value',
      message:
        `Register ${this.#key}: ${describe(operation)}, but ` +
        `${refused === undefined ? 'nobody wrote that value' : 'the only write of that value failed'}.`,
      events: [...(refused === undefined ? [] : [refused]), ...eventsOf([operation])],
    }
  }

  #wouldSet(event: HistoryEvent, value: number): boolean {
    if (event.key !== this.#key || event.f === 'read') return false
    const left = event.f === 'cas' ? casPair(event.value)?.new : versioned(event.value).value
    return this.#numbers.get(canonical(left)) === value
  }

  /** The operation that left the value and began last before the culprit's end. */
  #lastWriter(value: number | undefined, culprit: Operation): Operation | undefined {
    if (value === undefined) return undefined
    return this.#operations.findLast(
      ({ invokedAt }, id) => this.#steps[id]?.sets === value && invokedAt < culprit.endedAt,
    )
  }
}

function keyOf(at: number, event: HistoryEvent): string {
  if (event.key === null) throw malformedEvent(at, `\`${event.f}\` names no register`)
  return event.key
}

function describe({ process, f, invoke, end }: Operation): string {
  const value = f === 'read' ? versioned(end?.value).value : invoke.value
  return `${f} ${canonical(value)} by process ${process}`
}
