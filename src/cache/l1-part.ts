/**
 * How far a process has heard of one part of a shared cache. `applied` is reached without a gap:
 * whatever changed up to there has been told, or was in no entry that is kept (docs/spec/cache.md).
 */
import type { AppliedChanges } from '../core/ports/applied-changes.ts'

/** What is to be done with a message. */
export type Heard =
  /** It says nothing new. */
  | 'known'
  /** Entries of its keys are no longer good. */
  | 'changed'
  /** Something before it is missing: no entry can be vouched for. */
  | 'gap'

/** A batch whose last piece has not been heard. */
interface Pending {
  readonly after: number
  readonly position: number
  readonly next: number
}

/** A position of the shared cache that no message has reached yet. */
interface Owed {
  readonly position: number
  readonly sinceMs: number
}

export class L1Part {
  /** Nothing is kept before it is known from where on changes are told. */
  #isKnown = false
  #applied = 0
  #life: string | undefined
  #pending: Pending | undefined
  #owed: Owed | undefined

  get isKnown(): boolean {
    return this.#isKnown
  }

  get applied(): number {
    return this.#applied
  }

  /** An entry must be good up to here to be kept: changes up to here are not told again. */
  get floor(): number {
    return Math.max(this.#applied, this.#pending?.position ?? 0)
  }

  forget(): void {
    this.#isKnown = false
    this.#applied = 0
    this.#life = undefined
    this.#pending = undefined
    this.#owed = undefined
  }

  /** The shared cache was at `position` when it was asked, after the subscription was confirmed. */
  learn(position: number, nowMs: number): void {
    if (!this.#isKnown) {
      this.#isKnown = true
      this.#applied = Math.max(this.#applied, position)
    }
    if (position > this.#applied) this.#owed ??= { position, sinceMs: nowMs }
  }

  /** Whether a position that was reached so long ago has not been told. */
  isOverdue(nowMs: number, patienceMs: number): boolean {
    return this.#owed !== undefined && nowMs - this.#owed.sinceMs > patienceMs
  }

  hear(message: AppliedChanges, ignoresGaps: boolean): Heard {
    const { life, after, position, piece, isLast } = message
    const isOtherLife = this.#life !== undefined && this.#life !== life
    this.#life = life
    if (isOtherLife) return 'gap'
    if (position <= this.#applied) return 'known'
    if (this.#isKnown && after > this.#applied && !ignoresGaps) return 'gap'
    const isNext =
      piece === 0 ||
      (this.#pending?.next === piece &&
        this.#pending.after === after &&
        this.#pending.position === position)
    // Before anything is kept it does not matter: the next batch will not go on from `applied`.
    if (!isNext && !ignoresGaps) return this.#isKnown ? 'gap' : 'known'
    if (isLast) this.#reach(position)
    else this.#pending = { after, position, next: piece + 1 }
    return 'changed'
  }

  /** Whether changes that this process hands on itself follow what it has heard; then they count. */
  advance(after: number, position: number): boolean {
    if (!this.#isKnown || after > this.#applied || position <= this.#applied) return false
    this.#reach(position)
    return true
  }

  #reach(position: number): void {
    this.#applied = position
    this.#pending = undefined
    if (this.#owed !== undefined && position >= this.#owed.position) this.#owed = undefined
  }
}
