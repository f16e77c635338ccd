/**
 * Port: wraps data encryption keys (DEK) with a region's key-encryption key (KEK). The KEK never
 * leaves the driver. A DEK has one wrapped copy per region that may decrypt.
 */

/** Binds a wrapped key to its place: unwrapping under another context fails. */
export interface KeyContext {
  readonly tenant: string
  readonly region: string
  /** 8 hexadecimal digits. */
  readonly lineage: string
  readonly generation: number
}

/** Wraps and unwraps 32-byte keys. */
export interface KeyWrapper {
  /** The regions whose KEK this wrapper may use for wrapping. */
  regions(): Promise<readonly string[]>

  /** @throws MeridianError `KEY_UNAVAILABLE` when the region has no KEK here */
  wrap(key: Uint8Array, context: KeyContext): Promise<Uint8Array>

  /** @throws MeridianError `KEY_UNAVAILABLE` (no KEK), `DECRYPT_FAILED` (not this context's) */
  unwrap(wrapped: Uint8Array, context: KeyContext): Promise<Uint8Array>
}
