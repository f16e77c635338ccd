/** Transactions over lists, as histories hold them (`docs/spec/histories.md`). */
import type { SeededRandom } from '../../../src/core/seeded-random.ts'

/** One operation of such a transaction. */
export type Mop = ['append' | 'r', string, number | number[] | null]

/** Up to three of them. `unique` draws the elements. */
export function drawMops(
  random: SeededRandom,
  keys: readonly string[],
  unique: () => number,
): readonly Mop[] {
  return Array.from({ length: 1 + random.below(3) }, (): Mop => {
    const key = random.pick(keys)
    return random.fraction() < 0.5 ? ['append', key, unique()] : ['r', key, null]
  })
}

/** The same once more: other elements in the same places. */
export function drawAgain(mops: readonly Mop[], unique: () => number): readonly Mop[] {
  return mops.map((mop): Mop => (mop[0] === 'r' ? mop : ['append', mop[1], unique()]))
}

/** What the operations give on these lists, and the lists that they append to as they leave them. */
export function onLists(
  wanted: readonly Mop[],
  before: ReadonlyMap<string, readonly number[]>,
): {
  readonly mops: readonly Mop[]
  readonly written: ReadonlyMap<string, readonly number[]>
} {
  const written = new Map<string, readonly number[]>()
  const mops = wanted.map(([f, key, value]): Mop => {
    const list = written.get(key) ?? before.get(key)
    if (f === 'r') return ['r', key, list === undefined ? null : [...list]]
    written.set(key, [...(list ?? []), value as number])
    return ['append', key, value]
  })
  return { mops, written }
}
