/** Which stores keep readers off which transactions' rows. Forgetting an entry is always safe. */
import type { LeaseFaults } from './lease-faults.ts'
import { storeKey, type StoreId } from './lease-table.ts'
import type { HintAck } from './mesh-messages.ts'
import { compareStamps, newerStamp, type Stamp } from './stamp.ts'

/** Transactions of which acknowledgements are kept; the oldest go, and are waited for by ACK. */
const MAX_TRANSACTIONS = 20_000

export class HintAcks {
  readonly #stamps = new Map<string, Map<string, Stamp>>()
  readonly #faults: LeaseFaults

  constructor(faults: LeaseFaults = {}) {
    this.#faults = faults
  }

  add({ region, databaseId, stamp, txIds }: Omit<HintAck, 'kind'>): void {
    const key = storeKey({ region, databaseId })
    for (const txId of txIds) {
      let stores = this.#stamps.get(txId)
      if (stores === undefined) {
        this.#stamps.set(txId, (stores = new Map()))
        if (this.#stamps.size > MAX_TRANSACTIONS) this.#forgetOldest()
      }
      const known = stores.get(key)
      stores.set(key, known === undefined ? stamp : newerStamp(known, stamp))
    }
  }

  /**
   * Whether the store acknowledged the transaction under `lease` or a newer one. Under an older one
   * it may have dropped the mark when it applied `lease`, or lost it with the life before.
   */
  covers(store: StoreId & { readonly key: string }, txId: string, lease: Stamp): boolean {
    const stamp = this.#stampOf(store, txId)
    if (stamp === undefined) return false
    if (this.#faults.hintAckOfOlderIncarnation === true && stamp.incarnation < lease.incarnation) {
      return true
    }
    if (this.#faults.hintAckIgnoresSeq === true) return stamp.incarnation >= lease.incarnation
    return compareStamps(stamp, lease) >= 0
  }

  /** The transaction is stable: nobody asks for it again. */
  forget(txId: string): void {
    this.#stamps.delete(txId)
  }

  #stampOf(store: StoreId & { readonly key: string }, txId: string): Stamp | undefined {
    const stores = this.#stamps.get(txId)
    if (stores === undefined || this.#faults.hintAckWithoutDatabase !== true) {
      return stores?.get(store.key)
    }
    let newest: Stamp | undefined
    for (const [key, stamp] of stores) {
      if (!key.startsWith(`${store.region} `)) continue
      newest = newest === undefined ? stamp : newerStamp(newest, stamp)
    }
    return newest
  }

  #forgetOldest(): void {
    const [oldest] = this.#stamps.keys()
    if (oldest !== undefined) this.#stamps.delete(oldest)
  }
}
