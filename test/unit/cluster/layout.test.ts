import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPorts } from '../../../src/cluster/cluster-ports.ts'
import { makeIdentities } from '../../../src/cluster/identities.ts'
import { nodeConfig, nodeNames, portNames, type ClusterShape } from '../../../src/cluster/layout.ts'
import { directRoute } from '../../../src/cluster/wan/routes.ts'
import { readClusterOptions } from '../../../src/cli/cluster/options.ts'
import { defaultConfig, parseConfig, type Config } from '../../../src/config/parse-config.ts'

const REGIONS = ['a', 'b']
const config: Config = {
  ...defaultConfig(),
  regions: REGIONS,
  topology: { regions: REGIONS, oneWayMs: { 'a/b': 10 } },
  commitLog: { leader: 'b', etcd: null, leaseDurationMs: 6000 },
  residency: { default: REGIONS, local: ['a'] },
}

function shape(more: Partial<ClusterShape> = {}): ClusterShape {
  return { regions: REGIONS, nodesPerRegion: 1, isLean: false, ...more }
}

function configOf(of: ClusterShape, route = directRoute) {
  const ports = Object.fromEntries(portNames(of).map((name, i) => [name, 20_000 + i]))
  const names = REGIONS.flatMap((region) => nodeNames(of, region))
  const identities = makeIdentities('test', names)
  const schemaModule = '/schema.ts'
  const content = nodeConfig({ shape: of, ports, config, schemaModule, identities, route }, 'a')
  return { ports, identities, parsed: parseConfig(JSON.stringify(content), 'generated') }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-layout-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

describe('the configuration of a full cluster', () => {
  test('names every engine at its port, and no secret', () => {
    const { ports, identities, parsed } = configOf(shape())
    expect(parsed.commitLog.leader).toBe('b')
    expect(parsed.commitLog.etcd?.members).toEqual({
      a: [`127.0.0.1:${ports['etcd a']}`],
      b: [`127.0.0.1:${ports['etcd b']}`],
    })
    expect(parsed.changeLogs['b']?.brokers).toEqual([`127.0.0.1:${ports['kafka b']}`])
    expect(parsed.caches['a']?.address).toBe(`127.0.0.1:${ports['redis a']}`)
    expect(parsed.stores['a']?.url).toBe(`ws://127.0.0.1:${ports['store a']}`)
    expect(parsed.nodes['b']?.map(({ url }) => url)).toEqual([
      `http://127.0.0.1:${ports['node b']}`,
    ])
    expect(parsed.residency).toEqual(config.residency)
    const text = JSON.stringify(parsed)
    for (const { privateKeyJwk } of identities.nodeKeys.values()) {
      expect(text).not.toContain((JSON.parse(privateKeyJwk) as { d: string }).d)
    }
  })

  test('gives each of several nodes a URL and a key of its own', () => {
    const { parsed } = configOf(shape({ nodesPerRegion: 3 }))
    const nodes = Object.values(parsed.nodes).flat()
    expect(nodes).toHaveLength(6)
    expect(new Set(nodes.map(({ url }) => url)).size).toBe(6)
    expect(new Set(nodes.map(({ publicKey }) => publicKey)).size).toBe(6)
  })

  test('leads to other regions by the route that was opened, and to its own directly', () => {
    const route = (from: string, to: string, address: string): string =>
      from === to ? address : `${to}.far:${address.split(':')[1]}`
    const { ports, parsed } = configOf(shape(), route)
    expect(parsed.nodes['a']?.[0]?.url).toBe(`http://127.0.0.1:${ports['node a']}`)
    expect(parsed.nodes['b']?.[0]?.url).toBe(`http://b.far:${ports['node b']}`)
    expect(parsed.commitLog.etcd?.members).toEqual({
      a: [`127.0.0.1:${ports['etcd a']}`],
      b: [`b.far:${ports['etcd b']}`],
    })
  })
})

test('a lean cluster has etcd and files', () => {
  const { ports, parsed } = configOf(shape({ isLean: true }))
  expect(parsed.commitLog.etcd).not.toBeNull()
  expect([parsed.changeLogs, parsed.caches, parsed.stores]).toEqual([{}, {}, {}])
  expect(Object.keys(ports).some((name) => name.startsWith('kafka'))).toBe(false)
})

describe('ports', () => {
  test('are all different, and the same again in the same folder', async () => {
    const folder = temporaryFolder()
    const first = await openPorts(shape(), folder)
    expect(Object.keys(first).sort()).toEqual([...portNames(shape())].sort())
    expect(new Set(Object.values(first)).size).toBe(Object.keys(first).length)
    expect(await openPorts(shape(), folder)).toEqual(first)
    const more = await openPorts(shape({ nodesPerRegion: 2 }), folder)
    expect(more).toMatchObject(first)
    expect(more['node a 2']).toBeGreaterThan(0)
  })

  test('of other regions, or of something else, are refused', async () => {
    const folder = temporaryFolder()
    await openPorts(shape(), folder)
    const others = openPorts(shape({ regions: ['c'] }), folder)
    await expect(others).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    writeFileSync(join(folder, 'cluster.json'), 'no JSON')
    await expect(openPorts(shape(), folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('options', () => {
  test('take regions of any name, near where their distance is known', async () => {
    const { config: read } = await readClusterOptions({
      regions: 'us-east, eu-west, mars',
      directory: temporaryFolder(),
    })
    expect(read.regions).toEqual(['us-east', 'eu-west', 'mars'])
    expect(read.topology.oneWayMs['eu-west/us-east']).toBe(40)
    expect(read.topology.oneWayMs['mars/us-east']).toBeGreaterThan(0)
    const twice = readClusterOptions({ regions: 'a,a', directory: temporaryFolder() })
    await expect(twice).rejects.toThrow(/`--regions`.*'a' is named twice/)
  })

  test('take the regions, the schema and the keyring of a configuration, wherever it is', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'meridian.yaml')
    const text = { regions: ['x'], schema: './s.ts', keys: { kind: 'keyring', file: 'keys.json' } }
    writeFileSync(file, JSON.stringify(text))
    const options = await readClusterOptions({ config: file, directory: folder, nodes: '2' })
    expect(options.config.regions).toEqual(['x'])
    expect(options.schemaModule).toBe(join(folder, 's.ts'))
    expect(options.config.keys).toEqual({
      kind: 'keyring',
      file: join(folder, '.meridian', 'keys.json'),
    })
    expect(options).toMatchObject({ nodesPerRegion: 2, isTemporary: false, isLean: false })
  })

  test.each([
    { nodes: '0' },
    { nodes: '1.5' },
    { nodes: '99' },
    { directory: '' },
    { lean: true, nodes: '2' },
    { config: 'a', regions: 'b' },
  ])('refuse %j', async (given) => {
    await expect(readClusterOptions(given)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
