/**
 * Yjs client ids. Two writers of one document under one id diverge silently and for ever, so ids
 * are laid out, not drawn: 53 bits, of which Yjs and its ports (yrs, ywasm) carry all.
 *
 * ```
 * bits 52..32   1 + a 20-bit hash of the region     at least 1: never an id that a browser draws
 * bits 31..0    the store's incarnation
 * ```
 *
 * Two sources of one region differ in the incarnation, which is part of the source id and fresh
 * after every restore. Two sources of different regions collide only where region hash and
 * incarnation both do: 2^-52 for a pair. Browsers draw 32-bit ids, so theirs and the servers' are
 * disjoint, and an endpoint refuses edits under ids from `MIN_SERVER_CLIENT_ID` on.
 */
import { sourceRegion } from '../src/core/change.ts'
import { MeridianError } from '../src/core/errors.ts'

/** The smallest id of a store. Everything below is left to browsers. */
export const MIN_SERVER_CLIENT_ID: number = 2 ** 32

/**
 * The client id under which a store edits texts.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for a source that is not `<region>.<incarnation>`
 */
export function textClientId(source: string): number {
  const region = sourceRegion(source)
  const incarnation = source.slice(region.length + 1)
  if (region === '' || !/^[0-9a-f]{8}$/.test(incarnation)) {
    throw new MeridianError('INVALID_ARGUMENT', `\`${source}\` is not the id of a store.`, {
      fix: 'Give <region>.<incarnation>, the incarnation as 8 hexadecimal digits.',
    })
  }
  return (hash20(region) + 1) * MIN_SERVER_CLIENT_ID + Number.parseInt(incarnation, 16)
}

/** FNV-1a, folded to 20 bits. */
function hash20(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return ((hash >>> 20) ^ hash) & 0xfffff
}
