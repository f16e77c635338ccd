/** A bounded map: the entry that was used longest ago makes room. */

/** What bounds the sum of something of the values, as their bytes. */
export interface LruWeight<V> {
  readonly max: number
  readonly of: (value: V) => number
}

export class Lru<V> {
  readonly #capacity: number
  readonly #weight: LruWeight<V> | undefined
  readonly #entries = new Map<string, V>()
  #total = 0

  constructor(capacity: number, weight?: LruWeight<V>) {
    this.#capacity = capacity
    this.#weight = weight
  }

  get size(): number {
    return this.#entries.size
  }

  /** The sum of what the values weigh; 0 where nothing is weighed. */
  get weight(): number {
    return this.#total
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    // A Map iterates in order of insertion: the used entry moves to the end.
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: string, value: V): void {
    this.delete(key)
    this.#entries.set(key, value)
    this.#total += this.#weight?.of(value) ?? 0
    const max = this.#weight?.max ?? Infinity
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#capacity && this.#total <= max) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const value = this.#entries.get(key)
    if (value === undefined) return
    this.#entries.delete(key)
    this.#total -= this.#weight?.of(value) ?? 0
  }

  clear(): void {
    this.#entries.clear()
    this.#total = 0
  }
}
