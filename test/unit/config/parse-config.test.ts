import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import { defaultConfig, parseConfig, parseTopology } from '../../../src/config/parse-config.ts'
import { oneWayMs, scaleTopology } from '../../../src/config/topology.ts'

const FULL = `
regions: [us-east, eu-west, ap-south]
topology:
  us-east/eu-west: 40
  us-east/ap-south: 95
  eu-west/ap-south: 60
commitLog:
  leader: us-east
data:
  directory: ./data
residency:
  classes:
    default: [us-east, eu-west, ap-south]
    eu-only: [eu-west]
keys:
  kind: keyring
  file: ./keyring.json
limits:
  deadlineMs: 5000
`

function failure(run: () => unknown): MeridianError {
  try {
    run()
  } catch (error) {
    if (error instanceof MeridianError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('the keys of nodes', () => {
  const key = (letter: string): string => letter.repeat(43)
  const withNodes = (us: string, eu: string, euUrl = 'https://eu.example'): string => `
regions: [us-east, eu-west]
nodes:
  us-east: { url: https://us.example, publicKey: ${us} }
  eu-west: { url: ${euUrl}, publicKey: ${eu} }
auth:
  issuers: [{ issuer: shop, publicKey: ${key('I')} }]
  nodeKey: { env: NODE_KEY }
`

  it('are of their processes alone: whoever has one may do what its regions may', () => {
    const error = failure(() => parseConfig(withNodes(key('A'), key('A')), 'meridian.yaml'))
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(error.message).toContain('another process')
    expect(error.message).not.toContain(key('A'))
  })

  it('may be one for the regions of one process', () => {
    for (const text of [
      withNodes(key('A'), key('B')),
      withNodes(key('A'), key('A'), 'https://us.example'),
    ]) {
      expect(parseConfig(text, 'meridian.yaml').nodes['eu-west']?.[0]?.url).toBeDefined()
    }
  })
})

describe('parseConfig', () => {
  it('reads every option', () => {
    expect(parseConfig(FULL, 'meridian.yaml')).toEqual({
      regions: ['us-east', 'eu-west', 'ap-south'],
      topology: {
        regions: ['us-east', 'eu-west', 'ap-south'],
        oneWayMs: { 'eu-west/us-east': 40, 'ap-south/us-east': 95, 'ap-south/eu-west': 60 },
      },
      name: 'meridian',
      commitLog: { leader: 'us-east', etcd: null, leaseDurationMs: 6000 },
      data: { directory: './data' },
      residency: { default: ['us-east', 'eu-west', 'ap-south'], 'eu-only': ['eu-west'] },
      keys: { kind: 'keyring', file: './keyring.json' },
      limits: {
        deadlineMs: 5000,
        maxQueuedWrites: 10_000,
        sweepIntervalMs: 1000,
        maxBodyBytes: 16 * 1024 * 1024,
        maxConnections: 10_000,
        maxConcurrentRequests: 1024,
        maxConcurrentPerPrincipal: 256,
        maxClockSkewMs: 500,
        queryTimeoutMs: 5000,
        drainTimeoutMs: 10_000,
      },
      schema: null,
      nodes: {},
      stores: {},
      changeLogs: {},
      caches: {},
      auth: null,
      tls: null,
    })
  })

  it('fills in distances, the most central leader and residency everywhere', () => {
    const config = defaultConfig()
    expect(config.commitLog.leader).toBe('eu-west')
    expect(oneWayMs(config.topology, 'ap-south', 'us-east')).toBe(95)
    expect(oneWayMs(config.topology, 'us-east', 'ap-south')).toBe(95)
    expect(oneWayMs(config.topology, 'us-east', 'us-east')).toBe(0)
    expect(config.residency).toEqual({ default: ['us-east', 'eu-west', 'ap-south'] })
    expect(config.keys).toBeNull()
  })

  it('takes a single region without any distance', () => {
    expect(defaultConfig(['home']).topology.oneWayMs).toEqual({})
  })

  const refused: [name: string, yaml: string, where: string, fix: RegExp][] = [
    ['text that is not YAML', 'regions: [a', 'm.yaml:1: ', /Correct the YAML/],
    ['no regions', 'topology: {}', 'm.yaml: regions: ', /Names of the regions/],
    ['an unknown option', 'regions: [a]\nlimit: 3', 'm.yaml: Unrecognized key', /Configuration/],
    ['a region named twice', 'regions:\n  - a\n  - a', 'm.yaml:3: regions[1]: ', /once/],
    ['a name in capitals', 'regions: [EU]', 'm.yaml:1: regions[0]: ', /for ever/],
    ['a missing pair', 'regions: [a, b]\ntopology: {}', 'm.yaml:2: topology: ', /`a\/b: <mill/],
    ['regions without a built-in distance', 'regions: [a, b]', 'm.yaml: topology: ', /`a\/b: </],
    [
      'a negative delay',
      'regions: [a, b]\ntopology:\n  a/b: -1',
      'm.yaml:3: topology.a/b: the delay -1',
      /milliseconds one way/,
    ],
    [
      'an unknown region in a pair',
      'regions: [a, b]\ntopology:\n  a/b: 1\n  a/c: 1',
      "m.yaml:4: topology.a/c: region 'c' is unknown",
      /Known: a, b/,
    ],
    [
      'a pair named both ways',
      'regions: [a, b]\ntopology:\n  a/b: 1\n  b/a: 2',
      'm.yaml:4: topology.b/a: the pair a/b is named twice',
      /same both ways/,
    ],
    [
      'a pair of one region',
      'regions: [a, b]\ntopology:\n  a/b: 1\n  a/a: 2',
      "m.yaml:4: topology.a/a: 'a/a' joins",
      /Remove/,
    ],
    [
      'something that is no pair',
      'regions: [a, b]\ntopology:\n  a/b: 1\n  a: 2',
      "m.yaml:4: topology.a: 'a' is not a pair",
      /region\/region/,
    ],
    [
      'an unknown leader',
      'regions: [a]\ncommitLog:\n  leader: b',
      "m.yaml:3: commitLog.leader: region 'b' is unknown",
      /Use one of: a/,
    ],
    [
      'residency without a default class',
      'regions: [a]\nresidency:\n  classes:\n    eu: [a]',
      "m.yaml:4: residency.classes: the class 'default' is missing",
      /Add `default: \[a\]`/,
    ],
    [
      'an unknown region of a class',
      'regions: [a]\nresidency:\n  classes:\n    default: [a, x]',
      "m.yaml:4: residency.classes.default[1]: region 'x' is unknown",
      /Use one of: a/,
    ],
    [
      'a keyring without a file',
      'regions: [a]\nkeys:\n  kind: keyring',
      'm.yaml:3: keys.file: ',
      /wraps the data keys/,
    ],
    [
      'a deadline of nothing',
      'regions: [a]\nlimits:\n  deadlineMs: 0',
      'm.yaml:3: limits.deadlineMs: ',
      /Deadline of a call/,
    ],
  ]
  it.each(refused)('refuses %s, saying where and what to do', (_name, yaml, where, fix) => {
    const error = failure(() => parseConfig(yaml, 'm.yaml'))
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain(where)
    expect(error.fix).toMatch(fix)
  })
})

describe('parseTopology', () => {
  it('reads YAML and JSON alike', () => {
    const yaml = parseTopology('regions: [a, b]\ntopology: { a/b: 7 }', 't.yaml')
    const json = parseTopology('{"regions":["a","b"],"topology":{"b/a":7}}', 't.json')
    expect(yaml).toEqual(json)
    expect(oneWayMs(scaleTopology(yaml, 0.1), 'b', 'a')).toBeCloseTo(0.7)
  })

  it('refuses a file without delays', () => {
    expect(failure(() => parseTopology('regions: [a]', 't.yaml')).code).toBe('CONFIG_INVALID')
  })
})
