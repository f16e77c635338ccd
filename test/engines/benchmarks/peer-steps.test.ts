/** The steps of peers: each measured in turns, and one that cannot be told of in a note. */
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { peerSteps } from '../../../benchmarks/peers/index.ts'
import type { BenchContext, StepPlan, StepResult } from '../../../benchmarks/step.ts'
import type { BenchTarget, RawEngines } from '../../../benchmarks/target/target.ts'
import type { BenchSchema } from '../../../benchmarks/workloads/schema.ts'
import type { Topology } from '../../../src/config/topology.ts'
import { engines } from '../../support/engines.ts'
import { freePorts } from '../../support/free-ports.ts'

const REGION = 'us-east'
const REPETITIONS = 3
const topology: Topology = { regions: [REGION], oneWayMs: {} }

async function openContext(raw: RawEngines | undefined): Promise<BenchContext> {
  const directory = await mkdtemp(join(tmpdir(), 'peer-steps-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const target = {
    engines: raw === undefined ? 'embedded' : 'real',
    topology,
    leader: REGION,
    directory,
    raw: () => raw,
  } as unknown as BenchTarget<BenchSchema>
  return {
    target,
    client: () => expect.unreachable('a peer asks no node'),
    timeScale: 0.05,
    repetitions: REPETITIONS,
    seed: 1,
    signal: new AbortController().signal,
    note: () => undefined,
  }
}

const plan: StepPlan = { engines: 'real', topology, leader: REGION, rateOpsPerSecond: 40 }

async function run(name: string, context: BenchContext): Promise<StepResult> {
  const step = peerSteps(plan).find((one) => one.name === `peer ${name}`)
  if (step === undefined) throw new Error(`There is no step of ${name}.`)
  return step.run(context)
}

function rawEngines(): RawEngines {
  const { etcd, kafka, redis } = engines()
  return { etcd: etcd.endpoint, kafka: kafka.broker, redis: redis.address }
}

test.for([
  ['etcd', ['transaction', 'linearizable read']],
  ['kafka', ['produce', 'produce-consume']],
  ['redis', ['get', 'set']],
  [
    'libsql',
    [
      'point read',
      'pinned insert',
      'pinned update',
      'transaction of one row',
      'bulk insert of 1000 rows',
    ],
  ],
  ['http-server', ['point read over HTTP']],
] as const)('%s is measured in three turns, and leaves nothing', async ([name, ops]) => {
  const context = await openContext(rawEngines())
  const { peers = [], histograms = [], notes = [] } = await run(name, context)
  expect(notes).toEqual([])
  expect(peers.map(({ op }) => op)).toEqual(ops)
  for (const cell of peers) {
    expect(cell).toMatchObject({ peer: name, origin: REGION, networkMs: 0, failed: 0, errors: {} })
    expect(cell.succeeded).toBeGreaterThan(0)
    expect(cell.repetitionP95Ms).toHaveLength(REPETITIONS)
    expect(cell.durability).not.toBe('')
    expect(cell.version).not.toBe('')
  }
  expect(new Set(histograms.map((one) => one.name)).size).toBe(ops.length)
  expect(readdirSync(context.target.directory)).toEqual([])
})

test('an engine that is away is a note that names it and its address', async () => {
  const [port] = await freePorts(1)
  const address = `127.0.0.1:${port}`
  const context = await openContext({ etcd: address, kafka: address, redis: address })
  for (const name of ['etcd', 'kafka', 'redis']) {
    const { peers = [], notes = [] } = await run(name, context)
    expect(peers).toEqual([])
    expect(notes).toHaveLength(1)
    expect(notes[0]).toMatch(new RegExp(`${name} was not measured`))
    expect(notes[0]).toContain(address)
  }
})

test('a deployment without engines of its own says so of each', async () => {
  const context = await openContext(undefined)
  for (const name of ['etcd', 'kafka', 'redis']) {
    const { notes = [] } = await run(name, context)
    expect(notes).toEqual([expect.stringContaining(`This deployment has no ${name} of its own.`)])
  }
})

test('a run that is given up ends, without a note in place of the end', async () => {
  const context = await openContext(rawEngines())
  const signal = AbortSignal.abort(new Error('given up'))
  await expect(run('etcd', { ...context, signal })).rejects.toThrow('given up')
})
