/** Opens the regions of a process: those that are its own at the start, one of several in its turn. */
import type { Config } from '../config/parse-config.ts'
import type { MeridianError } from '../core/errors.ts'
import type { Log } from '../core/ports/log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { EtcdEngine } from '../drivers/etcd/open-etcd.ts'
import type { HttpNetwork } from '../drivers/transport/http-network.ts'
import { CatchUp } from './catch-up.ts'
import { clockReporter } from './clock-check.ts'
import { allSettled, Closing } from './closing.ts'
import type { NodeCommitLog } from './node-commit-log.ts'
import type { NodePlan } from './node-plan.ts'
import type { NodeMetrics } from './observe/node-metrics.ts'
import { logFailures } from './observe/request-log.ts'
import { composeObservers } from './observe/request-observer.ts'
import { logTroubles } from './observe/role-troubles.ts'
import { ELSEWHERE } from './observe/strong-writes.ts'
import type { Tracing } from './observe/tracing.ts'
import { checks, type Readiness } from './readiness.ts'
import { openRegionFiles, type RegionFiles } from './region-files.ts'
import type { OnReseed } from './log-retention.ts'
import { openRegionNode, type RegionNode } from './region-node.ts'
import type { LockedSchema } from './schema-lock.ts'
import type { SecretSources } from './secrets.ts'
import { fencedStore } from './shared-region/fenced-store.ts'
import type { OpenRegion } from './shared-region/region-leader.ts'

/** What the regions of a process share. */
export interface Shared {
  readonly config: Config
  readonly plan: NodePlan
  readonly runtime: Runtime
  readonly log: Log
  readonly directory: string
  readonly writer: 'inline' | 'worker'
  readonly sources: SecretSources
  readonly locked: LockedSchema
  /** `undefined`: the log is in files. */
  readonly etcd: EtcdEngine | undefined
  readonly network: HttpNetwork
  readonly tracing: Tracing
  readonly metrics: NodeMetrics
  readonly readiness: Readiness
  /** The regions that are open here. */
  readonly nodes: Map<string, RegionNode>
  readonly closing: Closing
}

/** Roles whose failure takes nothing from what the region says of its own rows. */
const SERVES_WITHOUT: readonly string[] = ['sweeper', 'importer', 'pruner', 'publisher']

/** Opens the regions that no other process has. */
export async function openOwnRegions(shared: Shared, commitLog: NodeCommitLog): Promise<void> {
  const { config, plan, closing, nodes } = shared
  const own = plan.regions.filter((region) => !plan.shared.includes(region))
  // All files before any region: one that cannot be used keeps the others from being written.
  const files = await allSettled(own.map((region) => openFiles(shared, region, closing)))
  await allSettled(
    own.map(async (region, i) => {
      const node = await openRegion(shared, region, files[i] as RegionFiles, commitLog)
      nodes.set(region, closing.add(node))
    }),
  )
  const { leader } = config.commitLog
  closing.add(new CatchUp({ ...shared, leader, nodes: new Map(nodes) }))
}

/** Opens a region that other processes have, too. `stepDown` gives it up: its store is another's. */
export async function openSharedRegion(
  shared: Shared,
  region: string,
  commitLog: NodeCommitLog,
  stepDown: () => void,
): Promise<OpenRegion> {
  const { config, readiness, nodes } = shared
  const closing = new Closing()
  readiness.begin(region)
  closing.add({
    async close() {
      nodes.delete(region)
      readiness.end(region)
    },
  })
  try {
    const files = await openFiles(shared, region, closing)
    const store = fencedStore(region, files.store, shared.runtime.clock, stepDown)
    const fenced = { ...files, store }
    const node = closing.add(await openRegion(shared, region, fenced, commitLog))
    const { leader } = config.commitLog
    closing.add(new CatchUp({ ...shared, leader, nodes: new Map([[region, node]]) }))
    nodes.set(region, node)
    return closing
  } catch (error) {
    await closing.close().catch(() => undefined)
    throw error
  }
}

function openFiles(shared: Shared, region: string, closing: Closing): Promise<RegionFiles> {
  const { directory, config, runtime, writer, sources } = shared
  const files = { region, directory, config, runtime, writer, sources }
  return openRegionFiles({ ...files, queries: 'process' }, closing)
}

async function openRegion(
  shared: Shared,
  region: string,
  files: RegionFiles,
  commitLog: NodeCommitLog,
): Promise<RegionNode> {
  const { config, runtime, network, readiness, tracing, metrics, locked, log } = shared
  const { serve: serveCommitLog } = commitLog
  const { store, roles } = checks(region)
  // Before they run: one that fails at once says so afterwards.
  readiness.meet(roles)
  const stopped = new Map<string, MeridianError>()
  const waitForRoles = (): void => {
    const why = Array.from(stopped, ([role, { code }]) => `${role} stopped (${code})`)
    if (why.length === 0) readiness.meet(roles)
    else readiness.wait(roles, `a restart: ${why.join(', ')}`)
  }
  const node = await openRegionNode({
    ...files,
    region,
    config,
    schema: locked.compiled,
    store: tracing.traceStore(region, metrics.countWrites(region, files.store)),
    onCommit: (mode, from) => {
      // A label that callers choose must be one of few.
      const origin = config.regions.includes(from) ? from : ELSEWHERE
      if (mode === 'strong') metrics.strongWrites.record(region, origin)
    },
    observe: composeObservers(
      metrics.observer(region),
      logFailures(region, log, runtime.clock),
      tracing.observer(region),
    ),
    ...commitLog.handle(region, files.store),
    network,
    runtime,
    log,
    ...(serveCommitLog === undefined ? {} : { serveCommitLog }),
    onReseed: reseedReporter(shared, region),
    clockPeers: config.regions.filter((other) => !shared.plan.regions.includes(other)),
    onClock: clockReporter(readiness, log, region),
    onTrouble: logTroubles(region, log, runtime.clock),
    onFailure: (role, error) => {
      log.write('error', 'role failed', { region, role, error })
      // A sweep that failed is repeated; whatever else fails has stopped.
      if (SERVES_WITHOUT.includes(role)) return
      stopped.set(role, error)
      waitForRoles()
    },
    onResumed: (role) => {
      log.write('info', 'role goes on', { region, role })
      stopped.delete(role)
      waitForRoles()
    },
  })
  readiness.meet(store)
  return node
}

/** A region is not ready while one of its log groups is being seeded again. */
function reseedReporter({ readiness, log }: Shared, region: string): OnReseed {
  const seeded = new Set<string>()
  return (group, progress) => {
    const check = `copy of ${group} ${region}`
    if (progress === null) {
      seeded.delete(group)
      readiness.meet(check)
      log.write('info', 'log group is whole again', { region, group })
      return
    }
    const from = progress.peer ?? 'another region'
    const why = progress.why === undefined ? '' : `: ${progress.why}`
    readiness.wait(check, `a reseed from ${from}${why}`)
    if (seeded.has(group)) return
    seeded.add(group)
    const event =
      progress.why === undefined
        ? 'log group is seeded again: the log does not go back so far'
        : 'log group is seeded again'
    log.write('warn', event, { region, group, from, why: progress.why })
  }
}
