/** How much work a stretch of time did. */

/** So much, in so long. */
export interface Rate {
  readonly count: number
  readonly perSecond: number
  /** CPU of this process, in microseconds, for each. */
  readonly cpuUs: number
}

/** Times `work`, which resolves with how much it has done. */
export async function asTimed(work: () => Promise<number>): Promise<Rate> {
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  const count = await work()
  const elapsedMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  return { count, perSecond: (count / elapsedMs) * 1000, cpuUs: (user + system) / count }
}
