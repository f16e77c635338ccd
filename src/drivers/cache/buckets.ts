/**
 * Buckets of keys: each has a floor, the position of the last change of any of its keys. A change
 * of one key refuses a fill of another in its bucket only while that fill is under way, so a few
 * thousand buckets are enough, however many keys there are.
 */

export const BUCKETS = 4096

/** The bucket of a key: FNV-1a over its UTF-16 units. It is part of what a shared cache holds. */
export function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  }
  // The low bits of FNV-1a alone follow the last characters.
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1)
}
