/** The rule that every history keeps: who may say what after what. */

import type { HistoryEvent } from './history.ts'

/** Events that stand alone: what a change stream emitted, what a region holds at the end. */
const STANDALONE: readonly string[] = ['emit', 'state']

/** Whether the event is a report by itself, not part of an operation. */
export function isStandalone(event: HistoryEvent): boolean {
  return STANDALONE.includes(event.f)
}

/**
 * Follows a history and says where it breaks the rule: time does not run back; a process has one
 * operation open at a time, closed by one `ok`, `fail` or `info` of the same name and key; after
 * `info` it is never used again.
 */
export class HistoryProtocol {
  readonly #open = new Map<number, HistoryEvent>()
  readonly #ended = new Set<number>()
  #timeNs = 0

  /** Takes the next event; what is wrong with it, or undefined. */
  add(event: HistoryEvent): string | undefined {
    if (event.timeNs < this.#timeNs) return 'time runs back'
    this.#timeNs = event.timeNs
    if (isStandalone(event)) {
      return event.type === 'ok' ? undefined : `\`${event.f}\` stands alone, with type ok`
    }
    return event.type === 'invoke' ? this.#begin(event) : this.#finish(event)
  }

  #begin(event: HistoryEvent): string | undefined {
    const { process } = event
    if (this.#ended.has(process)) return `process ${process} goes on after an unknown outcome`
    if (this.#open.has(process)) return `process ${process} has an operation open already`
    this.#open.set(process, event)
    return undefined
  }

  #finish(event: HistoryEvent): string | undefined {
    const { process } = event
    const invoke = this.#open.get(process)
    if (invoke === undefined) return `process ${process} has no operation open`
    if (invoke.f !== event.f || invoke.key !== event.key) {
      return `process ${process} ends another operation than it began`
    }
    this.#open.delete(process)
    if (event.type === 'info') this.#ended.add(process)
    return undefined
  }
}
