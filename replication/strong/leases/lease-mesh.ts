/**
 * Port: messages between the nodes of a log group's regions, for local strong reads. They may be
 * lost, late, doubled or out of order, and a mesh that is down costs waiting, never correctness.
 */
export interface LeaseMesh {
  /** Sends to all other regions, as far as they can be reached now. Never throws. */
  broadcast(message: Uint8Array): void
  /** Takes part; the returned function ends it. */
  join(member: LeaseMeshMember): () => void
}

/** Who takes part. */
export interface LeaseMeshMember {
  /** `from`: the region of the node at the other end. */
  readonly onMessage: (from: string, message: Uint8Array) => void
  /** A region can be reached, for the first time or again: what was sent before may be lost. */
  readonly onPeer: () => void
  /** A region counts leases differently: to wait for each other would not be safe. */
  readonly onDisagreement: () => void
}
