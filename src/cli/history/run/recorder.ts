/**
 * Records a history, in memory for the checkers and line by line in a file. Events are recorded in
 * one thread, at the moment before a call and at the moment after it: their order is that of time.
 */
import type { EventType, HistoryEvent } from '../../../../replication/verify/history.ts'
import { MeridianError } from '../../../core/errors.ts'

/** How many operations ended how. */
export interface Counts {
  readonly ok: number
  readonly fail: number
  readonly info: number
}

/** What begins an operation. */
type Invocation = Pick<HistoryEvent, 'f' | 'key' | 'value'>

/** Where a recorder puts what it hears. */
export interface RecorderOptions {
  /** Nanoseconds on a clock that does not go back. */
  readonly nowNs: () => bigint
  /** Takes each event as it is recorded. */
  readonly onEvent: (event: HistoryEvent) => void
}

export class HistoryRecorder {
  readonly #options: RecorderOptions
  readonly #startedAtNs: bigint
  readonly #events: HistoryEvent[] = []
  readonly #open = new Map<number, Invocation>()
  readonly #counts = new Map<string, { ok: number; fail: number; info: number }>()
  readonly #errors = new Map<string, number>()
  #nextProcess = 0

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#startedAtNs = options.nowNs()
  }

  /** All that was recorded, in order. */
  get events(): readonly HistoryEvent[] {
    return this.#events
  }

  /** Operations that ended, by name. */
  get counts(): ReadonlyMap<string, Counts> {
    return this.#counts
  }

  /** How often each error ended an operation, by outcome and code: `info UNKNOWN_OUTCOME`. */
  get errors(): ReadonlyMap<string, number> {
    return this.#errors
  }

  /** Nanoseconds since the start. */
  get timeNs(): number {
    return Number(this.#options.nowNs() - this.#startedAtNs)
  }

  /** The number of a process that has no event yet. */
  newProcess(): number {
    return this.#nextProcess++
  }

  /** An operation begins. */
  begin(process: number, { f, key, value }: Invocation): void {
    if (this.#open.has(process)) throw misused(`process ${process} has an operation open`)
    this.#open.set(process, { f, key, value })
    this.#add(process, 'invoke', f, key, value)
  }

  /** It ends. An operation of unknown outcome ends its process with it. */
  end(process: number, type: Exclude<EventType, 'invoke'>, value: unknown, error?: string): void {
    const begun = this.#open.get(process)
    if (begun === undefined) throw misused(`process ${process} has no operation open`)
    this.#open.delete(process)
    const { f, key } = begun
    this.#add(process, type, f, key, value)
    const counts = this.#counts.get(f) ?? { ok: 0, fail: 0, info: 0 }
    counts[type] += 1
    this.#counts.set(f, counts)
    if (error === undefined) return
    const name = `${type} ${error}`
    this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1)
  }

  /** Something that stands alone: what a region holds at the end (`state`). */
  report(f: string, key: string, value: unknown): void {
    this.#add(this.newProcess(), 'ok', f, key, value)
  }

  #add(process: number, type: EventType, f: string, key: string | null, value: unknown): void {
    const event: HistoryEvent = { process, type, f, key, value, timeNs: this.timeNs }
    this.#events.push(event)
    this.#options.onEvent(event)
  }
}

function misused(what: string): MeridianError {
  return new MeridianError('INTERNAL', `A history was recorded wrongly: ${what}.`)
}
