/** Raw engines and other databases, each a step: opened, called in turns, and removed. */
import { asMeridianError } from '../../src/core/errors.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { measurePeer, PLANNED_REPETITIONS, turnMs, type PeerLoad } from './measure-peer.ts'
import { etcdOf, httpServerOf, kafkaOf, libsqlOf, redisOf } from './of-target.ts'
import { loadPackage } from './optional-package.ts'
import type { Peer } from './peer.ts'

/** A peer that can be opened beside a deployment. */
interface PeerEntry {
  readonly name: string
  /** Calls of different kinds; from each region, unless there is one place alone. */
  readonly operations: number
  readonly isLocal?: boolean
  /** Until it can be called. */
  readonly startMs: number
  open(beside: Beside): Promise<Peer>
}

/** What a peer is opened beside. */
interface Beside {
  readonly target: BenchContext['target']
  /** Takes what a reader of the figures must know. */
  readonly onNotice: (remark: string) => void
}

type Postgresql = typeof import('./postgresql/open-postgresql.ts')
type Cassandra = typeof import('./cassandra/open-cassandra.ts')

const PEERS: readonly PeerEntry[] = [
  { name: 'etcd', operations: 2, startMs: 1_000, open: ({ target }) => etcdOf(target) },
  {
    name: 'libsql',
    operations: 5,
    isLocal: true,
    startMs: 1_000,
    open: ({ target }) => libsqlOf(target),
  },
  {
    name: 'http-server',
    operations: 1,
    isLocal: true,
    startMs: 3_000,
    open: ({ target }) => httpServerOf(target),
  },
  { name: 'kafka', operations: 2, startMs: 5_000, open: ({ target }) => kafkaOf(target) },
  { name: 'redis', operations: 2, startMs: 1_000, open: ({ target }) => redisOf(target) },
  {
    name: 'postgresql',
    operations: 3,
    startMs: 30_000,
    open: async (beside) => {
      const load = (): Promise<Postgresql> => import('./postgresql/open-postgresql.ts')
      const { openPostgresql } = await loadPackage('pg', load)
      return openPostgresql(beside)
    },
  },
  {
    name: 'cassandra',
    operations: 6,
    startMs: 120_000,
    open: async (beside) => {
      const load = (): Promise<Cassandra> => import('./cassandra/open-cassandra.ts')
      const { openCassandra } = await loadPackage('cassandra-driver', load)
      return openCassandra(beside)
    },
  },
]

/** A step of each peer. One that cannot be measured is told of in a note; the others go on. */
export function peerSteps(plan: StepPlan): readonly BenchStep[] {
  const load = { rateOpsPerSecond: plan.rateOpsPerSecond }
  return PEERS.map((entry) => ({
    name: `peer ${entry.name}`,
    durationMs: entry.startMs + turnsOf(entry, plan) * PLANNED_REPETITIONS * turnMs(load),
    run: (context) => runPeer(entry, load, context),
  }))
}

function turnsOf({ operations, isLocal = false }: PeerEntry, { topology }: StepPlan): number {
  return isLocal ? operations : operations * topology.regions.length
}

async function runPeer(
  entry: PeerEntry,
  load: PeerLoad,
  context: BenchContext,
): Promise<StepResult> {
  const { target, signal } = context
  signal.throwIfAborted()
  const notes: string[] = []
  let peer: Peer
  try {
    context.note(`opens ${entry.name}`)
    peer = await entry.open({ target, onNotice: (remark) => notes.push(remark) })
  } catch (error) {
    signal.throwIfAborted()
    return { notes: [...notes, said(`${entry.name} was not measured`, error)] }
  }
  let result: StepResult = {}
  try {
    result = await measurePeer(peer, load, context)
  } catch (error) {
    signal.throwIfAborted()
    notes.push(said(`The measurement of ${peer.name} ${peer.version} ended early`, error))
  } finally {
    await peer.close().catch((error: unknown) => {
      notes.push(said(`Something of ${peer.name} may be left behind`, error))
    })
  }
  return { ...result, notes }
}

function said(what: string, error: unknown): string {
  return `${what}: ${asMeridianError(error).message}`
}
