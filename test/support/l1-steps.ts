/** An L1 under the steps of `CacheModel`: it is told late, not at all, and while answers are under way. */
import { createL1Cache, type L1Cache, type L1Faults } from '../../src/cache/l1-cache.ts'
import type { Cache } from '../../src/core/ports/cache.ts'
import type { Clock } from '../../src/core/ports/runtime.ts'
import { MODEL_KEYS, type CacheModel } from './cache-model.ts'
import { ToldCache } from './told-cache.ts'

/** What happens to it, some of it more often. */
const HAPPENINGS = [
  ...['warm', 'warm', 'warm', 'look', 'look', 'look', 'deliver', 'deliver', 'deliver one'],
  ...['change under way', 'change under way', 'change untold', 'change over a drop'],
  ...['hold', 'hold', 'release', 'release', 'lose', 'drop', 'up', 'clear', 'begin at the end'],
] as const
export const L1_HAPPENINGS = HAPPENINGS.length

export class L1Stack {
  readonly shared: ToldCache
  readonly l1: L1Cache
  /** What the model asks: other processes apply most batches. */
  readonly cache: Cache
  #batches = 0
  #turns = 0

  constructor(shared: Cache, clock: Clock, faults: L1Faults) {
    this.shared = new ToldCache(shared, { changesPerPiece: 2 })
    const { feed } = this.shared
    this.l1 = createL1Cache({ shared: this.shared, feed, clock, maxEntries: 3, faults })
    this.shared.up()
    const { l1 } = this
    this.cache = {
      begin: (incarnation, position) => l1.begin(incarnation, position),
      read: (keys) => l1.read(keys),
      acquireLease: (key, ttlMs) => l1.acquireLease(key, ttlMs),
      fill: (key, lease, entry, ttlMs) => l1.fill(key, lease, entry, ttlMs),
      apply: (...batch) => (this.#batches++ % 4 === 0 ? l1 : this.shared).apply(...batch),
      clear: () => l1.clear(),
      close: () => l1.close(),
    }
  }

  async happen(which: number, model: CacheModel): Promise<void> {
    const { shared, l1 } = this
    const key = this.#turns++ % MODEL_KEYS.length
    switch (HAPPENINGS[which % L1_HAPPENINGS] as (typeof HAPPENINGS)[number]) {
      case 'warm':
        return model.take({ kind: 'warm', key })
      case 'look':
        return model.take({ kind: 'read', keys: [key] })
      case 'change under way':
        // An answer is under way while its key changes.
        await model.take({ kind: 'warm', key })
        shared.holding(() => void l1.read(MODEL_KEYS))
        await this.#change(model, key)
        shared.deliver()
        await shared.release()
        return model.take({ kind: 'read', keys: [key] })
      case 'change untold':
        await model.take({ kind: 'warm', key })
        await this.#change(model, key)
        shared.lose()
        await this.#change(model, key + 1)
        shared.deliver()
        return model.take({ kind: 'read', keys: [key] })
      case 'change over a drop':
        await model.take({ kind: 'warm', key })
        shared.down()
        await this.#change(model, key)
        shared.up()
        await model.take({ kind: 'warm', key: key + 1 })
        return model.take({ kind: 'read', keys: [key] })
      case 'deliver':
        return shared.deliver()
      case 'deliver one':
        return shared.deliver(1)
      case 'hold':
        return shared.holding(() => void l1.read(MODEL_KEYS))
      case 'release':
        return shared.release()
      case 'lose':
        return shared.lose()
      case 'drop':
        return shared.down()
      case 'up':
        return shared.up()
      case 'clear':
        return shared.clear()
      case 'begin at the end':
        return model.beginAtEnd()
    }
  }

  async #change(model: CacheModel, key: number): Promise<void> {
    await model.take({ kind: 'change', key, isDelete: false })
    await model.take({ kind: 'apply', count: 10 })
  }
}
