/** Repeatable randomness for the choices of workloads (mulberry32; not for anything secret). */

/** Draws numbers. */
export interface SeededRandom {
  /** A number from 0 to below 1. */
  fraction(): number
  /** A whole number from 0 to below `bound`. */
  below(bound: number): number
  /** One of the items. */
  pick<T>(items: readonly T[]): T
  /** Puts the items in a random order, in place. */
  shuffle<T>(items: T[]): T[]
}

/** The same numbers for the same seed. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (bound: number): number => Math.floor(fraction() * bound)
  return {
    fraction,
    below,
    pick: <T>(items: readonly T[]) => items[below(items.length)] as T,
    shuffle<T>(items: T[]): T[] {
      for (let i = items.length - 1; i > 0; i--) {
        const j = below(i + 1)
        ;[items[i], items[j]] = [items[j] as T, items[i] as T]
      }
      return items
    },
  }
}
