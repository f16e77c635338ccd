/**
 * Test-only: breaks one rule each, so that a test can show that its checker sees the breach. Never
 * set outside tests.
 */
export interface EtcdFaults {
  /** E2: an append does not look whether its id is in the log already. */
  readonly appendWithoutIdCheck?: boolean
  /** E5: a tail hands over whatever comes, without looking at its index. */
  readonly ignoreIndex?: boolean
  /** E12: a lease counts from the answer of its renewal. */
  readonly leaseFromAnswer?: boolean
  /** Not a breach: how often what etcd sends of an index arrives. */
  readonly copiesOf?: (index: number) => number
}
