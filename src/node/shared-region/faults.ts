/** Rules of regions with several nodes that a test may break, to see that its checks notice. */

/** Each breaks one rule. */
export interface SharedRegionFaults {
  /** A node goes on serving a region whose role it lost, and writes past the fence of the store. */
  readonly ignoreLostLease?: boolean
  /** A node that leaves closes the region without waiting for the requests inside. */
  readonly cutOff?: boolean
  /** A passed request is passed again. */
  readonly passAgain?: boolean
  /** A request whose answer was lost is asked of the next holder as well. */
  readonly repeatUnknown?: boolean
  /** Requests are passed to whoever is said to hold the region. */
  readonly believeAnyHolder?: boolean
}
