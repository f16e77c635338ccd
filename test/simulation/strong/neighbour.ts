/**
 * Others who write to a region's store, in the turns in which the log is applied to it: they share commits
 * with it, every second of their transactions fails, and neither may tell in the other (rule 14).
 */
import { isErrorCode } from '../../../src/core/errors.ts'
import { StatementFailed, type Statement, type Store } from '../../../src/core/ports/store.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import type { SimDisk } from '../world/disk.ts'

const FAILS: Statement = { sql: 'INSERT INTO _guard SELECT 1', args: [] }

export class Neighbour {
  readonly #region: string
  readonly #share: number
  readonly #random: SeededRandom
  readonly #acknowledged = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #complaints: string[] = []
  #made = 0

  /** `share`: of writes of the region that have company. */
  constructor(region: string, share: number, random: SeededRandom) {
    this.#region = region
    this.#share = share
    this.#random = random
  }

  /** The store as the region's node uses it. */
  beside(store: Store): Store {
    return {
      read: (statements) => store.read(statements),
      query: (statement) => store.query(statement),
      onCommit: (listener) => store.onCommit(listener),
      close: () => store.close(),
      write: async (statements) => {
        if (this.#random.fraction() >= this.#share) return store.write(statements)
        void this.#write(store, this.#random.fraction() < 0.5)
        const written = store.write(statements)
        void this.#write(store, this.#random.fraction() < 0.5)
        return written
      },
    }
  }

  /** Transactions of others that were acknowledged. */
  written(): number {
    return this.#acknowledged.size
  }

  /** What does not hold in the end. */
  complaints(disk: SimDisk): readonly string[] {
    const [result] = disk.inspect([
      { sql: "SELECT key FROM _meta WHERE key LIKE 'beside:%'", args: [] },
    ])
    const there = new Set(result?.rows.map(([key]) => String(key)))
    const lost = disk.hasForgotten() ? [] : [...this.#acknowledged].filter((key) => !there.has(key))
    const kept = [...this.#refused].filter((key) => there.has(key))
    return [
      ...this.#complaints,
      ...lost.map((key) => `neighbour: ${key} of ${this.#region} was acknowledged and is lost`),
      ...kept.map((key) => `neighbour: ${key} of ${this.#region} was refused and is there`),
    ]
  }

  async #write(store: Store, fails: boolean): Promise<void> {
    this.#made += 1
    const key = `beside:${this.#made}`
    const insert = { sql: 'INSERT INTO _meta (key, value) VALUES (?, ?)', args: [key, ''] }
    try {
      await store.write(fails ? [insert, FAILS] : [insert])
      this.#acknowledged.add(key)
      if (fails) this.#complain(key, 'was acknowledged, though it fails')
    } catch (error) {
      if (error instanceof StatementFailed) this.#refused.add(key)
      // What was refused by the disk is of no interest, nor what it did not answer.
      else if (!isErrorCode(error, 'STORE_UNAVAILABLE')) this.#complain(key, String(error))
      if (error instanceof StatementFailed && !fails) this.#complain(key, 'was refused')
    }
  }

  #complain(key: string, what: string): void {
    this.#complaints.push(`neighbour: ${key} of ${this.#region} ${what}`)
  }
}
