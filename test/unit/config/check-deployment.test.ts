import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkDeployment, requireWorkable } from '../../../src/config/check-deployment.ts'
import type { SchemaFacts } from '../../../src/config/check-residency.ts'
import { parseConfig, type Config } from '../../../src/config/parse-config.ts'
import type { SurvivalRow } from '../../../src/config/survival.ts'
import { MeridianError } from '../../../src/core/errors.ts'

const EXAMPLES = join(import.meta.dirname, '../../../examples/deployments')
const KEYS = ['A', 'B', 'C', 'D'].map((letter) => letter.repeat(43))

/** Three regions with a node each, and what a test adds. */
function config(
  more: string,
  urls: readonly string[] = ['https://us', 'https://eu', 'https://ap'],
): Config {
  return parseConfig(
    `regions: [us-east, eu-west, ap-south]
nodes:
  us-east: { url: '${urls[0]}', publicKey: ${KEYS[0]} }
  eu-west: { url: '${urls[1]}', publicKey: ${KEYS[1]} }
  ap-south: { url: '${urls[2]}', publicKey: ${KEYS[2]} }
auth: { issuers: [{ issuer: i, publicKey: ${KEYS[3]} }], nodeKey: { env: K } }
${more}`,
    'm.yaml',
  )
}

const etcd = (members: string, rest = ''): string =>
  `commitLog: { etcd: { members: { ${members} }, trustedNetwork: true${rest} } }`
const SPREAD = etcd("us-east: ['a:1'], eu-west: ['b:1'], ap-south: ['c:1']")

function rules(one: Config, schema?: SchemaFacts): { problems: string[]; warnings: string[] } {
  const { problems, warnings } = checkDeployment(one, schema)
  return { problems: problems.map(({ rule }) => rule), warnings: warnings.map(({ rule }) => rule) }
}

function row(one: Config, loss: string, region?: string): SurvivalRow {
  const found = checkDeployment(one).survival.find(
    (each) => each.loss === loss && (region === undefined || each.regions.includes(region)),
  )
  if (found === undefined) throw new Error(`There is no row for ${loss}.`)
  return found
}

function example(name: string): Config {
  return parseConfig(readFileSync(join(EXAMPLES, `${name}.yaml`), 'utf8'), name)
}

describe('the examples', () => {
  it.each(['embedded', 'lean', 'full'])('%s is of its size, and can work', (name) => {
    const { size, problems } = checkDeployment(example(name))
    expect({ size, problems }).toEqual({ size: name, problems: [] })
  })
})

describe('the size', () => {
  it('is lean with the log file of the leader, too', () => {
    expect(checkDeployment(config('')).size).toBe('lean')
  })

  it('is mixed where a part is missing in a region, and says which there are', () => {
    const mixed = config(`${SPREAD}\nchangeLogs: { eu-west: { brokers: ['k:1'] } }`)
    const { size, parts } = checkDeployment(mixed)
    expect(size).toBe('mixed')
    expect(parts).toContain('Kafka: eu-west')
    expect(parts).toContain('etcd: 3 members')
    expect(parts).toContain('Redis: none')
  })

  it('is mixed without nodes and with an engine', () => {
    const text = "regions: [us-east]\nstores: { us-east: { url: 'ws://127.0.0.1:1' } }"
    expect(checkDeployment(parseConfig(text, 'm.yaml')).size).toBe('mixed')
  })
})

