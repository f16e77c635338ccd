/**
 * Deliberate breaches of the stream's rules, for tests alone: a checker that stays green with one
 * of them proves nothing.
 */
export interface StreamFaults {
  /** Exporter and importer pass on what was imported (breaks protocol rule 7). */
  readonly echoImports?: boolean
  /** A transaction's size is counted before it is filtered (breaks protocol rule 8). */
  readonly countBeforeFilter?: boolean
  /** The importer commits its position before the rows, apart from them (breaks rule 21). */
  readonly positionApart?: boolean
  /** The importer confirms a position that its store does not have yet (breaks rule 21). */
  readonly acknowledgeUnkept?: boolean
  /** The exporter asks nobody whether a region may hold a tenant. */
  readonly skipResidency?: boolean
}
