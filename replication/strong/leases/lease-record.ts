/**
 * LEASE and RELEASE as the log carries them, version 1: MessagePack of
 * `[1, kind, region, databaseId, incarnation, seq]` with kinds 0 lease, 1 release. A log record holds
 * one as its only command; a state machine that does not know them must not pass over them, so such
 * records name the machine version that brought them.
 */
import { packedArrays } from '../../../src/protocol/packed-array.ts'
import type { Stamp } from './stamp.ts'

/** A region takes or returns the right to answer strong reads from one of its stores. */
export interface LeaseRecord {
  readonly kind: 'lease' | 'release'
  readonly region: string
  readonly databaseId: string
  readonly stamp: Stamp
}

const { pack, unpack, malformed, text, count } = packedArrays({
  one: 'a lease in the log',
  many: 'leases',
  version: 1,
})

/** Encodes a LEASE or RELEASE. */
export function encodeLeaseRecord({ kind, region, databaseId, stamp }: LeaseRecord): Uint8Array {
  return pack([kind === 'lease' ? 0 : 1, region, databaseId, stamp.incarnation, stamp.seq])
}

/** Decodes one. @throws MeridianError `PROTOCOL_MALFORMED`, `PROTOCOL_VERSION` */
export function decodeLeaseRecord(bytes: Uint8Array): LeaseRecord {
  const [, kind, region, databaseId, incarnation, seq] = unpack(bytes)
  if (kind !== 0 && kind !== 1) throw malformed()
  return {
    kind: kind === 0 ? 'lease' : 'release',
    region: text(region),
    databaseId: text(databaseId),
    stamp: { incarnation: count(incarnation), seq: count(seq) },
  }
}