describe('what cannot work is a problem', () => {
  const refused: [name: string, rule: string, config: () => Config, schema?: SchemaFacts][] = [
    [
      'a member of etcd that is named twice',
      'etcd-member-twice',
      () => config(etcd("us-east: ['a:1'], eu-west: ['b:1'], ap-south: ['a:1']")),
    ],
    [
      'a store of two regions',
      'store-shared',
      () => config("stores: { us-east: { url: 'wss://d' }, eu-west: { url: 'wss://d/' } }"),
    ],
    [
      'a Kafka that two regions share of which one may not have what the other has',
      'kafka-shared',
      () =>
        config(`residency: { classes: { default: [us-east, eu-west, ap-south], eu: [eu-west] } }
changeLogs:
  us-east: { brokers: ['k:1'] }
  eu-west: { brokers: ['l:1', 'k:1'] }`),
    ],
    [
      'a Redis that two such regions share',
      'redis-shared',
      () =>
        config(`residency: { classes: { default: [us-east, eu-west, ap-south], eu: [eu-west] } }
caches: { us-east: { address: 'r:1' }, eu-west: { address: 'r:1' } }`),
    ],
    [
      'a password of etcd in the clear',
      'password-in-the-clear',
      () =>
        config(
          "commitLog: { etcd: { members: { us-east: ['a:1'] }, user: u, password: { env: P } } }",
        ),
    ],
    [
      'a password of Redis in the clear',
      'password-in-the-clear',
      () => config("caches: { us-east: { address: 'r:1', password: { env: P } } }"),
    ],
    [
      'a password of Kafka in the clear',
      'password-in-the-clear',
      () =>
        config(
          "changeLogs: { us-east: { brokers: ['127.0.0.1:1', 'k:1'], sasl: { mechanism: plain, user: u, password: { env: P } } } }",
        ),
    ],
    [
      'the token of a store in the clear',
      'password-in-the-clear',
      () => config("stores: { us-east: { url: 'ws://d', token: { env: T } } }"),
    ],
    [
      'nodes on other machines that ask nobody who they are',
      'nodes-out-of-reach',
      () =>
        parseConfig(
          "regions: [us-east, eu-west]\nnodes: { us-east: { url: 'http://a' }, eu-west: { url: 'http://b' } }",
          'm.yaml',
        ),
    ],
    [
      'an engine elsewhere behind a node that asks nobody',
      'nodes-without-auth',
      () =>
        parseConfig(
          "regions: [us-east]\nnodes: { us-east: { url: 'http://127.0.0.1:1' } }\ncaches: { us-east: { address: 'r:1', trustedNetwork: true } }",
          'm.yaml',
        ),
    ],
    [
      'strong tables of tenants where no class of tenants may be everywhere',
      'strong-tables-for-nobody',
      () => config('residency: { classes: { default: [eu-west] } }'),
      { strongTenantTables: ['accounts'] },
    ],
  ]
  it.each(refused)('%s', (_name, rule, make, schema) => {
    const broken = make()
    expect(rules(broken, schema).problems).toContain(rule)
    let error: unknown
    try {
      requireWorkable(broken, schema)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(MeridianError)
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retry: 'never' })
    expect((error as MeridianError).fix).toMatch(/\w/)
  })

  it('nothing is refused of what can work', () => {
    expect(rules(config(SPREAD))).toEqual({ problems: [], warnings: [] })
    expect(() => requireWorkable(config(SPREAD))).not.toThrow()
  })

  it('the refusal of a node names the place, and how many others there are', () => {
    const twice = config(
      "stores: { us-east: { url: 'ws://d', token: { env: T } }, eu-west: { url: 'ws://e', token: { env: T } } }",
    )
    expect(() => requireWorkable(twice)).toThrow(
      /^stores\.us-east: the password of .* has 1 more\.$/,
    )
  })
})

describe('what works and is worse than it looks is a warning', () => {
  const warned: [name: string, rule: string, config: () => Config, schema?: SchemaFacts][] = [
    ['the commit log in a file', 'commit-log-in-a-file', () => config('')],
    ['one member of etcd', 'etcd-single-member', () => config(etcd("us-east: ['a:1']"))],
    [
      'two members of etcd',
      'etcd-even-members',
      () => config(etcd("us-east: ['a:1'], eu-west: ['b:1']")),
    ],
    [
      'four members of etcd',
      'etcd-even-members',
      () => config(etcd("us-east: ['a:1', 'd:1'], eu-west: ['b:1'], ap-south: ['c:1']")),
    ],
    [
      'a majority of the members in one region',
      'etcd-majority-in-one-region',
      () => config(etcd("us-east: ['a:1', 'b:1'], eu-west: ['c:1']")),
    ],
    [
      'a Kafka that regions of the same tenants share',
      'kafka-shared',
      () => config("changeLogs: { us-east: { brokers: ['k:1'] }, eu-west: { brokers: ['k:1'] } }"),
    ],
    [
      'more copies than brokers are named',
      'kafka-copies-above-brokers',
      () => config("changeLogs: { us-east: { brokers: ['k:1', 'l:1'], replicationFactor: 3 } }"),
    ],
    [
      'a password in the clear on a network that is said to be trusted',
      'password-in-the-clear',
      () =>
        config(
          "caches: { us-east: { address: 'r:1', password: { env: P }, trustedNetwork: true } }",
        ),
    ],
    [
      'an engine that asks nobody',
      'engine-without-a-lock',
      () => config("changeLogs: { us-east: { brokers: ['k:1'] } }"),
    ],
    [
      'nodes without TLS',
      'nodes-in-the-clear',
      () => config('', ['http://us', 'http://eu', 'http://ap']),
    ],
    [
      'a class of tenants that may have no strong rows',
      'strong-tables-bound',
      () =>
        config('residency: { classes: { default: [us-east, eu-west, ap-south], eu: [eu-west] } }'),
    ],
    ['development keys', 'development-keys', () => config('keys: { kind: development }')],
  ]
  it.each(warned)('%s', (_name, rule, make, schema) => {
    expect(rules(make(), schema)).toMatchObject({
      problems: [],
      warnings: expect.arrayContaining([rule]) as string[],
    })
  })

  it('a client certificate is as good as a password', () => {
    const certified = config(
      "caches: { us-east: { address: 'r:1', tls: { certificate: c.pem, key: { file: k.pem } } } }",
    )
    expect(rules(certified).warnings).not.toContain('engine-without-a-lock')
  })

  it('what is on this machine needs neither password nor TLS', () => {
    const local = config(
      "caches: { us-east: { address: '127.0.0.1:1', password: { env: P } } }\nchangeLogs: { us-east: { brokers: ['localhost:1', '[::1]:2'] } }",
    )
    expect(rules(local)).toEqual({ problems: [], warnings: ['commit-log-in-a-file'] })
  })

  it('bound tenants are no matter where a schema has no strong tables of tenants', () => {
    const bound = config('residency: { classes: { default: [eu-west] } }')
    const { problems, warnings } = rules(bound, { strongTenantTables: [] })
    expect([...problems, ...warnings]).toEqual(['commit-log-in-a-file'])
  })
})

