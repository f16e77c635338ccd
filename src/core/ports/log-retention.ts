/** Port: how far each region has come in a log group, so that what all have applied can go. */
export interface LogRetention {
  /** This region has durably applied everything below `beforeIndex` of the group. */
  report(group: string, region: string, beforeIndex: number): Promise<void>
  /** What every region reported last; a region that never did is missing. */
  reported(group: string): Promise<ReadonlyMap<string, number>>
}
