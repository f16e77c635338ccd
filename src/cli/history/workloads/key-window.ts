/**
 * Keys that are used for a while. Checkers take time that rises steeply with the operations of one
 * key, and an operation of unknown outcome is open to the end: so a key is used a bounded number
 * of times, and another one takes its place.
 */
import type { SeededRandom } from '../../../core/seeded-random.ts'

export class KeyWindow {
  readonly #prefix: string
  readonly #usesEach: number
  readonly #active: { readonly key: string; uses: number }[] = []
  #made = 0

  /** Keys `<prefix>0`, `<prefix>1`, …, of which `width` are in use at a time. */
  constructor(prefix: string, width: number, usesEach: number) {
    this.#prefix = prefix
    this.#usesEach = usesEach
    for (let i = 0; i < width; i++) this.#active.push(this.#make())
  }

  /** Every key that was ever in use. */
  get all(): readonly string[] {
    return Array.from({ length: this.#made }, (_, i) => `${this.#prefix}${i}`)
  }

  /** One of the keys in use; it counts as a use. */
  pick(random: SeededRandom): string {
    const at = random.below(this.#active.length)
    const picked = this.#active[at] as { readonly key: string; uses: number }
    picked.uses += 1
    if (picked.uses >= this.#usesEach) this.#active[at] = this.#make()
    return picked.key
  }

  #make(): { readonly key: string; uses: number } {
    return { key: `${this.#prefix}${this.#made++}`, uses: 0 }
  }
}
