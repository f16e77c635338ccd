/**
 * Histories of made-up runs: operations that take effect at one instant each, and, where asked, an
 * answer that is wrong.
 */
import type { SeededRandom } from '../../src/core/seeded-random.ts'
import type { EventType, HistoryEvent } from '../../replication/verify/history.ts'

/** Writes a history down; each event 1 µs after the one before. */
export class HistoryWriter {
  readonly events: HistoryEvent[] = []

  add(process: number, type: EventType, f: string, key: string | null, value: unknown): this {
    this.events.push({ process, type, f, key, value, timeNs: this.events.length * 1000 })
    return this
  }

  /** An operation with nothing between its two events. */
  whole(process: number, f: string, key: string | null, asked: unknown, answer = asked): this {
    return this.add(process, 'invoke', f, key, asked).add(process, 'ok', f, key, answer)
  }
}

/** What a made-up run is like; chances from 0 to 1. */
export interface RunShape {
  readonly operations: number
  readonly clients: number
  /** Of an operation ending without a known outcome. */
  readonly unknown: number
  /** Of a wrong answer. */
  readonly wrong: number
}

/** An operation as the run carries it out. */
interface Asked {
  readonly f: string
  readonly key: string | null
  readonly value: unknown
  /** Takes effect; the answer, or undefined when it is refused. */
  apply(): unknown
  /** What a broken system might answer. */
  wrong(): unknown
}

const REFUSED = Symbol('refused')

/** Runs clients against something that takes effect at an instant between begin and end. */
function run(random: SeededRandom, shape: RunShape, ask: () => Asked): HistoryEvent[] {
  const writer = new HistoryWriter()
  const processes = Array.from({ length: shape.clients }, (_, at) => at)
  const open = new Map<number, { asked: Asked; answer?: unknown }>()
  const late: Asked[] = []
  let next = shape.clients
  let left = shape.operations
  while (left > 0 || open.size > 0) {
    if (late.length > 0 && random.fraction() < 0.1) late.pop()?.apply()
    const at = random.below(processes.length)
    const process = processes[at] as number
    const running = open.get(process)
    if (running === undefined) {
      if (left === 0) continue
      left--
      const asked = ask()
      open.set(process, { asked })
      writer.add(process, 'invoke', asked.f, asked.key, asked.value)
    } else if (random.fraction() < shape.unknown) {
      // Took effect already, takes effect some time, or never.
      if (!('answer' in running) && random.fraction() < 0.5) late.push(running.asked)
      writer.add(process, 'info', running.asked.f, running.asked.key, running.asked.value)
      open.delete(process)
      processes[at] = next++
    } else if (!('answer' in running)) {
      running.answer = running.asked.apply() ?? REFUSED
    } else {
      const { asked, answer } = running
      const refused = answer === REFUSED
      const told = random.fraction() < shape.wrong ? asked.wrong() : answer
      if (refused) writer.add(process, 'fail', asked.f, asked.key, asked.value)
      else writer.add(process, 'ok', asked.f, asked.key, unbox(told))
      open.delete(process)
    }
  }
  return writer.events
}

/** Answers are boxed, so that null is one. */
class Box {
  readonly value: unknown
  constructor(value: unknown) {
    this.value = value
  }
}

function unbox(answer: unknown): unknown {
  return answer instanceof Box ? answer.value : answer
}

/** Registers of this many keys and values (from 1; `unique`: every write has one of its own). */
export function randomRegisters(
  random: SeededRandom,
  shape: RunShape & { readonly keys: number; readonly values: number | 'unique' },
): HistoryEvent[] {
  const held = new Map<string, number | null>()
  let last = 0
  const draw = (): number => (shape.values === 'unique' ? ++last : 1 + random.below(shape.values))
  const any = (): number | null =>
    random.below((shape.values === 'unique' ? last : shape.values) + 1) || null
  return run(random, shape, () => {
    const key = `k${random.below(shape.keys)}`
    const value = random.pick(['read', 'read', 'write', 'cas'])
    if (value === 'read') {
      return {
        ...{ f: 'read', key, value: null },
        apply: () => new Box(held.get(key) ?? null),
        wrong: () => new Box(any()),
      }
    }
    if (value === 'write') {
      const written = draw()
      const asked = { f: 'write', key, value: written }
      return { ...asked, apply: () => (held.set(key, written), written), wrong: () => written }
    }
    const pair = [random.fraction() < 0.7 ? (held.get(key) ?? null) : any(), draw()] as const
    const apply = (): unknown => {
      if ((held.get(key) ?? null) !== pair[0]) return undefined
      held.set(key, pair[1])
      return pair
    }
    return { f: 'cas', key, value: pair, apply, wrong: () => pair }
  })
}

type Step = readonly ['append', string, number] | readonly ['r', string, readonly number[] | null]

/** Transactions over lists of this many keys. */
export function randomAppends(
  random: SeededRandom,
  shape: RunShape & { readonly keys: number; readonly steps: number },
): HistoryEvent[] {
  const lists = new Map<string, readonly number[]>()
  let last = 0
  const at = (key: string): readonly number[] => lists.get(key) ?? []
  return run(random, shape, () => {
    const steps = Array.from({ length: 1 + random.below(shape.steps) }, (): Step => {
      const key = `k${random.below(shape.keys)}`
      return random.fraction() < 0.5 ? ['append', key, ++last] : ['r', key, null]
    })
    let answer: readonly Step[] = []
    const apply = (): unknown => {
      answer = steps.map((step): Step => {
        const [f, key, value] = step
        if (f === 'r') return ['r', key, at(key)]
        lists.set(key, [...at(key), value])
        return step
      })
      return answer
    }
    return {
      f: 'txn',
      key: null,
      value: steps,
      apply,
      wrong: () => answer.map((step) => bend(random, step)),
    }
  })
}

/** A read that misses the end, has it out of order, or is right all the same. */
function bend(random: SeededRandom, step: Step): Step {
  const [f, key, list] = step
  if (f !== 'r' || list === null) return step
  if (random.fraction() < 0.7) return ['r', key, list.slice(0, random.below(list.length + 1))]
  return ['r', key, random.shuffle([...list])]
}

/** Transfers between accounts of 100 each, and snapshots of all. */
export function randomTransfers(
  random: SeededRandom,
  shape: RunShape & { readonly accounts: number },
): HistoryEvent[] {
  const balances = new Map(Array.from({ length: shape.accounts }, (_, at) => [`a${at}`, 100]))
  const names = [...balances.keys()]
  return run(random, shape, () => {
    if (random.fraction() < 0.4) {
      const snapshot = (): Box => new Box(Object.fromEntries(balances))
      return { f: 'read', key: null, value: null, apply: snapshot, wrong: snapshot }
    }
    const [from, to] = random.shuffle([...names]) as [string, string]
    const value = { from, to, amount: 1 + random.below(60) }
    const apply = (): unknown => {
      const rest = (balances.get(from) as number) - value.amount
      if (rest < 0) return undefined
      balances.set(from, rest)
      balances.set(to, (balances.get(to) as number) + value.amount)
      return value
    }
    return { f: 'transfer', key: null, value, apply, wrong: () => value }
  })
}
