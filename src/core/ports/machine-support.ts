/**
 * Port: which version of each log group's state machine every region evaluates, and under the name
 * `schema:<group>` which schema. The log rises to a version once all of them do.
 */
export interface MachineSupport {
  /** This region's node evaluates records of the group up to this version. */
  report(group: string, region: string, version: number): Promise<void>
  /** What every region reported last; a region whose node reports nothing is missing. */
  reported(group: string): Promise<ReadonlyMap<string, number>>
}
