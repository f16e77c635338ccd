/** Random histories of replicas, their healing, and what must hold afterwards. */
import fc from 'fast-check'
import { isPresent, isVisible } from '../../crdt/project.ts'
import { stampHlc, stampSource, makeStamp } from '../../src/core/hlc.ts'
import type { CellOp } from '../../src/core/operations.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { lastHlc, Logs, Replica, type CrdtFaults, type LogEntry } from './crdt-replicas.ts'
import { COLUMN } from './eventual-schema.ts'

const REGIONS = ['us', 'eu', 'ap'] as const
const SKEWS_MS = [0, 400, -400] as const

/** One step of a history. `at` and `to` are replicas. */
export type Step =
  | { readonly kind: 'insert' | 'delete' | 'title'; readonly at: number; readonly key: string }
  | { readonly kind: 'count'; readonly at: number; readonly key: string; readonly by: number }
  | {
      readonly kind: 'add' | 'remove'
      readonly at: number
      readonly key: string
      readonly element: string
    }
  | {
      readonly kind: 'text'
      readonly at: number
      readonly key: string
      readonly position: number
      readonly cut: number
      readonly text: string
    }
  | { readonly kind: 'deliver'; readonly at: number; readonly to: number; readonly changes: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly to: number; readonly from: number }
  | { readonly kind: 'backUp' | 'restore'; readonly at: number }

const replica = fc.integer({ min: 0, max: 2 })
const key = fc.constantFrom('a', 'b')
const element = fc.constantFrom('x', 'y')

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('insert' as const), at: replica, key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), at: replica, key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('title' as const), at: replica, key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('count' as const),
      at: replica,
      key,
      by: fc.integer({ min: -5, max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('add', 'remove'), at: replica, key, element }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('text' as const),
      at: replica,
      key,
      position: fc.nat({ max: 20 }),
      cut: fc.nat({ max: 3 }),
      text: fc.constantFrom('', 'p', 'qr', '🙂'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('deliver' as const),
      at: replica,
      to: replica,
      changes: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('repeat' as const),
      at: replica,
      to: replica,
      from: fc.nat({ max: 10 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('backUp', 'restore'), at: replica }) },
)

/** Histories of up to 60 steps. */
export const history: fc.Arbitrary<readonly Step[]> = fc.array(step, {
  minLength: 10,
  maxLength: 60,
  size: 'max',
})

/** Three replicas of a table after a history. */
export class World {
  readonly table: CompiledTable
  readonly replicas: readonly Replica[]
  readonly logs = new Logs()
  #time = 0
  #titles = 0
  #wasRestored = false

  constructor(table: CompiledTable, faults: CrdtFaults = {}) {
    this.table = table
    this.replicas = REGIONS.map((r, i) => new Replica(table, r, SKEWS_MS[i] as number, faults))
  }

  run(steps: readonly Step[]): void {
    for (const one of steps) this.#step(one)
  }

