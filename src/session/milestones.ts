/**
 * Moments of a store that reads happened to see: its localSeq, what it then held of other stores and
 * logs, and when that was. What is kept of the store elsewhere, as of some localSeq, is judged by
 * them: what it holds of every source, and how old it can be.
 *
 * Snapshots of a store are in one order, and its localSeq and all its positions only grow along it.
 * So a copy as of a localSeq at or above a milestone's holds all that the milestone's positions say,
 * and one at or below it holds nothing that they do not.
 */
import type { StatementResult } from '../core/ports/store.ts'
import type { Positions } from '../protocol/messages.ts'
import { seenPositions, seenStatements, type SeenKinds } from './positions.ts'

/** Positions of other stores and of logs. */
interface Others {
  /** For rows of pinned tables, and logs. */
  readonly applied: Positions
  /** For rows of eventual tables. */
  readonly visible: Positions
}

interface Milestone {
  readonly localSeq: number
  /** Monotonic ms before the snapshot was asked for. */
  readonly atMs: number
  /** Absent where the read has not asked. */
  readonly others?: Others | undefined
}

/** The statements whose results `record` takes. */
export const MILESTONE_STATEMENTS: ReturnType<typeof seenStatements> = seenStatements({
  own: true,
  imported: 'applied',
  logs: true,
})

const MAX_KEPT = 64
/** Those that are closer than this are one: few must reach back a while. */
const APART_MS = 10

export class Milestones {
  readonly #source: string
  /** In the order of their localSeq. */
  #kept: Milestone[] = []

  /** `source`: the store's own. */
  constructor(source: string) {
    this.#source = source
  }

  /** Takes note of a snapshot by what `MILESTONE_STATEMENTS` gave. Returns its localSeq. */
  record(results: readonly StatementResult[], atMs: number): number {
    const read = (imported: 'applied' | 'visible'): Record<string, number> =>
      seenPositions({ own: true, imported, logs: true }, this.#source, results)
    const { [this.#source]: localSeq = 0, ...applied } = read('applied')
    const { [this.#source]: _, ...visible } = read('visible')
    this.#add({ localSeq, atMs, others: { applied, visible } })
    return localSeq
  }

  /** Takes note of a snapshot of which only its own position is known. */
  recordOwn(localSeq: number, atMs: number): void {
    this.#add({ localSeq, atMs })
  }

  /**
   * A localSeq from which on the store holds all these positions; `undefined` where none is known,
   * although the store may hold them.
   */
  localSeqOf(required: Positions): number | undefined {
    const { [this.#source]: own = 0, ...others } = required
    const names = Object.keys(others)
    if (names.length === 0) return own
    const first = this.#kept.find(
      (one) =>
        one.others !== undefined &&
        names.every((name) => (one.others?.visible[name] ?? -1) >= (others[name] as number)),
    )
    return first === undefined ? undefined : Math.max(own, first.localSeq)
  }

  /** What a reader of the store as of a localSeq has seen at most; `undefined`: not known. */
  seenAt(localSeq: number, kinds: SeenKinds): Positions | undefined {
    const own = kinds.own ? { [this.#source]: localSeq } : {}
    if (kinds.imported === 'none' && !kinds.logs) return own
    const after = this.#kept.find((one) => one.others !== undefined && one.localSeq >= localSeq)
    if (after?.others === undefined) return undefined
    const { applied, visible } = after.others
    const seen: Record<string, number> = { ...own }
    const positions = kinds.imported === 'visible' ? visible : applied
    for (const name in positions) {
      const counts = name.startsWith('log:') ? kinds.logs : kinds.imported !== 'none'
      if (counts) seen[name] = positions[name] as number
    }
    return seen
  }

  /** Monotonic ms as of which a copy at this localSeq held all that the store did; -Infinity: unknown. */
  freshAsOfMs(localSeq: number): number {
    let atMs = -Infinity
    for (const one of this.#kept) {
      if (one.localSeq > localSeq) break
      atMs = Math.max(atMs, one.atMs)
    }
    return atMs
  }

  #add(milestone: Milestone): void {
    const behind = this.#kept.findLastIndex((one) => one.localSeq <= milestone.localSeq)
    const before = this.#kept[behind]
    if (before?.localSeq === milestone.localSeq) {
      const isLater = milestone.atMs >= before.atMs
      const [older, newer] = isLater ? [before, milestone] : [milestone, before]
      this.#kept[behind] = { ...newer, others: newer.others ?? older.others }
    } else {
      this.#kept.splice(behind + 1, 0, milestone)
    }
    this.#thin()
  }

  /** Drops the last but one where it says little, or else the oldest. */
  #thin(): void {
    const [a, b, c] = this.#kept.slice(-3)
    if (a !== undefined && b !== undefined && c !== undefined) {
      const saysNothing = b.others === undefined || c.others !== undefined
      if (saysNothing && c.atMs - a.atMs < APART_MS) this.#kept.splice(-2, 1)
    }
    if (this.#kept.length > MAX_KEPT) this.#kept.shift()
  }
}
