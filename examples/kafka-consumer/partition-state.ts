/**
 * What a consumer of a table's topic keeps of each partition. It is a plain value, to be stored in
 * one transaction with whatever the changes are applied to: then each change has its effect once.
 */

/** A record as far as this looks at it. */
export interface TopicRecord {
  readonly headers: Readonly<Record<string, string>>
  readonly value: string
}

/** Where a partition is. */
export interface PartitionState {
  /** The store that is counted in; another one begins anew. */
  readonly store: string
  /** The last change that was taken. */
  readonly seq: number
  /** Every change of the store up to here has been seen, as far as it is in this partition. */
  readonly resolved: number
}

/** What is to be done with a record. */
export interface Step {
  readonly state: PartitionState
  /** A change that was not seen before. */
  readonly change?: Readonly<Record<string, unknown>>
  /** Changes from here on are missing: they are in the topic of dead letters, or were deleted. */
  readonly gap?: { readonly after: number; readonly before: number }
}

/** Takes a record. `state` is undefined before the first one. */
export function take(state: PartitionState | undefined, record: TopicRecord): Step {
  const { headers } = record
  const store = headers['meridian-store'] ?? ''
  // Numbers of one life of a store say nothing of another one.
  const known = state?.store === store ? state : undefined
  const before = Number(headers['meridian-prev-seq'])
  const current = known ?? { store, seq: before, resolved: 0 }
  const gap = before > current.seq ? { gap: { after: current.seq, before } } : {}

  const resolved = headers['meridian-resolved']
  if (resolved !== undefined) {
    const up = Math.max(current.resolved, Number(resolved))
    return { state: { ...current, seq: Math.max(current.seq, before), resolved: up }, ...gap }
  }
  const seq = Number(headers['meridian-local-seq'])
  // A publisher that was started again repeats what it is not sure of.
  if (seq <= current.seq) return { state: current }
  const change = JSON.parse(record.value) as Readonly<Record<string, unknown>>
  return { state: { ...current, seq }, change, ...gap }
}
