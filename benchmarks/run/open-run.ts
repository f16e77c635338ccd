/** What is open while a run measures: the deployment and a client in each of its regions. */
import type { BenchTarget } from '../target/target.ts'
import type { BenchDatabase, BenchSchema } from '../workloads/schema.ts'
import { benchConfig, openTarget } from './open-target.ts'
import type { BenchRunOptions } from './options.ts'

export interface OpenRun {
  readonly target: BenchTarget<BenchSchema>
  /** @throws RangeError for a region that there is not */
  readonly client: (region: string) => BenchDatabase
  close(): Promise<void>
}

/** @throws MeridianError what the deployment throws; nothing is left open then */
export async function openRun(options: BenchRunOptions): Promise<OpenRun> {
  const { engines, topology, leader, directory, onEvent } = options
  const target = await (options.openTarget ?? openTarget)({
    engines,
    config: benchConfig(topology, leader),
    directory,
    onNotice: (text) => onEvent({ kind: 'notice', text }),
  })
  const clients = new Map<string, BenchDatabase>()
  const close = async (): Promise<void> => {
    const closing = await Promise.allSettled(Array.from(clients.values(), (db) => db.close()))
    await target.close()
    const failed = closing.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
  try {
    for (const region of topology.regions) clients.set(region, await target.connect(region))
  } catch (error) {
    await close()
    throw error
  }
  const client = (region: string): BenchDatabase => {
    const db = clients.get(region)
    if (db === undefined) throw new RangeError(`there is no client in ${region}`)
    return db
  }
  return { target, client, close }
}
