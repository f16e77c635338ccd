/**
 * Staleness by probe (protocol rule 17): a probe leaves at t0, the source answers its end; once
 * that is applied here, everything that was committed there before t0 is here. Times are this
 * process's monotonic milliseconds: no other machine's clock counts.
 */
export class FreshnessTracker {
  readonly #sentMs = new Map<number, number>()
  /** Answered probes that wait for their position, in the order of their answers. */
  #answered: { readonly sentMs: number; readonly end: number }[] = []
  #nextId = 0
  #freshAsOfMs: number | null = null

  /** The instant up to which everything of the source is applied here; null: not known. */
  get freshAsOfMs(): number | null {
    return this.#freshAsOfMs
  }

  /** A probe leaves. Returns its id. */
  probe(nowMs: number): number {
    const id = this.#nextId++
    this.#sentMs.set(id, nowMs)
    return id
  }

  /** The source's end when it answered the probe. */
  answer(id: number, end: number, applied: number): void {
    const sentMs = this.#sentMs.get(id)
    if (sentMs === undefined) return
    this.#sentMs.delete(id)
    this.#answered.push({ sentMs, end })
    this.advance(applied)
  }

  /** Everything up to `applied` is here. */
  advance(applied: number): void {
    const waiting = this.#answered.filter(({ end }) => end > applied)
    if (waiting.length === this.#answered.length) return
    for (const { sentMs, end } of this.#answered) {
      if (end <= applied) this.#freshAsOfMs = Math.max(this.#freshAsOfMs ?? sentMs, sentMs)
    }
    this.#answered = waiting
  }

  /** The connection is gone: its probes will not be answered. What is fresh stays so. */
  reset(): void {
    this.#sentMs.clear()
    this.#answered = []
  }
}
