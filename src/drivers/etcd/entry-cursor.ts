/**
 * Which of the entries that etcd sends come next: the version of a group's key counts its records
 * without a gap, so a lost or a repeated one shows at once.
 */
import type { EtcdFaults } from './etcd-faults.ts'

/** What to do with an entry. */
export type CursorVerdict =
  | 'next'
  /** Before what the reader asked for. */
  | 'skip'
  /** Something is missing or came twice: read again from where the reader is. */
  | 'broken'

export class EntryCursor {
  readonly #fromIndex: number
  readonly #faults: EtcdFaults
  /** The index that must come now. */
  #expected: number

  /** `expected`: what etcd sends first; `fromIndex`: what the reader wants first. */
  constructor(expected: number, fromIndex: number, faults: EtcdFaults) {
    this.#expected = expected
    this.#fromIndex = fromIndex
    this.#faults = faults
  }

  /** The last index that was seen. */
  get last(): number {
    return this.#expected - 1
  }

  see(index: number): CursorVerdict {
    if (index !== this.#expected && this.#faults.ignoreIndex !== true) return 'broken'
    this.#expected = index + 1
    return index < this.#fromIndex ? 'skip' : 'next'
  }
}
