/** A node as a process: the regions of one URL, served over HTTP to clients and other nodes. */
import { join, resolve } from 'node:path'
import { requireWorkable } from '../config/check-deployment.ts'
import type { Config } from '../config/parse-config.ts'
import type { Coordination } from '../core/ports/coordination.ts'
import type { Log } from '../core/ports/log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { RunningHttpServer } from '../drivers/http/http-server.ts'
import { keepProcessAlive } from '../drivers/runtime/keep-alive.ts'
import { systemRuntime } from '../drivers/runtime/system-runtime.ts'
import type { Schema } from '../schema/define.ts'
import { Admission } from './admission.ts'
import { Closing } from './closing.ts'
import { openNodeCommitLog } from './node-commit-log.ts'
import { openNodeEtcd } from './node-etcd.ts'
import { createNodeHandler } from './node-handler.ts'
import { createNodeNetwork } from './node-network.ts'
import { planNode, type NodePlan } from './node-plan.ts'
import { openIdentity, type NodeIdentity } from './node-identity.ts'
import { startNodeServer } from './node-server.ts'
import { nodeReport, type NodeReport } from './node-status.ts'
import { NodeMetrics } from './observe/node-metrics.ts'
import { openTracing } from './observe/trace-exporter.ts'
import { openOwnRegions, type Shared } from './open-region.ts'
import { Readiness, SERVING } from './readiness.ts'
import { makeDataFolder } from './region-files.ts'
import type { SharedRegionFaults } from './shared-region/faults.ts'
import { SharedRegions } from './shared-region/shared-regions.ts'
import { createSqlEndpoint, type SqlEndpoint } from './sql-endpoint/sql-endpoint.ts'
import { schemaFacts } from './schema-facts.ts'
import { LOCK_FILE, openSchemaLock, requireSchemaLock } from './schema-lock.ts'
import { strongAction, type OperatedRegion } from './strong-actions.ts'
import { shareReports, strongReport } from './strong-report.ts'

/** What a node is opened with. */
export interface NodeOptions {
  readonly config: Config
  /** Regions of one URL; all that have it are served. */
  readonly regions: readonly string[]
  /** The URL of this process, where the regions have several nodes. */
  readonly node?: string
  /** Elects one node of a region that has several. Default: the etcd of the configuration. */
  readonly coordination?: Coordination
  readonly schema: Schema
  readonly log: Log
  /** What relative paths of the configuration are relative to. Default: where the process runs. */
  readonly baseDirectory?: string
  /** Where the files are; made when absent. Default: the configuration's. */
  readonly directory?: string
  /** The schema lock. Default: in `directory`. */
  readonly lockFile?: string
  readonly runtime?: Runtime
  /** Where secrets and the address of a trace collector are looked up. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Where commits wait for the disk: a worker thread a region (the default), or this thread. */
  readonly writer?: 'inline' | 'worker'
  /** Test-only. */
  readonly faults?: SharedRegionFaults
  /** This program's version, for status. */
  readonly version?: string
}