  /** Delivers everything; a store that was restored also exchanges whole rows with the others. */
  heal(): void {
    for (const to of this.replicas) {
      for (const source of this.logs.sources()) {
        for (const entry of this.logs.of(source)) {
          if (!this.logs.lost.has(entry) && this.#isNext(to, entry)) to.receive(entry)
        }
      }
    }
    for (let round = 0; this.#wasRestored && round < 2; round++) {
      for (const from of this.replicas) {
        for (const [rowKey, row] of from.rows) {
          for (const to of this.replicas) if (to !== from) to.take(rowKey, row, lastHlc(row))
        }
      }
    }
  }

  #step(one: Step): void {
    this.#time += 7
    const at = this.replicas[one.at] as Replica
    switch (one.kind) {
      case 'insert':
        return this.#write(at, one.key, { kind: 'insert', title: `t${++this.#titles}` })
      case 'delete':
        return this.#write(at, one.key, { kind: 'delete' })
      case 'title':
        return this.#set(at, one.key, COLUMN.title, { kind: 'set', value: `t${++this.#titles}` })
      case 'count':
        return this.#set(at, one.key, COLUMN.quantity, {
          kind: 'increment',
          by: one.by,
          floor: null,
        })
      case 'add':
      case 'remove':
        return this.#set(at, one.key, COLUMN.tags, { kind: one.kind, elements: [one.element] })
      case 'text':
        return this.#editText(at, one)
      case 'deliver':
        return this.#deliver(at, this.replicas[one.to] as Replica, one.changes)
      case 'repeat':
        return this.#repeat(at, this.replicas[one.to] as Replica, one.from)
      case 'backUp':
        return at.backUp(this.logs)
      case 'restore':
        return this.#restore(at)
    }
  }

  #write(at: Replica, rowKey: string, what: Parameters<Replica['write']>[1]): void {
    at.write(rowKey, what, this.#time, this.logs)
  }

  #set(at: Replica, rowKey: string, column: number, op: CellOp): void {
    const increment = op.kind === 'increment' ? Number(op.by) : 0
    const tag = op.kind === 'add' || op.kind === 'remove' ? op : null
    this.#write(at, rowKey, { kind: 'update', increment, tag, cells: () => [[column, op]] })
  }

  #editText(at: Replica, one: Extract<Step, { kind: 'text' }>): void {
    const id = this.table.physical[COLUMN.notes]?.columnId ?? 0
    this.#write(at, one.key, {
      kind: 'update',
      increment: 0,
      tag: null,
      cells: (row) => {
        const current = Array.from(row.texts.get(id)?.text ?? '')
        const start = Math.min(one.position, current.length)
        const wanted = [...current.slice(0, start), one.text, ...current.slice(start + one.cut)]
        return [
          [COLUMN.notes, { kind: 'text', edits: [{ kind: 'replace', text: wanted.join('') }] }],
        ]
      },
    })
  }

  #deliver(from: Replica, to: Replica, count: number): void {
    if (from === to) return
    const log = this.logs.of(from.source)
    const position = to.positions.get(from.source) ?? 0
    for (const entry of log.slice(position, position + count)) to.receive(entry)
  }

  #repeat(from: Replica, to: Replica, index: number): void {
    const entry = this.logs.of(from.source)[index]
    if (from === to || entry === undefined) return
    if (index < (to.positions.get(from.source) ?? 0)) to.receive(entry)
  }

  #restore(at: Replica): void {
    const left = at.restore()
    if (left === undefined) return
    this.#wasRestored = true
    const others = this.replicas.filter((other) => other !== at)
    const reached = Math.max(...others.map((other) => other.positions.get(left.source) ?? 0))
    const log = this.logs.of(left.source)
    const kept = Math.max(left.logLength, reached)
    for (const entry of log.slice(kept)) this.logs.lost.add(entry)
    // What the other stores have not got from it yet is not sent again by the new incarnation.
    at.positions.set(left.source, left.logLength)
  }

  #isNext(to: Replica, entry: LogEntry): boolean {
    return (to.positions.get(entry.source) ?? 0) === entry.index
  }
}

/** What is wrong after healing; empty: nothing. */
export function violations(world: World): string[] {
  const found: string[] = []
  const [first, ...others] = world.replicas.map((r) => r.fingerprint())
  if (others.some((other) => other !== first)) found.push('replicas differ')
  found.push(...counterViolations(world), ...titleViolations(world))
  found.push(...deleteViolations(world), ...lostReplacements(world))
  found.push(...tagViolations(world))
  return found
}

function counterViolations(world: World): string[] {
  const at = world.replicas[0] as Replica
  const id = world.table.physical[COLUMN.quantity]?.columnId ?? 0
  return [...at.rows].flatMap(([rowKey, row]) => {
    if (row.deleted !== null) return []
    const sum = [...(row.counters.get(id)?.values() ?? [])].reduce((n, entry) => n + entry.total, 0)
    const acknowledged = world.logs
      .surviving()
      .filter((entry) => entry.key === rowKey && entry.life === row.life)
      .reduce((n, entry) => n + entry.increment, 0)
    return sum === acknowledged ? [] : [`counter ${rowKey} is ${sum}, not ${acknowledged}`]
  })
}

