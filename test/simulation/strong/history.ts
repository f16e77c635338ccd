/** What clients saw, as histories that checkers take, and with places in the log. */
import type { EventType, HistoryEvent } from '../../../replication/verify/history.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import type { World } from '../world/world.ts'

/** A transaction that a client has an answer to, or gave up. */
export interface SentTransaction {
  readonly txId: string
  /** The highest index that anybody had been told of when it was sent first. */
  readonly floor: number
  /** `none`: surely without effect. */
  readonly outcome:
    | { readonly kind: 'committed'; readonly index: number }
    | { readonly kind: 'refused'; readonly code: string }
    | { readonly kind: 'none' }
    | { readonly kind: 'unknown' }
}

/** Rows that a client was given. */
export interface SeenRows {
  readonly level: 'strong' | 'local'
  readonly floor: number
  readonly index: number
  readonly ids: readonly string[]
  readonly rows: readonly SqlRow[]
}

export class Recorder {
  readonly registers: HistoryEvent[] = []
  readonly lists: HistoryEvent[] = []
  readonly transfers: HistoryEvent[] = []
  readonly transactions: SentTransaction[] = []
  readonly seen: SeenRows[] = []
  /** What a client saw that no answer may be like. */
  readonly complaints: string[] = []
  readonly #world: World
  #floor = 0
  #processes = 0
  #operations = 0

  constructor(world: World) {
    this.#world = world
  }

  newProcess(): number {
    this.#processes += 1
    return this.#processes
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
    history: 'registers' | 'lists' | 'transfers',
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
