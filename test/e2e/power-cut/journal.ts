/**
 * What was written and what was acknowledged, kept outside of the disk whose power is cut. What a
 * write holds follows from its number, so that the journal needs no copy of it.
 */
import { seededRandom } from '../../../src/core/seeded-random.ts'

export const MODES = ['strong', 'pinned', 'eventual'] as const
export type Mode = (typeof MODES)[number]

/** A row of a write. */
export interface Note {
  readonly id: number
  readonly write: number
  readonly value: string
}

/** Rows of a write: more than one, so that half of it can be seen. */
const NOTES_PER_WRITE = 3
/** Some notes fill a page of the store, and overflow it. */
const MAX_VALUE_LENGTH = 6_000

/** The rows of a write of a mode. */
export function notesOf(seed: number, mode: Mode, write: number): readonly Note[] {
  const random = seededRandom(seed + write * MODES.length + MODES.indexOf(mode))
  return Array.from({ length: NOTES_PER_WRITE }, (_, i) => {
    // Most are short.
    const length = Math.floor(MAX_VALUE_LENGTH * random.fraction() ** 4)
    const word = `${mode} ${write}.${i} ${random.below(1e9)} `
    const value = word.repeat(Math.ceil((length + 1) / word.length))
    return { id: write * NOTES_PER_WRITE + i, write, value }
  })
}

/** The writes to one disk. */
export class Journal {
  readonly seed: number
  readonly #acknowledged: Readonly<Record<Mode, Set<number>>>
  /** Sent, and not known to have taken effect. */
  readonly #open: Readonly<Record<Mode, Set<number>>>

  constructor(seed: number) {
    this.seed = seed
    this.#acknowledged = { strong: new Set(), pinned: new Set(), eventual: new Set() }
    this.#open = { strong: new Set(), pinned: new Set(), eventual: new Set() }
  }

  /** The number of a new write, which is open from now on. */
  begin(mode: Mode): number {
    const write = this.#acknowledged[mode].size + this.#open[mode].size
    this.#open[mode].add(write)
    return write
  }

  acknowledge(mode: Mode, write: number): void {
    this.#open[mode].delete(write)
    this.#acknowledged[mode].add(write)
  }

  acknowledged(mode: Mode): ReadonlySet<number> {
    return this.#acknowledged[mode]
  }

  open(mode: Mode): ReadonlySet<number> {
    return this.#open[mode]
  }
}
