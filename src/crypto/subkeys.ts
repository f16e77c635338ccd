/**
 * HKDF-SHA-256 labels of the subkeys: one key for each purpose, so that no key serves two. All
 * parts are length-prefixed; the tenant is among them although each has its own data key.
 */
import { lengthPrefixed, uint32, utf8 } from './bytes.ts'

const DOMAIN = utf8('meridian.fle1')

/** The subkey that encrypts cells. */
export function cellKeyInfo(tenant: string): Uint8Array {
  return lengthPrefixed([DOMAIN, utf8('data'), utf8(tenant)])
}

/** The subkey of one column's blind index. */
export function blindKeyInfo(tenant: string, tableId: number, columnId: number): Uint8Array {
  return lengthPrefixed([DOMAIN, utf8('blind'), utf8(tenant), uint32(tableId), uint32(columnId)])
}
