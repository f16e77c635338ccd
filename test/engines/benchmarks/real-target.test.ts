/** The target of benchmarks on real engines: what crosses the emulated network, and what is left of it. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { commitLogMs } from '../../../benchmarks/measure/network-time.ts'
import { openRealTarget, type RealTarget } from '../../../benchmarks/target/open-real.ts'
import { bestLeader, configFor, readTopology } from '../../../benchmarks/topologies/index.ts'
import {
  schema,
  tenantOf,
  type BenchDatabase,
  type BenchSchema,
} from '../../../benchmarks/workloads/schema.ts'
import type { EtcdEngine } from '../../../src/cluster/engines/etcd.ts'
import { moveLeader } from '../../../src/cluster/engines/etcd-leader.ts'
import { canChangeHosts } from '../../../src/cluster/member-distances.ts'
import { regionPairs, scaleTopology } from '../../../src/config/topology.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { until } from '../../support/until.ts'

/** Fifteen processes start; the machine may be busy with other tests. */
const TIMEOUT_MS = 600_000
const LONG_MS = 120_000
const SCALE = 0.25
const PROCESSES = ['etcd', 'kafka', 'node', 'redis', 'store']

let folder: string
let target: RealTarget<BenchSchema>
let isClosed = false

beforeAll(async () => {
  if (!canChangeHosts()) return
  folder = mkdtempSync(join(tmpdir(), 'meridian-target-'))
  const topology = scaleTopology(await readTopology('triangle'), SCALE)
  target = await openRealTarget({
    schema,
    schemaModule: join(import.meta.dirname, '../../../benchmarks/workloads/schema.ts'),
    config: configFor(topology, bestLeader(topology)),
    directory: folder,
    onNotice: () => undefined,
  })
}, TIMEOUT_MS)

afterAll(async () => {
  if (!canChangeHosts()) return
  if (!isClosed) await target.close()
  rmSync(folder, { recursive: true, force: true })
}, TIMEOUT_MS)

async function clientIn(region: string): Promise<BenchDatabase> {
  const db = await target.connect(region)
  onTestFinished(() => db.close())
  return db
}

/** As far as they are asked who leads. */
function members(): ReadonlyMap<string, EtcdEngine> {
  return new Map(
    target.topology.regions.map((name) => {
      const url = `http://${target.raw(name)?.etcd ?? ''}`
      return [name, { name, url } as EtcdEngine]
    }),
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function pairs(): readonly string[] {
  return regionPairs(target.topology.regions).flatMap(([a, b]) => [`${a}/${b}`, `${b}/${a}`])
}

// Distances between members of etcd take root.
describe.runIf(canChangeHosts())('the target on real engines', { timeout: TIMEOUT_MS }, () => {
  test('says what it consists of', () => {
    const { regions } = target.topology
    expect(target.leader).toBe('eu-west')
    expect(
      target
        .processes()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(PROCESSES.flatMap((kind) => regions.map((region) => `${kind} ${region}`)).sort())
    expect(new Set(target.processes().map(({ pid }) => pid)).size).toBe(15)
    for (const { name, pid } of target.processes()) expect(isAlive(pid), name).toBe(true)
    for (const region of regions) {
      const raw = target.raw(region)
      const addresses = [raw?.etcd, raw?.kafka, raw?.redis]
      for (const address of addresses) expect(address).toMatch(/^127\.0\.0\.1:\d+$/)
    }
  })

  test('counts what goes from each region to each other one', async () => {
    const bytesOf = 20_000
    const before = await target.crossRegionBytes()
    expect([...before.keys()].sort()).toEqual([...pairs()].sort())
    for (const region of target.topology.regions) {
      const db = await clientIn(region)
      await db.tenants.create({ id: tenantOf(region), home: region })
      // What cannot be made smaller on its way.
      const value = randomBytes((bytesOf * 3) / 4).toString('base64')
      await db.tenant(tenantOf(region)).eventualRows.insert({ id: region, value })
    }
    await target.settle()
    const after = await target.crossRegionBytes()
    for (const pair of pairs()) {
      const grown = (after.get(pair) ?? 0) - (before.get(pair) ?? 0)
      expect(grown, pair).toBeGreaterThan(bytesOf)
    }
  })

  test('has no strong write that is faster than its network', async () => {
    const { topology, leader } = target
    for (const region of topology.regions) {
      const db = await clientIn(region)
      const tookMs: number[] = []
      for (let i = 0; i < 10; i++) {
        const startMs = performance.now()
        await db.strongRows.insert({ id: `${region} ${i}`, value: 'x' })
        tookMs.push(performance.now() - startMs)
      }
      const networkMs = commitLogMs(topology, leader, region)
      expect(Math.min(...tookMs), region).toBeGreaterThanOrEqual(networkMs)
    }
  })

  test('tells who leads, and hands leadership back', async () => {
    expect(await target.currentLeader?.()).toBe(target.leader)
    await moveLeader(members(), 'us-east')
    await until(async () => expect(await target.currentLeader?.()).toBe('us-east'), LONG_MS)
    expect(await target.handBackLead?.()).toBe(target.leader)
    expect(await target.currentLeader?.()).toBe(target.leader)
    // How long processes took to start is nothing that results depend on.
    expect(target.remarks?.()).toEqual([])
  })

  test('feels a cut between two regions, and only between them', async () => {
    const us = await clientIn('us-east')
    const home = tenantOf('ap-south')
    await us.tenant(home).pinnedRows.insert({ id: 'before', value: 'x' })
    await target.wan.partition('us-east', 'ap-south')
    try {
      const failed = await failureOf(us.tenant(home).pinnedRows.insert({ id: 'cut', value: 'x' }))
      expect(failed).toMatchObject({
        code: expect.stringMatching(/^(REGION_UNREACHABLE|DEADLINE_EXCEEDED)$/),
      })
      const eu = await clientIn('eu-west')
      await eu.tenant(home).pinnedRows.insert({ id: 'around', value: 'x' })
    } finally {
      await target.wan.heal('us-east', 'ap-south')
    }
    await until(async () => {
      await us.tenant(home).pinnedRows.upsert({ id: 'after', value: 'x' })
    }, LONG_MS)
  })

  test('gives peers links of its network, whose bytes are theirs', async () => {
    const redis = target.raw('ap-south')?.redis ?? ''
    expect(await target.link('ap-south', 'ap-south', redis)).toBe(redis)
    const [host = '', port = ''] = (await target.link('us-east', 'ap-south', redis)).split(':')
    const socket = createConnection({ host, port: Number(port) })
    const startMs = performance.now()
    socket.write('PING\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    expect(answer.toString()).toBe('+PONG\r\n')
    // The connection and the question, a round trip each.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(4 * 95 * SCALE)
  })

  test('closed, leaves no process and no link', async () => {
    const all = target.processes()
    const link = await target.link('us-east', 'ap-south', target.raw('ap-south')?.redis ?? '')
    await target.close()
    isClosed = true
    await until(() => {
      for (const { name, pid } of all) expect(isAlive(pid), name).toBe(false)
    }, LONG_MS)
    const [host = '', port = ''] = link.split(':')
    const socket = createConnection({ host, port: Number(port) })
    expect(await failureOf(once(socket, 'connect'))).toMatchObject({ code: 'ECONNREFUSED' })
  })
})
