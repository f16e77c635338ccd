import { describe, expect, it } from 'vitest'
import { parseConfig, type Config } from '../../../src/config/parse-config.ts'
import { isLoopbackHost } from '../../../src/config/addresses.ts'
import { planNode } from '../../../src/node/node-plan.ts'

interface Layout {
  readonly nodes?: Readonly<Record<string, unknown>>
  readonly auth?: unknown
  readonly leader?: string
}

const KEY = 'A'.repeat(43)
const AUTH = {
  issuers: [{ issuer: 'test', publicKey: KEY }],
  nodeKey: { env: 'NODE_KEY' },
}

function configOf({ nodes, auth, leader = 'eu-west' }: Layout): Config {
  return parseConfig(
    JSON.stringify({
      regions: ['eu-west', 'us-east', 'ap-south'],
      commitLog: { leader },
      ...(nodes === undefined ? {} : { nodes }),
      ...(auth === undefined ? {} : { auth }),
    }),
    'test',
  )
}

function nodes(urls: readonly string[], more: object = {}): Record<string, unknown> {
  const [eu, us, ap] = urls
  const letters = 'BCD'
  const node = (url: string | undefined): unknown => ({
    url,
    publicKey: (letters[urls.indexOf(url ?? '')] ?? 'E').repeat(43),
    ...more,
  })
  return { 'eu-west': node(eu), 'us-east': node(us), 'ap-south': node(ap) }
}

const THREE = ['http://127.0.0.1:7001', 'http://127.0.0.1:7002', 'http://127.0.0.1:7003']

describe('a process', () => {
  it('serves the region that is named, at the port of its URL', () => {
    expect(planNode(configOf({ nodes: nodes(THREE) }), ['us-east'])).toEqual({
      regions: ['us-east'],
      shared: [],
      url: 'http://127.0.0.1:7002',
      listen: { host: '127.0.0.1', port: 7002 },
      keepsCommitLog: false,
      isAlone: false,
      isLoopbackOnly: true,
    })
  })

  it('serves every region of the same URL, in the order of the configuration', () => {
    const [one = '', two = ''] = THREE
    const config = configOf({ nodes: nodes([one, two, one]) })
    const plan = planNode(config, ['ap-south'])
    expect(plan.regions).toEqual(['eu-west', 'ap-south'])
    expect(plan.isAlone).toBe(false)
  })

  it('is alone where all regions have its URL', () => {
    const [one = ''] = THREE
    expect(planNode(configOf({ nodes: nodes([one, one, one]) }), ['eu-west'])).toMatchObject({
      isAlone: true,
      keepsCommitLog: true,
    })
  })

  it('keeps the commit log where it serves the leader', () => {
    const config = configOf({ nodes: nodes(THREE), leader: 'ap-south' })
    expect(planNode(config, ['ap-south']).keepsCommitLog).toBe(true)
    expect(planNode(config, ['eu-west']).keepsCommitLog).toBe(false)
  })
})

describe('the address', () => {
  it.each([
    ['http://node.example', { host: '0.0.0.0', port: 80 }],
    ['https://node.example', { host: '0.0.0.0', port: 443 }],
    ['https://node.example:8443/meridian', { host: '0.0.0.0', port: 8443 }],
    ['http://[::1]:7001', { host: '::1', port: 7001 }],
    ['http://localhost:7001', { host: 'localhost', port: 7001 }],
  ])('of %s is %j where callers are told apart', (url, listen) => {
    const config = configOf({ nodes: nodes([url, ...THREE.slice(1)]), auth: AUTH })
    expect(planNode(config, ['eu-west']).listen).toEqual(listen)
  })

  it('is `listen` where there is one', () => {
    const config = configOf({ nodes: nodes(THREE, { listen: '[::]:9000' }), auth: AUTH })
    expect(planNode(config, ['eu-west']).listen).toEqual({ host: '::', port: 9000 })
  })

  it.each(['0.0.0.0:9000', '10.1.2.3:9000', '[::]:9000', 'node.example:9000'])(
    'is on the loopback interface without `auth`, whatever `listen` says: %s',
    (listen) => {
      const config = configOf({ nodes: nodes(THREE, { listen }) })
      expect(planNode(config, ['eu-west'])).toMatchObject({
        listen: { host: '127.0.0.1', port: 9000 },
        isLoopbackOnly: true,
      })
    },
  )
})

describe('a plan is refused', () => {
  it('without the section `nodes`', () => {
    expect(() => planNode(configOf({}), ['eu-west'])).toThrow(/no section `nodes`/)
  })

  it('for a region that there is not', () => {
    const config = configOf({ nodes: nodes(THREE) })
    expect(() => planNode(config, ['mars'])).toThrow(/no region "mars".*eu-west, us-east/)
  })

  it('for regions of different URLs', () => {
    const config = configOf({ nodes: nodes(THREE) })
    expect(() => planNode(config, ['eu-west', 'us-east'])).toThrow(/different URLs/)
  })

  it('for regions of one URL that are to listen at different addresses', () => {
    const url = 'http://127.0.0.1:7001'
    const config = configOf({
      nodes: {
        'eu-west': { url, listen: '127.0.0.1:1' },
        'us-east': { url, listen: '127.0.0.1:2' },
        'ap-south': { url },
      },
    })
    expect(() => planNode(config, ['eu-west'])).toThrow(/different `listen`s/)
  })
})

describe('a host', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.8.8.8', '::1', '[::1]'])(
    '%s is this machine',
    (host) => expect(isLoopbackHost(host)).toBe(true),
  )

  it.each(['', '127.0.0.1.example', 'localhost.example', '0.0.0.0', '::', '128.0.0.1'])(
    '%j is not',
    (host) => expect(isLoopbackHost(host)).toBe(false),
  )
})
