/** How often what happened, by name. */
export class Counters {
  readonly #counts = new Map<string, number>()

  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by)
  }

  /** Adds all of another's. */
  addAll(other: Counters): void {
    for (const [name, count] of other.#counts) this.add(name, count)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Names in alphabetical order. */
  sorted(): readonly (readonly [name: string, count: number])[] {
    return [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  }
}