/** A node that serves. */
export interface RunningNode {
  /** Where it listens. Others reach it by the URL in the configuration. */
  readonly url: string
  readonly regions: readonly string[]
  status(): NodeReport
  /** Resolves once it is ready: open, and as far as the logs were when it started. */
  ready(): Promise<void>
  /** Deletes expired rows now instead of at the next interval. */
  sweep(): Promise<void>
  /**
   * Is not ready any more, stops accepting, finishes what is in progress within
   * `limits.drainTimeoutMs`, closes channels, then files.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a node. It serves at once: while other nodes are away it answers what it can by itself and
 * tells in its readiness what it waits for.
 *
 * @throws MeridianError `CONFIG_INVALID`, `REGION_UNKNOWN`, `INVALID_ARGUMENT`, `SCHEMA_INVALID`,
 * `SCHEMA_INCOMPATIBLE`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FOREIGN`, `STORE_NEWER`
 */
export async function openNode(options: NodeOptions): Promise<RunningNode> {
  const closing = new Closing()
  try {
    return await start(options, closing)
  } catch (error) {
    await closing.close()
    throw error
  }
}

/** How long connections that are in use are told to end, rather than cut. */
const LINGER_MS = 500

async function start(options: NodeOptions, closing: Closing): Promise<RunningNode> {
  const { config, schema, log, environment = {}, runtime = systemRuntime } = options
  const plan = planNode(config, options.regions, options.node)
  requireWorkable(config, schemaFacts(schema))
  const baseDirectory = options.baseDirectory ?? process.cwd()
  const directory = options.directory ?? resolve(baseDirectory, config.data.directory)
  const lockFile = options.lockFile ?? join(directory, LOCK_FILE)
  announce(plan, log)
  const sources = { environment, baseDirectory, log }
  const identity = await openIdentity({ config, plan, clock: runtime.clock, sources })
  const shared: Shared = {
    config,
    plan,
    runtime,
    log,
    directory,
    writer: options.writer ?? 'worker',
    sources,
    locked: await (plan.isAlone ? openSchemaLock : requireSchemaLock)(schema, lockFile),
    network: createNodeNetwork({ ...identity, ca: identity.tls?.ca, config, plan, runtime }),
    tracing: closing.add(await openTracing(environment)),
    metrics: new NodeMetrics(runtime.clock),
    readiness: new Readiness(plan.regions, plan.shared),
    nodes: new Map(),
    etcd: await openNodeEtcd({ config, region: plan.regions[0] ?? '', runtime, sources }, closing),
    closing,
  }
  const regions = new SharedRegions()
  const serving = await serve(shared, regions, identity, options.version ?? 'unknown')
  try {
    await openRegions(shared, regions, options, identity.tls?.ca)
  } catch (error) {
    await Promise.all([serving.server.close({ drainTimeoutMs: 0 }), serving.sql.close()])
    throw error
  }
  return run(shared, regions, serving)
}

/** The first line of a node's log. */
function announce(plan: NodePlan, log: Log): void {
  const { regions, url } = plan
  if (!plan.isLoopbackOnly) log.write('info', 'node starts', { regions, url })
  else {
    const why = 'no `auth` is configured: the node serves this machine alone, and anyone on it'
    log.write('warn', 'node starts on the loopback interface only', { regions, url, why })
  }
}

/** The face of a node, and what it shows. */
interface Serving {
  readonly server: RunningHttpServer
  readonly sql: SqlEndpoint
  readonly report: () => NodeReport
}

async function serve(
  shared: Shared,
  regions: SharedRegions,
  identity: NodeIdentity,
  version: string,
): Promise<Serving> {
  const { config, plan, runtime, log, network, readiness, nodes, metrics } = shared
  const admission = new Admission(config.limits)
  const report = (): NodeReport =>
    nodeReport({
      version,
      schemaVersion: shared.locked.compiled.version,
      leader: config.commitLog.leader,
      connections: () => server.connections(),
      requestsInProgress: () => admission.inProgress(),
      readiness: () => readiness.report(),
      nodes,
      shared: () => regions.reports(),
    })
  const sql = createSqlEndpoint({
    regions: plan.regions,
    region: (name) => nodes.get(name)?.sql,
    runtime,
    limits: config.limits,
    onError: (error) => log.write('error', 'SQL failed unexpectedly', { error }),
  })
  const handler = createNodeHandler({
    regions: plan.regions,
    serving: (region) => network.serving(region),
    acceptChannel: (socket) => network.acceptChannel(socket),
    shared: (region) => regions.of(region),
    callers: identity.callers,
    admission,
    maxBodyBytes: config.limits.maxBodyBytes,
    readiness: () => readiness.report(),
    status: report,
    strong: shareReports(() =>
      strongReport({
        config,
        nodes,
        etcd: shared.etcd,
        writes: () => metrics.strongWrites.rates(),
      }),
    ),
    act: (action, body) => strongAction(operatedRegions(nodes), action, body),
    metrics: () => metrics.render(report()),
    onRefused: (code) => metrics.refused(code),
    sql,
    log,
  })
  const { listen } = plan
  const { tls } = identity
  const server = await startNodeServer({
    listen,
    handler,
    tls,
    limits: config.limits,
    runtime,
    log,
  })
  return { server, report, sql }
}

function operatedRegions(nodes: Shared['nodes']): readonly OperatedRegion[] {
  return Array.from(nodes, ([region, { operated }]) => ({ region, groups: operated }))
}

async function openRegions(
  shared: Shared,
  regions: SharedRegions,
  options: Pick<NodeOptions, 'coordination' | 'faults'>,
  ca: string | undefined,
): Promise<void> {
  const { config, plan, runtime, directory, writer, network, closing, locked, etcd } = shared
  await makeDataFolder(directory)
  const { leader } = config.commitLog
  const isHere = plan.keepsCommitLog
  const commitLog = await openNodeCommitLog(
    { directory, leader, isHere, regions: config.regions, network, runtime, writer, etcd },
    closing,
  )
  // Closed after the regions, whose roles end in order only while it lasts.
  closing.add(network)
  await openOwnRegions(shared, commitLog)
  await locked.save(runtime.random)
  const { faults, coordination = etcd?.coordination } = options
  regions.start(shared, { coordination, commitLog, ca, faults })
}

function run(
  shared: Shared,
  sharedRegions: SharedRegions,
  { server, sql, report }: Serving,
): RunningNode {
  const { config, plan, readiness, nodes, closing, log } = shared
  const release = keepProcessAlive()
  const { url } = server
  const { regions } = plan
  const { drainTimeoutMs } = config.limits
  log.write('info', 'node listens', { regions, address: url })
  let closed: Promise<void> | undefined
  const closeAll = async (): Promise<void> => {
    readiness.wait(SERVING, 'its end: the node is stopping')
    log.write('info', 'node stops', { regions, drainTimeoutMs })
    try {
      await leave(shared, sharedRegions, server)
      const stopTimer = sharedRegions.stopWaitingWithin(shared, drainTimeoutMs)
      await Promise.all([server.close({ drainTimeoutMs }), sql.close()])
      stopTimer()
      await closing.close()
      log.write('info', 'node stopped', { regions })
    } finally {
      release()
    }
  }
  const close = (): Promise<void> => (closed ??= closeAll())
  return {
    url,
    regions,
    status: report,
    ready: () => readiness.ready(),
    sweep: async () => {
      for (const node of nodes.values()) await node.sweep()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Hands over what other nodes have, too, while the port is still open: who calls this node meanwhile
 * is passed to the next holder, and told to connect elsewhere for its next call.
 */
async function leave(
  { runtime }: Shared,
  regions: SharedRegions,
  server: RunningHttpServer,
): Promise<void> {
  if (regions.isEmpty()) return
  server.retire()
  await regions.handOver()
  await new Promise<void>((resolve) => {
    runtime.timers.after(LINGER_MS, resolve)
  })
}
