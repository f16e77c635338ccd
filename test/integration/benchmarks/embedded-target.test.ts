/** The embedded target of benchmarks. */
import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openEmbeddedTarget } from '../../../benchmarks/target/open-embedded.ts'
import type { BenchTarget, CrossRegionBytes } from '../../../benchmarks/target/target.ts'
import { bestLeader, configFor, readTopology } from '../../../benchmarks/topologies/index.ts'
import { schema, tenantOf, type BenchSchema } from '../../../benchmarks/workloads/schema.ts'
import { scaleTopology } from '../../../src/config/topology.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'

async function openTarget(): Promise<BenchTarget<BenchSchema>> {
  const topology = scaleTopology(await readTopology('one-country'), 0.5)
  const target = await openEmbeddedTarget({
    schema,
    config: configFor(topology, bestLeader(topology)),
    directory: tempFolder(),
    onNotice: () => undefined,
  })
  onTestFinished(() => target.close())
  return target
}

function total(bytes: CrossRegionBytes): number {
  return [...bytes.values()].reduce((sum, ofWay) => sum + ofWay, 0)
}

describe('the embedded target', () => {
  test('is this process, has no engines of its own, and leads from the best region', async () => {
    const target = await openTarget()
    expect(target.processes()).toEqual([{ name: 'this process', region: 'all', pid: process.pid }])
    expect(target.raw('north')).toBeUndefined()
    expect(target.leader).toBe('center')
    expect('selfTest' in target).toBe(false)
  })

  test('counts messages between regions, and what the commit log carries', async () => {
    const target = await openTarget()
    const bytesOf = 10_000
    const north = await target.connect('north')
    onTestFinished(() => north.close())
    await north.tenants.create({ id: tenantOf('north'), home: 'north' })
    await target.settle()
    const grownBy = async (work: () => Promise<unknown>): Promise<ReadonlyMap<string, number>> => {
      const before = new Map(await target.crossRegionBytes())
      await work()
      await target.settle()
      const after = await target.crossRegionBytes()
      return new Map(Array.from(after, ([way, bytes]) => [way, bytes - (before.get(way) ?? 0)]))
    }
    const value = 'x'.repeat(bytesOf)
    const eventual = await grownBy(() =>
      north.tenant(tenantOf('north')).eventualRows.insert({ id: '1', value }),
    )
    expect(eventual.get('north/center')).toBeGreaterThan(bytesOf)
    expect(eventual.get('north/south')).toBeGreaterThan(bytesOf)
    expect(eventual.get('center/south') ?? 0).toBeLessThan(bytesOf)
    const strong = await grownBy(() => north.strongRows.insert({ id: '1', value }))
    expect(strong.get('north/center')).toBeGreaterThan(bytesOf)
    expect(strong.get('center/north')).toBeGreaterThan(bytesOf)
    expect(strong.get('center/south')).toBeGreaterThan(bytesOf)
    expect(strong.get('north/south') ?? 0).toBeLessThan(bytesOf)
  })

  test('gives peers links with the distance between regions', async () => {
    const target = await openTarget()
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.pipe(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
    })
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const bytesOf = 100_000
    await target.settle()
    const before = total(await target.crossRegionBytes())
    const [host = '', port = ''] = (await target.link('north', 'south', address)).split(':')
    const socket = createConnection({ host, port: Number(port) })
    const startMs = performance.now()
    socket.write(Buffer.alloc(bytesOf))
    await once(socket, 'data')
    socket.destroy()
    // The connection and the question, a round trip each.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(30)
    // Regions tell each other that they are there; that is all.
    expect(total(await target.crossRegionBytes()) - before).toBeLessThan(bytesOf)
  })
})
