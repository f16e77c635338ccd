/** Gathers what a checker found, so that a history that is bad all over stays readable. */

import type { Anomaly, HistoryEvent } from './history.ts'

/** Anomalies of one kind that are shown. */
const MAX_SHOWN_PER_KIND = 20

export class AnomalyList {
  readonly #shown: Anomaly[] = []
  readonly #counts = new Map<string, number>()

  add(kind: string, message: string, events: readonly HistoryEvent[]): void {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (count <= MAX_SHOWN_PER_KIND) this.#shown.push({ kind, message, events })
  }

  /** In the order of discovery; the last of a kind says how many more there are. */
  list(): Anomaly[] {
    const anomalies = [...this.#shown]
    for (const [kind, count] of this.#counts) {
      const hidden = count - MAX_SHOWN_PER_KIND
      if (hidden <= 0) continue
      const at = anomalies.findLastIndex((anomaly) => anomaly.kind === kind)
      const last = anomalies[at] as Anomaly
      anomalies[at] = { ...last, message: `${last.message} (And ${hidden} more of this kind.)` }
    }
    return anomalies
  }
}
