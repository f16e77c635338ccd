/**
 * What digests of several regions at equal indexes say. A region is wrong when a majority of all
 * configured regions agrees on another state; regions that only answer less do not outvote it.
 */
import type { Digest } from './digest-tracker.ts'

/** What a comparison comes to. Parts are tables, `outcomes` and `head`. */
export type Verdict =
  /** No other region has a digest of an index of this one. */
  | { readonly kind: 'unknown' }
  /** Whoever could be compared is equal, here last. */
  | { readonly kind: 'agreed'; readonly index: number }
  /** This region is wrong: these make a majority. */
  | {
      readonly kind: 'diverged'
      readonly index: number
      readonly parts: readonly string[]
      readonly peers: readonly string[]
    }
  /** Others are not equal to this region: wrong where a majority is, else nobody can say. */
  | {
      readonly kind: 'differs'
      readonly index: number
      readonly parts: readonly string[]
      readonly peers: readonly string[]
      readonly isMajorityHere: boolean
    }

/** Digests of the other regions, by region; only those that can be compared. */
export type PeerDigests = ReadonlyMap<string, readonly Digest[]>

/** `regions`: how many are configured, this one included. */
export function judge(own: readonly Digest[], peers: PeerDigests, regions: number): Verdict {
  let agreed: Verdict = { kind: 'unknown' }
  let differs: Verdict | undefined
  // The newest first: what a region was before is not worth more than what it is.
  for (const digest of own.toReversed()) {
    const verdict = judgeAt(digest, peers, regions)
    if (verdict.kind === 'diverged') return verdict
    if (verdict.kind === 'differs') differs ??= verdict
    if (verdict.kind === 'agreed' && agreed.kind === 'unknown') agreed = verdict
  }
  return differs ?? agreed
}

function judgeAt(own: Digest, peers: PeerDigests, regions: number): Verdict {
  const { index } = own
  const states = new Map<string, { readonly digest: Digest; readonly names: string[] }>()
  for (const [name, digests] of peers) {
    const digest = digests.find((one) => one.index === index)
    if (digest === undefined) continue
    const state = stateOf(digest)
    const known = states.get(state) ?? { digest, names: [] }
    known.names.push(name)
    states.set(state, known)
  }
  if (states.size === 0) return { kind: 'unknown' }
  const same = states.get(stateOf(own))?.names.length ?? 0
  states.delete(stateOf(own))
  const [most] = [...states.values()].toSorted((a, b) => b.names.length - a.names.length)
  if (most === undefined) return { kind: 'agreed', index }
  const parts = differing(own, most.digest)
  if (most.names.length > regions / 2) {
    return { kind: 'diverged', index, parts, peers: most.names }
  }
  const others = [...states.values()].flatMap(({ names }) => names)
  const isMajorityHere = same + 1 > regions / 2
  return { kind: 'differs', index, parts, peers: others, isMajorityHere }
}

/** The names of parts that are not equal. */
export function differing(one: Digest, other: Digest): readonly string[] {
  const digits = new Map(other.parts)
  const names = one.parts.filter(([name, own]) => digits.get(name) !== own).map(([name]) => name)
  const known = new Set(one.parts.map(([name]) => name))
  return [...names, ...other.parts.map(([name]) => name).filter((name) => !known.has(name))]
}

function stateOf({ parts }: Digest): string {
  return JSON.stringify(parts)
}
