/** What clients saw, as histories that checkers take, and with places in the log. */
import type { EventType, HistoryEvent } from '../../../replication/verify/history.ts'
import type { ListQuery } from '../../../src/core/list-query.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import type { CompiledTable } from '../../../src/schema/compiled.ts'
import type { StoredRow } from '../../../src/sql/select.ts'
import type { World } from '../world/world.ts'

/** Calls in the order in which they began and ended: numbers that rise. */
interface Span {
  readonly began: number
  readonly ended: number
}

/** A transaction that a client has an answer to, or gave up. */
export interface SentTransaction extends Span {
  readonly txId: string
  /** The highest index that anybody had been told of when it was sent first. */
  readonly floor: number
  /** `none`: surely without effect. */
  readonly outcome:
    | { readonly kind: 'committed'; readonly index: number }
    /** `reads`: the places of the reads that were stale, where the answer names them. */
    | { readonly kind: 'refused'; readonly code: string; readonly reads?: readonly number[] }
    | { readonly kind: 'none' }
    | { readonly kind: 'unknown' }
}

interface Seen {
  readonly level: 'strong' | 'local'
  readonly began: number
  readonly floor: number
  readonly index: number
}

/** Accounts that a client was given. */
export interface SeenRows extends Seen {
  readonly ids: readonly string[]
  readonly rows: readonly SqlRow[]
}

/** A range that a client was given. */
export interface SeenRange extends Seen {
  readonly table: CompiledTable
  readonly tenant: string
  readonly query: ListQuery
  /** What expiry was judged by. */
  readonly nowMs: number
  readonly rows: readonly StoredRow[]
}

/** A job of the queue that a client knows to have put there, or to have taken. */
export interface Job {
  readonly id: string
  /** Who took it: a number that nobody else draws; undefined: it was put. */
  readonly mark?: bigint
}

const HISTORIES = ['registers', 'lists', 'rangeLists', 'transfers'] as const
export type HistoryName = (typeof HISTORIES)[number]

export class Recorder {
  readonly registers: HistoryEvent[] = []
  readonly lists: HistoryEvent[] = []
  readonly rangeLists: HistoryEvent[] = []
  readonly transfers: HistoryEvent[] = []
  readonly transactions: SentTransaction[] = []
  readonly seen: SeenRows[] = []
  readonly ranges: SeenRange[] = []
  readonly jobs: Job[] = []
  /** What a client saw that no answer may be like. */
  readonly complaints: string[] = []
  readonly #world: World
  #floor = 0
  #moments = 0
  #processes = 0
  #operations = 0

  constructor(world: World) {
    this.#world = world
  }

  newProcess(): number {
    this.#processes += 1
    return this.#processes
  }

  /** Now, in the order of beginnings and ends. */
  moment(): number {
    this.#moments += 1
    return this.#moments
  }

  /** Counts what is worth a figure. */
  count(name: string): void {
    this.#world.count(name)
  }

  /** Calls of clients that ended. */
  operations(): number {
    return this.#operations
  }

  ended(): void {
    this.#operations += 1
  }

  /** The highest index that a client was told of by now. */
  floor(): number {
    return this.#floor
  }

  /** A client learned that the log had come to `index`. */
  told(index: number): void {
    this.#floor = Math.max(this.#floor, index)
  }

  note(
    history: HistoryName,
    process: number,
    type: EventType,
    f: string,
    key: string | null,
    value: unknown,
  ): void {
    const timeNs = Math.round(this.#world.scheduler.nowMs() * 1e6)
    this[history].push({ process, type, f, key, value, timeNs })
    this.#world.note(`${process} ${type} ${f} ${key} ${JSON.stringify(value)}`)
  }
}

/** The histories as one client writes them. */
export class ClientHistory {
  readonly #recorder: Recorder
  #process: number

  constructor(recorder: Recorder) {
    this.#recorder = recorder
    this.#process = recorder.newProcess()
  }

  invoke(history: HistoryName, f: string, key: string | null, value: unknown): void {
    this.note(history, 'invoke', f, key, value)
  }

  /** Ends a call by what became of its transaction. */
  end(
    history: HistoryName,
    f: string,
    key: string | null,
    value: unknown,
    { kind }: { readonly kind: SentTransaction['outcome']['kind'] },
  ): void {
    const type = kind === 'committed' ? 'ok' : kind === 'unknown' ? 'info' : 'fail'
    this.note(history, type, f, key, value)
  }

  note(history: HistoryName, type: EventType, f: string, key: string | null, value: unknown): void {
    this.#recorder.note(history, this.#process, type, f, key, value)
    // Whoever may still be at it does nothing else any more.
    if (type === 'info') this.#process = this.#recorder.newProcess()
  }
}
