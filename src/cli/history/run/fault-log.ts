/** What went wrong in a run: lines of a file beside the history, and counts by kind. */
import type { FaultEvent } from '../faults/nemesis.ts'
import type { FaultKind, PlannedFault } from '../faults/plan.ts'

/** How often a kind of fault was there. */
export interface FaultCounts {
  readonly planned: number
  readonly begun: number
  readonly healed: number
}

/** Where a history's faults are. */
export function faultsFileOf(historyFile: string): string {
  return `${historyFile}.faults.jsonl`
}

/** Counts faults, and makes a line of each event. */
export class FaultLog {
  readonly #counts = new Map<FaultKind, { planned: number; begun: number; healed: number }>()
  readonly #underWay = new Map<number, FaultEvent>()
  readonly #timeNs: () => number
  readonly #add: (line: string) => void

  /** `timeNs`: on the history's clock. */
  constructor(timeNs: () => number, add: (line: string) => void) {
    this.#timeNs = timeNs
    this.#add = add
  }

  get counts(): ReadonlyMap<FaultKind, FaultCounts> {
    return this.#counts
  }

  /** Faults that have begun. */
  get begun(): number {
    let sum = 0
    for (const { begun } of this.#counts.values()) sum += begun
    return sum
  }

  /** What is broken now, in words. */
  get underWay(): readonly string[] {
    return Array.from(
      this.#underWay.values(),
      ({ fault, target }) => `${fault.kind} ${target.replace(/, pid \d+$/, '')}`,
    )
  }

  /** Tells of all that is to be. */
  plan(faults: readonly PlannedFault[]): void {
    for (const fault of faults) {
      this.#countOf(fault.kind).planned += 1
      this.#write({ event: 'planned', fault, target: '' })
    }
  }

  /** Takes what happens. */
  readonly take = (event: FaultEvent): void => {
    const { fault } = event
    if (event.event === 'begun') {
      this.#countOf(fault.kind).begun += 1
      this.#underWay.set(fault.number, event)
    }
    if (event.event === 'healed') {
      this.#countOf(fault.kind).healed += 1
      this.#underWay.delete(fault.number)
    }
    this.#write(event)
  }

  #write({ event, fault, target, ...rest }: FaultEvent): void {
    const timeNs = this.#timeNs()
    const line = event === 'planned' ? { timeNs, event, ...fault } : outline(timeNs)
    this.#add(`${JSON.stringify(line)}\n`)

    function outline(at: number): object {
      return { timeNs: at, event, number: fault.number, kind: fault.kind, target, ...rest }
    }
  }

  #countOf(kind: FaultKind): { planned: number; begun: number; healed: number } {
    let counts = this.#counts.get(kind)
    if (counts === undefined) {
      counts = { planned: 0, begun: 0, healed: 0 }
      this.#counts.set(kind, counts)
    }
    return counts
  }
}
