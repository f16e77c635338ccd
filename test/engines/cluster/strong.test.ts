/** `meridian strong` on three regions that are apart: what it measures, and the leader that it places. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { commitLogMs } from '../../../benchmarks/measure/network-time.ts'
import { configFor, readTopology } from '../../../benchmarks/topologies/index.ts'
import { connect, type Database } from '../../../src/client/index.ts'
import { httpDeployment } from '../../../src/client/http/http-deployment.ts'
import type { StrongView } from '../../../src/cli/strong/strong-view.ts'
import { openCluster, type Cluster } from '../../../src/cluster/cluster.ts'
import { canChangeHosts } from '../../../src/cluster/member-distances.ts'
import { openWan, type Wan } from '../../../src/cluster/wan/wan.ts'
import { oneWayMs } from '../../../src/config/topology.ts'
import { until } from '../../support/until.ts'
import { schema } from '../../e2e/programs/loader-schema.ts'
import { runMeridian, type Ran } from '../../support/run-command.ts'

const SCHEMA_MODULE = resolve('test/e2e/programs/loader-schema.ts')
const TIMEOUT_MS = 600_000
const LONG_MS = 120_000
const TOKEN = 'MERIDIAN_STRONG_TEST_TOKEN'

let folder: string
let wan: Wan
let cluster: Cluster

beforeAll(async () => {
  // Members have a distance between them only where this may be done.
  if (!canChangeHosts()) return
  folder = mkdtempSync(join(tmpdir(), 'meridian-strong-'))
  const topology = await readTopology('triangle')
  wan = await openWan({ topology })
  cluster = await openCluster({
    config: configFor(topology, 'eu-west'),
    schemaModule: SCHEMA_MODULE,
    directory: folder,
    isLean: true,
    wan,
  })
  process.env[TOKEN] = cluster.token
}, TIMEOUT_MS)

afterAll(async () => {
  if (!canChangeHosts()) return
  delete process.env[TOKEN]
  await cluster.close()
  await wan.close()
  rmSync(folder, { recursive: true, force: true })
}, TIMEOUT_MS)

function strong(...args: readonly string[]): Promise<Ran> {
  const file = cluster.configFile('eu-west')
  return runMeridian('strong', ...args, '--config', file, '--token-env', TOKEN)
}

/** An election may be under way while a cluster starts: it is placed once there is a leader. */
async function placeIn(region: string): Promise<void> {
  await until(async () => {
    const { code, stderr } = await strong('place-leader', region)
    expect(code, stderr).toBe(0)
  }, LONG_MS)
}

async function viewNow(): Promise<StrongView> {
  return JSON.parse((await strong('status', '--json')).stdout) as StrongView
}

async function clientIn(region: string): Promise<Database<typeof schema>> {
  const nodes = cluster.urlsFrom(region)
  const deployment = httpDeployment({ nodes, token: cluster.token, deadlineMs: 60_000 })
  const db = await connect({ schema, region, deployment })
  onTestFinished(() => db.close())
  return db
}

test.runIf(canChangeHosts())(
  'distances are measured, writes counted, and the leader goes where they come from',
  { timeout: TIMEOUT_MS },
  async () => {
    const { topology } = wan
    await placeIn('eu-west')
    const db = await clientIn('ap-south')
    for (let id = 1; id <= 12; id++) await db.plans.insert({ id, batch: 1 })
    const other = await clientIn('us-east')
    await other.plans.insert({ id: 100, batch: 2 })

    let view = await viewNow()
    await until(async () => {
      view = await viewNow()
      const main = view.groups.filter(({ group }) => group === 'main')
      expect(main.map(({ region }) => region)).toEqual(topology.regions)
      for (const { applied, logEnd, readIndexMs, stopped, logError } of main) {
        expect({ applied, stopped, logError }).toEqual({
          applied: logEnd,
          stopped: null,
          logError: null,
        })
        expect(readIndexMs).not.toBeNull()
      }
    }, LONG_MS)
    expect(view.leader).toBe('eu-west')
    expect(view.distances).toHaveLength(9)
    for (const { from, to, roundTripMs } of view.distances) {
      // Nothing is faster than the distance; a machine that is busy makes it longer.
      const leastMs = 2 * oneWayMs(topology, from, to) - 1
      expect(roundTripMs, `${from} to ${to}`).toBeGreaterThanOrEqual(leastMs)
    }
    const expectedMs = view.latency.find(({ leader }) => leader === 'eu-west')?.latencyMs ?? {}
    for (const { region, group, readIndexMs } of view.groups) {
      // The read that has just gone this way took no less than the way, as the estimate says.
      const leastMs = commitLogMs(topology, 'eu-west', region) - 2
      expect(expectedMs[region], region).toBeGreaterThanOrEqual(leastMs)
      expect(readIndexMs, `${group} of ${region}`).toBeGreaterThanOrEqual(leastMs)
    }
    const { 'us-east': us = 0, 'ap-south': ap = 0 } = view.writesPerSecond
    expect(ap).toBeGreaterThan(5 * us)
    expect(us).toBeGreaterThan(0)
    expect(view.bestLeader).toBe('ap-south')

    const dry = await strong('place-leader', '--dry-run')
    expect(dry.stdout).toContain('would be led from ap-south')
    expect((await viewNow()).leader).toBe('eu-west')
    const placed = await strong('place-leader', '--json')
    expect(placed.stderr).toBe('')
    expect(JSON.parse(placed.stdout)).toMatchObject({
      from: 'eu-west',
      to: 'ap-south',
      moved: true,
      chosenBy: 'write mix',
    })
    await until(async () => {
      const { code, stdout, stderr } = await strong('status')
      expect(code, stdout + stderr).toBe(0)
      expect(stdout).toContain('The commit log in etcd is led from ap-south.')
      expect(stdout).toContain('These writes want it where it is: ap-south.')
    }, LONG_MS)
    expect((await strong('place-leader')).stdout).toContain('led from ap-south already')
    // The log goes on.
    await db.plans.insert({ id: 101, batch: 3 })
    expect(await other.plans.get(101, { consistency: 'strong' })).toMatchObject({ batch: 3 })
  },
)