describe('what a deployment survives', () => {
  it('etcd in three regions outlives any member and any region', () => {
    const spread = config(SPREAD)
    expect(row(spread, 'a member of etcd')).toMatchObject({ strong: 'kept', writes: 'go on' })
    expect(row(spread, 'a region, for good')).toMatchObject({
      regions: ['us-east', 'eu-west', 'ap-south'],
      strong: 'kept',
      pinned: 'unsent lost',
      writes: 'stop there',
    })
  })

  it('etcd with its majority in one region does not outlive that one', () => {
    const lopsided = config(etcd("us-east: ['a:1', 'b:1'], eu-west: ['c:1']"))
    expect(row(lopsided, 'a member of etcd').writes).toBe('go on')
    expect(row(lopsided, 'a region, for good', 'us-east')).toMatchObject({
      strong: 'unsent lost',
      writes: 'stop there, strong stop',
    })
    expect(row(lopsided, 'a region, for good', 'eu-west')).toMatchObject({
      strong: 'kept',
      writes: 'stop there',
    })
  })

  it('two members outlive none', () => {
    const two = config(etcd("us-east: ['a:1'], eu-west: ['b:1']"))
    expect(row(two, 'a member of etcd')).toMatchObject({ strong: 'kept', writes: 'strong stop' })
  })

  it('the log file of the leader stops strong writes everywhere with its node, and is lost with its disk', () => {
    const file = config('commitLog: { leader: eu-west }')
    expect(row(file, 'a node', 'eu-west').writes).toBe('stop there, strong stop')
    expect(row(file, 'a node', 'us-east').writes).toBe('stop there')
    const machine = 'the machine with the rows, its disk too'
    expect(row(file, machine, 'eu-west').strong).toBe('unsent lost')
    expect(row(file, machine, 'us-east').strong).toBe('kept')
  })

  it('a region of several nodes outlives one of them, and without etcd stops as a whole', () => {
    const full = example('full')
    expect(row(full, 'a node')).toMatchObject({ reads: 'go on', writes: 'go on' })
    const single: Config = {
      ...full,
      commitLog: {
        ...full.commitLog,
        etcd: { members: { 'us-east': ['a:1'] }, maxRetainedRecords: 1 },
      },
    }
    expect(row(single, 'a member of etcd')).toMatchObject({ reads: 'stop', writes: 'stop' })
    expect(row(single, 'a region, for good', 'us-east').writes).toBe('stop')
  })

  it('Kafka and Redis hold no acknowledged write back, and lose none', () => {
    const engines = config(
      `${SPREAD}
changeLogs: { us-east: { brokers: ['k:1'] }, eu-west: { brokers: ['l:1', 'm:1', 'n:1'], replicationFactor: 3 } }
caches: { us-east: { address: 'r:1' } }`,
    )
    const kept = { strong: 'kept', pinned: 'kept', eventual: 'kept', writes: 'go on' }
    expect(row(engines, 'a Kafka broker', 'us-east')).toMatchObject({
      ...kept,
      reads: 'views wait there',
    })
    expect(row(engines, 'a Kafka broker', 'eu-west')).toMatchObject({ ...kept, reads: 'go on' })
    expect(row(engines, 'Redis')).toMatchObject({
      ...kept,
      regions: ['us-east'],
      reads: 'go on, slower',
    })
  })

  it('a power cut loses nothing of files, and of servers what these have not forced', () => {
    expect(row(config(SPREAD), 'power, everywhere')).toMatchObject({
      strong: 'kept',
      pinned: 'kept',
    })
    const servers = config(`${SPREAD}\nstores: { us-east: { url: 'wss://d' } }`)
    expect(row(servers, 'power, everywhere')).toMatchObject({
      strong: 'kept',
      pinned: 'kept if forced',
      eventual: 'kept if forced',
    })
    // The log drops what every region has applied, forced or not.
    expect(row(example('full'), 'power, everywhere').strong).toBe('kept if forced')
  })

  it('one machine for everything keeps nothing without its disk', () => {
    const together = config('', ['https://one', 'https://one', 'https://one'])
    const table = checkDeployment(together).survival
    expect(table.map(({ loss }) => loss)).not.toContain('a region, for good')
    expect(row(together, 'the machine with the rows, its disk too')).toMatchObject({
      strong: 'lost',
      pinned: 'lost',
      writes: 'stop',
    })
    expect(row(example('embedded'), 'the machine, its disk too').eventual).toBe('lost')
  })
})