/** Every title is visible, or in a conflict feed, or was replaced by someone who knew it. */
function titleViolations(world: World): string[] {
  const entries = world.logs.surviving()
  const feeds = world.replicas.flatMap((r) => r.losses)
  return entries.flatMap((entry) => {
    if (entry.title === null) return []
    const stamp = makeStamp(entry.hlc, entry.source)
    const isKnownTo = (later: LogEntry): boolean =>
      later.key === entry.key &&
      later !== entry &&
      (later.knew.get(entry.source) ?? 0) > entry.index &&
      (later.title !== null || later.endsRow)
    const isFed = feeds.some((fed) => fed.key === entry.key && fed.loss.loser === stamp)
    const isThere = world.replicas.every((r) =>
      [...r.row(entry.key).registers.values()].some((register) => register.stamp === stamp),
    )
    if (isThere || isFed || entries.some(isKnownTo)) return []
    return [`title ${entry.title} of ${entry.key} vanished`]
  })
}

/** A delete whose writer knew every other write of the row leaves no row. */
function deleteViolations(world: World): string[] {
  const entries = world.logs.surviving()
  return entries.flatMap((entry) => {
    const row = world.replicas[0]?.row(entry.key)
    if (!entry.isDelete || row === undefined || !isVisible(world.table, row)) return []
    const others = entries.filter((other) => other.key === entry.key && other !== entry)
    if (!others.every((other) => (entry.knew.get(other.source) ?? 0) > other.index)) return []
    return [`${entry.key} is there after its delete`]
  })
}

/** An element is there unless each add of it was known to some remove. */
function tagViolations(world: World): string[] {
  const id = world.table.physical[COLUMN.tags]?.columnId ?? 0
  const entries = world.logs.surviving()
  return [...(world.replicas[0]?.rows ?? [])].flatMap(([rowKey, row]) => {
    if (row.deleted !== null) return []
    const ops = entries.filter((entry) => entry.key === rowKey && entry.life === row.life)
    return ['x', 'y'].flatMap((name) => {
      const of = (kind: string): LogEntry[] =>
        ops.filter(({ tag }) => tag?.kind === kind && tag.elements.includes(name))
      const wanted = of('add').some((add) =>
        of('remove').every((remove) => (remove.knew.get(add.source) ?? 0) <= add.index),
      )
      const isThere = isPresent(row.sets.get(id)?.get(name))
      return wanted === isThere ? [] : [`element ${name} of ${rowKey} is there: ${isThere}`]
    })
  })
}

/** A write never loses to a value that its writer knew. */
function lostReplacements(world: World): string[] {
  const byStamp = stampsOf(world)
  return world.replicas.flatMap((r) =>
    r.losses.flatMap(({ key: rowKey, loss }) => {
      const [winner, loser] = [byStamp.get(loss.winner), byStamp.get(loss.loser)]
      if (winner === undefined || loser === undefined || winner.life !== loser.life) return []
      const knew = (loser.knew.get(winner.source) ?? 0) > winner.index
      return knew ? [`a later write of ${rowKey} lost`] : []
    }),
  )
}

function stampsOf(world: World): ReadonlyMap<string, LogEntry> {
  const entries = world.logs.surviving()
  return new Map(entries.map((entry) => [makeStamp(entry.hlc, entry.source), entry]))
}

/** Certain conflicts whose winner's writer knew the loser. */
export function falseAlarms(world: World): string[] {
  const byStamp = stampsOf(world)
  return world.replicas.flatMap((r) =>
    r.losses.flatMap(({ key: rowKey, loss }) => {
      const winner = byStamp.get(loss.winner)
      const loser = byStamp.get(loss.loser)
      if (loss.uncertain || winner?.title === null || winner === undefined || loser === undefined) {
        return []
      }
      const knew = (winner.knew.get(stampSource(loss.loser)) ?? 0) > loser.index
      // Inserts do not see a row whose own insert is not in yet.
      if (winner.endsRow) return []
      return knew && winner.life === loser.life ? [`${rowKey}: ${stampHlc(loss.loser)}`] : []
    }),
  )
}
