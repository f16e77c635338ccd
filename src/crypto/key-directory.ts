/**
 * What tenant keys need of the directory: wrapped data keys, one copy for each region that may
 * decrypt.
 */

/** A data key of a tenant, wrapped for one region. */
export interface WrappedKey {
  /** 8 hexadecimal digits. */
  readonly lineage: string
  /** From 1. The newest encrypts. */
  readonly generation: number
  readonly region: string
  readonly wrapped: Uint8Array
}

/** Where wrapped keys are kept. */
export interface KeyDirectory {
  /**
   * All copies of all generations; empty when the tenant has no key. With `fresh`, the answer is at
   * least as new as every `create` that was acknowledged before the call: a cell may reach a region
   * before the key that it needs is in this region's copy of the directory.
   * @throws MeridianError `KEY_DESTROYED` when the tenant's keys were destroyed
   */
  get(tenant: string, fresh: boolean): Promise<readonly WrappedKey[]>

  /**
   * Records a tenant's first key, durably, unless it has one. Compare-and-set: the first call wins
   * and every caller gets the winner's copies.
   * @throws MeridianError `KEY_DESTROYED`
   */
  create(tenant: string, keys: readonly WrappedKey[]): Promise<readonly WrappedKey[]>
}
