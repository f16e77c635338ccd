/** `meridian cluster`: every region with engines, store and nodes as processes on this machine. */
import { rm } from 'node:fs/promises'
import { EXIT, type Command } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import { withProgress } from '../progress.ts'
import type { Terminal } from '../terminal.ts'
import { untilEnd } from '../until-end.ts'
import { openCluster, type Cluster } from '../../cluster/cluster.ts'
import { enginesOf } from '../../cluster/layout.ts'
import { CLUSTER_OPTIONS, readClusterOptions, type ClusterCommandOptions } from './options.ts'
import { PartsProgress, printEnded, printHealth, printUse } from './report.ts'

const DESCRIPTION = `Starts a deployment as in production, natively on this machine: an etcd of a member a region, and in
every region a Kafka, a Redis, a store and its nodes, with keys and tokens of their own. Shows how
each of them stands, and how to reach them; Ctrl-C ends all of it in order.

Of a configuration it takes regions, topology, residency, keys, limits and schema; where nodes and
engines are, it decides itself: on free ports of the loopback interface. The engines ask for no
passwords: this is for development and tests.

Needs the programs etcd, redis-server and java (17), and Maven once, to fetch Kafka. MERIDIAN_ETCD,
MERIDIAN_REDIS, MERIDIAN_JAVA and MERIDIAN_KAFKA_JARS say where they are, if not on the path. A full
cluster of three regions takes about 2 GB of memory; with --lean under 1 GB.`

/** The command. */
export const clusterCommand: Command = {
  description: DESCRIPTION,
  options: CLUSTER_OPTIONS,
  async run(given, terminal) {
    const options = await readClusterOptions(given)
    try {
      await withInterrupts(terminal, (signal) => runCluster(options, terminal, signal))
    } finally {
      if (options.isTemporary) await rm(options.directory, { recursive: true, force: true })
    }
    return EXIT.ok
  },
}

async function runCluster(
  options: ClusterCommandOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { json } = options
  const progress = new PartsProgress()
  const say = (event: string, facts: object): void => {
    if (json) terminal.line(JSON.stringify({ event, ...facts }))
  }
  const cluster = await withProgress(terminal, 'starting', partCount(options), async (shown) => {
    progress.shown = shown
    return openCluster({
      ...options,
      signal,
      onProgress: (part) => {
        progress.note(part)
        const { name, state, elapsedMs } = part
        say('part', { name, state, elapsedMs: Math.round(elapsedMs) })
      },
      onEnded: (part) => {
        say('ended', part)
        if (!json) printEnded(part, terminal)
      },
    })
  })
  if (!json) terminal.note(`  Started: ${progress.summary()}.\n`)
  try {
    await announce(cluster, json, terminal)
    await untilEnd(signal, options.untilStdinEnds)
  } finally {
    await withProgress(terminal, 'stopping', partCount(options), async (shown) => {
      progress.summary()
      progress.shown = shown
      await cluster.close()
    })
    say('closed', {})
    if (!json) terminal.note('  Stopped.')
  }
}

async function announce(cluster: Cluster, json: boolean, terminal: Terminal): Promise<void> {
  const health = await cluster.health()
  if (!json) {
    printHealth(health, terminal)
    printUse(cluster, terminal)
    return
  }
  const { directory, urls, token } = cluster
  const engines = [...cluster.engines.etcd.values()].map(({ address }) => address)
  const ready = { event: 'ready', directory, urls, token, etcd: engines, health }
  terminal.line(JSON.stringify(ready))
}

function partCount({ config, isLean, nodesPerRegion }: ClusterCommandOptions): number {
  const { regions } = config
  const engines = 1 + enginesOf({ regions, isLean, nodesPerRegion }).length
  return regions.length * (engines + nodesPerRegion)
}
