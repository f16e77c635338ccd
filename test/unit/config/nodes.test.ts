import { describe, expect, it } from 'vitest'
import { parseConfig, type Config } from '../../../src/config/parse-config.ts'
import { planNode } from '../../../src/node/node-plan.ts'

const A = 'http://127.0.0.1:7001'
const B = 'http://127.0.0.1:7002'
const EU = 'http://127.0.0.1:7003'
const SHARED = {
  commitLog: { leader: 'eu', etcd: { members: { eu: ['127.0.0.1:2379'] } } },
  stores: { us: { url: 'http://127.0.0.1:8080' } },
  changeLogs: { us: { brokers: ['127.0.0.1:9092'] } },
}

function configOf(us: unknown, sections: object = SHARED): Config {
  const topology = { 'eu/us': 40 }
  const text = { regions: ['eu', 'us'], topology, nodes: { eu: { url: EU }, us }, ...sections }
  return parseConfig(JSON.stringify(text, null, 1), 'meridian.yaml')
}

describe('the nodes of a region', () => {
  it('are a list, whether the file names one or several', () => {
    expect(configOf({ url: A }).nodes).toEqual({ eu: [{ url: EU }], us: [{ url: A }] })
    expect(configOf([{ url: A }, { url: B }]).nodes['us']).toEqual([{ url: A }, { url: B }])
  })

  it.each([
    ['commitLog', { commitLog: { leader: 'eu' } }, 'commitLog.etcd'],
    ['stores', { stores: {} }, 'stores.us'],
    ['changeLogs', { changeLogs: {} }, 'changeLogs.us'],
  ])('need %s to be shared', (_, without, named) => {
    const sections = { ...SHARED, ...without }
    expect(() => configOf([{ url: A }, { url: B }], sections)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(named) }),
    )
    expect(() => configOf([{ url: A }], sections)).not.toThrow()
  })

  it('have URLs and keys of their own', () => {
    expect(() => configOf([{ url: A }, { url: A }])).toThrow(/us\[1\]\.url: is the URL of another/)
    const publicKey = 'K'.repeat(43)
    const auth = {
      issuers: [{ issuer: 'shop', publicKey: 'I'.repeat(43) }],
      nodeKey: { env: 'NODE_KEY' },
    }
    const keyed = (key: string): unknown => [
      { url: A, publicKey },
      { url: B, publicKey: key },
    ]
    const nodes = { eu: { url: EU, publicKey: 'E'.repeat(43) } }
    const parse = (us: unknown): Config =>
      configOf(us, { ...SHARED, auth, nodes: { ...nodes, us } })
    expect(() => parse(keyed(publicKey))).toThrow(/us\[1\]\.publicKey: is the key of another/)
    expect(() => parse(keyed('L'.repeat(43)))).not.toThrow()
    expect(() => parse([{ url: A, publicKey }, { url: B }])).toThrow(/us\[1\]: the public key/)
  })

  it.each([
    ['one', { url: 'ftp://x' }, /nodes\.us\.url: is not a URL/],
    ['a list', [{ url: A }, { url: 'ftp://x' }], /nodes\.us\[1\]\.url: is not a URL/],
  ])('that are wrong are named by their place: %s', (_, us, message) => {
    expect(() => configOf(us)).toThrow(message)
  })
})

describe('a process of a region with several nodes', () => {
  const config = configOf([{ url: A }, { url: B }])

  it('says which one it is', () => {
    expect(planNode(config, ['us'], `${B}/`)).toMatchObject({ url: B, shared: ['us'] })
    expect(planNode(config, ['eu'])).toMatchObject({ url: EU, shared: [], isAlone: false })
  })

  it.each([[undefined], ['http://127.0.0.1:7009']])('must, and be one of them: %s', (node) => {
    expect(() => planNode(config, ['us'], node)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        fix: expect.stringContaining(`${A}, ${B}`),
      }),
    )
  })
})
