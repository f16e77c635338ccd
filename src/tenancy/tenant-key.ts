/**
 * The directory's key of a tenant. A hash: no region learns the names of tenants whose data it may
 * not hold.
 */
import { Lru } from '../core/lru.ts'
import { sha256Hex } from '../core/sha256.ts'

const MAX_CACHED_KEYS = 10_000
const cache = new Lru<string>(MAX_CACHED_KEYS)

/** First 32 hexadecimal digits of SHA-256('meridian.tenant.v1\0' + id). */
export function tenantKey(tenantId: string): string {
  let key = cache.get(tenantId)
  if (key === undefined) {
    key = sha256Hex(`meridian.tenant.v1\0${tenantId}`).slice(0, 32)
    cache.set(tenantId, key)
  }
  return key
}
