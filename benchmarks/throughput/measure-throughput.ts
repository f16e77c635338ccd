/** Runs a measurement of strong throughput from a folder that is gone afterwards. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeridianError } from '../../src/core/errors.ts'
import type { Config } from '../../src/config/parse-config.ts'
import type { Topology } from '../../src/config/topology.ts'
import { bestLeader, configFor, readTopology } from '../topologies/index.ts'
import { cpuEach, CpuKinds } from './cpu-by-kind.ts'
import { openDeployment, type Deployment } from './deployment.ts'
import type { ThroughputOptions, Work } from './options.ts'
import type { MessageClient } from './pipelined-client.ts'
import { measureRawPuts } from './raw-puts.ts'
import { runLoad } from './run-load.ts'
import { summarize, type RawPuts, type ThroughputSummary } from './summary.ts'
import { RegionTransactions } from './transactions.ts'

const WARMUP_SECONDS = 3
const RAW_SECONDS = 3
/** Profiles are written once their processes were told to stop. */
const PROFILE_WRITE_MS = 3000

/** Measures each work in turn on one deployment; `onSummary` is told at once. */
export async function measureThroughput(
  options: ThroughputOptions,
  onSummary: (summary: ThroughputSummary) => void,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'strong-throughput-'))
  await prepareProfiles(options.profiles)
  const topology = await readTopology('triangle')
  const config = withRoomFor(options.inFlight, configFor(topology, bestLeader(topology)))
  try {
    const deployment = await openDeployment(options, config, directory)
    const clients: MessageClient[] = []
    try {
      const regions: RegionTransactions[] = []
      for (const region of deployment.regions) {
        const client = await deployment.client(region)
        clients.push(client)
        regions.push(new RegionTransactions(client, region, deployment.compiled))
      }
      for (const region of regions) await region.begin()
      for (const work of options.works) {
        const run = { work, options, topology, leader: config.commitLog.leader }
        onSummary(await measureWork(run, deployment, regions))
      }
    } finally {
      for (const client of clients) client.close()
      await deployment.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Nodes take as many requests of one caller as there are, where these are more than usual. */
function withRoomFor(inFlight: number, config: Config): Config {
  const { limits } = config
  const maxConcurrentPerPrincipal = Math.max(limits.maxConcurrentPerPrincipal, inFlight)
  const maxConcurrentRequests = Math.max(limits.maxConcurrentRequests, inFlight)
  return { ...config, limits: { ...limits, maxConcurrentPerPrincipal, maxConcurrentRequests } }
}

interface WorkRun {
  readonly work: Work
  readonly options: ThroughputOptions
  readonly topology: Topology
  readonly leader: string
}

async function measureWork(
  run: WorkRun,
  deployment: Deployment,
  regions: readonly RegionTransactions[],
): Promise<ThroughputSummary> {
  const { work, options } = run
  const runs = regions.map((region) => () => region.next(work))
  if (work === 'counter') await regions[0]?.createCounter()
  const warmup = await runLoad(runs, options.inFlight, WARMUP_SECONDS)
  const cpu = new CpuKinds(() => deployment.processes())
  signalProfilers(options, deployment)
  const before = cpu.read()
  const load = await runLoad(runs, options.inFlight, options.seconds)
  const after = cpu.read()
  signalProfilers(options, deployment)
  if (options.profiles !== undefined) await pause(PROFILE_WRITE_MS)
  if (work === 'counter') {
    const unknown = sumOf(warmup.refused) + sumOf(load.refused)
    await requireCount(regions, warmup.committed + load.committed, unknown)
  }
  const each = cpuEach(before, after, load.committed)
  const summary = summarize(work, options, load, each, null)
  const commandBytes = regions[0]?.loggedBytes(work) ?? 0
  const payloadBytes = Math.ceil(summary.commandsPerRecord * commandBytes)
  return { ...summary, rawPuts: await rawPutsOf(run, deployment, payloadBytes) }
}

async function rawPutsOf(
  { topology, leader }: WorkRun,
  { etcd }: Deployment,
  payloadBytes: number,
): Promise<RawPuts | null> {
  if (etcd.size === 0) return null
  return measureRawPuts(etcd, topology, leader, payloadBytes, RAW_SECONDS)
}

/** The counter holds every acknowledged increment, and of those that were refused none or some. */
async function requireCount(
  regions: readonly RegionTransactions[],
  committed: number,
  refused: number,
): Promise<void> {
  for (const region of regions) {
    const count = await region.readCounter()
    if (count >= committed && count <= committed + refused) continue
    const message = `The counter is ${count} after ${committed} acknowledged increments.`
    throw new MeridianError('INTERNAL', message)
  }
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, n) => sum + n, 0)
}

async function prepareProfiles(folder: string | undefined): Promise<void> {
  if (folder === undefined) return
  await mkdir(folder, { recursive: true })
  const hook = new URL('../micro/profiler-hook.mjs', import.meta.url)
  process.env['MERIDIAN_BENCH_PROFILES'] = resolve(folder)
  process.env['NODE_OPTIONS'] = `--import ${hook.href}`
}

/** Begins the profiles of nodes and stores, or ends them. */
function signalProfilers({ profiles }: ThroughputOptions, deployment: Deployment): void {
  if (profiles === undefined) return
  for (const { name, pid } of deployment.processes()) {
    if (/^(node|store) /.test(name)) process.kill(pid, 'SIGUSR2')
  }
}
