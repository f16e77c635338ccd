/** The raw engines that stand beside the cells, opened where the deployment has them. */
import type { CallReport, LoopOptions } from '../measure/loop.ts'
import type { LibsqlPeer } from '../peers/libsql.ts'
import { etcdOf, httpServerOf, kafkaOf, libsqlOf } from '../peers/of-target.ts'
import type { Peer, PeerOperation } from '../peers/peer.ts'
import type { RawLoop, RawPlan } from './cell-plan.ts'

type Load = LoopOptions['load']

/** One call to etcd from each region, through the region's own member. */
export function etcdRaw(op: 'transaction' | 'linearizable read', load: Load): RawPlan {
  return {
    what: `etcd ${op}`,
    async open({ target }) {
      if (target.engines === 'embedded') return noEngine('etcd')
      const peer = await etcdOf(target)
      const loops = target.topology.regions.map((region) => {
        const operation =
          op === 'transaction' ? peer.transaction(region) : peer.linearizableRead(region)
        return loopOf(peer, operation, load)
      })
      return { loops, close: () => peer.close() }
    },
  }
}

/** Kafka's way from a produced record to a consumer in the same region, in each region. */
export function kafkaRaw(load: Load): RawPlan {
  return {
    what: 'Kafka produce-consume',
    async open({ target }) {
      if (target.engines === 'embedded') return noEngine('Kafka')
      const peer = await kafkaOf(target)
      const loops = target.topology.regions.map((region) =>
        loopOf(peer, peer.produceConsume(region), load),
      )
      return { loops, close: () => peer.close() }
    },
  }
}

/** What bare libSQL does, and as which operation. */
export interface LibsqlWork {
  readonly what: string
  readonly operation: (peer: LibsqlPeer) => PeerOperation
}

/** The statement of a point read. */
export const POINT_READ: LibsqlWork = {
  what: 'libSQL point read',
  operation: (peer) => peer.pointRead(),
}

/** The statements of a pinned write in one batch: stamp, home, outcome, row, outbox. */
export const PINNED_WRITE: LibsqlWork = {
  what: 'libSQL, the statements of a pinned write in one batch',
  operation: (peer) => peer.pinnedWrite('upsert'),
}

/** One durable transaction of one row. */
export const TRANSACTION: LibsqlWork = {
  what: 'libSQL transaction of one row',
  operation: (peer) => peer.rowTransaction(),
}

/**
 * Bare libSQL on a file beside the data: one loop stands for all regions, which share the disk. Its
 * client waits for the disk in the thread that calls it, so that calls would wait for each other:
 * that would make the engine look slow, and whatever stands beside it fast.
 */
export function libsqlRaw({ what, operation }: LibsqlWork, load: Load): RawPlan {
  return {
    what,
    note: 'Raw libSQL: the time of the statements alone, without what calls wait for its one thread.',
    async open({ target }) {
      const peer = await libsqlOf(target)
      const alone = timedAlone(operation(peer))
      return { loops: [loopOf(peer, alone, load)], close: () => peer.close() }
    },
  }
}

/** The same, one call at a time, whose latency begins once the one before has ended. */
export function timedAlone(raw: PeerOperation): PeerOperation {
  const timed = async (index: number): Promise<CallReport> => {
    const startMs = performance.now()
    const report = await raw.operation(index)
    return { ...report, latencyMs: performance.now() - startMs }
  }
  let last: Promise<unknown> = Promise.resolve()
  return {
    ...raw,
    operation: (index) => {
      const call = last.then(() => timed(index))
      last = call.catch(() => undefined)
      return call
    },
  }
}

/** The statement of a point read behind a bare HTTP server, in a process of its own. */
export function httpServerRaw(load: Load): RawPlan {
  return {
    what: 'bare HTTP server, point read',
    async open({ target }) {
      const peer = await httpServerOf(target)
      return { loops: [loopOf(peer, peer.pointRead(), load)], close: () => peer.close() }
    },
  }
}

function loopOf(
  { name, version }: Pick<Peer, 'name' | 'version'>,
  operation: PeerOperation,
  load: Load,
): RawLoop {
  return { peer: { name, version }, operation, load: operation.load ?? load }
}

function noEngine(name: string): string {
  return `this deployment has no ${name}: its part runs in the same process`
}
