/** Rules about who may listen and who may call: passwords in the clear, engines and nodes without locks. */
import { hostOfAddress, hostOfUrl, isLoopbackHost } from './addresses.ts'
import type { Config } from './parse-config.ts'
import type { EngineTls } from './engine-sections.ts'
import type { ConfigPath } from './config-source.ts'
import type { Finding, Findings } from './findings.ts'

/** An engine, as far as secrecy goes. */
interface Engine {
  readonly name: string
  readonly path: ConfigPath
  /** Those that are other machines. */
  readonly away: readonly string[]
  readonly hasPassword: boolean
  readonly isEncrypted: boolean
  readonly isTrusted: boolean
  /** How it is told who calls. */
  readonly lock: string
}

/** Looks at every connection that leaves this machine. */
export function checkSecrecy(config: Config): Findings {
  const engines = [...etcdOf(config), ...storesOf(config), ...kafkasOf(config), ...redisOf(config)]
  const away = engines.filter((engine) => engine.away.length > 0)
  const clear = away.filter((engine) => engine.hasPassword && !engine.isEncrypted)
  return {
    problems: [
      ...clear.filter((engine) => !engine.isTrusted).map(inTheClear),
      ...openNodes(config, away),
    ],
    warnings: [
      ...clear.filter((engine) => engine.isTrusted).map(inTheClear),
      ...away.filter((engine) => !engine.hasPassword && !engine.isTrusted).map(open),
      ...plainNodes(config),
    ],
  }
}

function inTheClear({ name, path, away, isTrusted }: Engine): Finding {
  return {
    rule: 'password-in-the-clear',
    path,
    problem: `the password of ${name} crosses the network to ${away[0]} in the clear`,
    fix: isTrusted
      ? 'Add `tls`, unless nobody else can listen on that network.'
      : 'Add `tls`; or `trustedNetwork: true`, where nobody else can listen.',
  }
}

function open({ name, path, away, lock }: Engine): Finding {
  return {
    rule: 'engine-without-a-lock',
    path,
    problem: `whoever reaches ${name} at ${away[0]} may read and write it`,
    fix: `Add ${lock}; or \`trustedNetwork: true\`, where nobody else can reach it.`,
  }
}

/** Nodes that ask nobody serve their own machine alone. */
function openNodes(config: Config, away: readonly Engine[]): readonly Finding[] {
  if (config.auth !== null || Object.keys(config.nodes).length === 0) return []
  const urls = Object.entries(config.nodes).flatMap(([region, nodes]) =>
    nodes.map(({ url }, i) => ({ region, url, i })),
  )
  const processes = new Set(urls.map(({ url }) => url)).size
  const unreachable = urls.find(({ url }) => !isLoopbackHost(hostOfUrl(url)))
  if (unreachable !== undefined && processes > 1) {
    const { region, url, i } = unreachable
    return [
      {
        rule: 'nodes-out-of-reach',
        path: ['nodes', region, i, 'url'],
        problem: `${url} is another machine, and without \`auth\` a node listens on its own machine only`,
        fix: 'Add `auth`.',
      },
    ]
  }
  const [engine] = away
  if (engine === undefined) return []
  return [
    {
      rule: 'nodes-without-auth',
      path: ['nodes'],
      problem: `whoever uses a node's machine may do everything with ${engine.name} at ${engine.away[0]}`,
      fix: 'Add `auth`.',
    },
  ]
}

/** Tokens of clients and nodes are as good as passwords while they last. */
function plainNodes({ auth, nodes }: Config): readonly Finding[] {
  if (auth === null) return []
  const plain = Object.entries(nodes).flatMap(([region, list]) =>
    list
      .map(({ url }, i) => ({ path: ['nodes', region, i, 'url'], url }))
      .filter(({ url }) => url.startsWith('http:') && !isLoopbackHost(hostOfUrl(url))),
  )
  const [first] = plain
  if (first === undefined) return []
  return [
    {
      rule: 'nodes-in-the-clear',
      path: first.path,
      problem: `tokens and rows cross the network to ${first.url} in the clear`,
      fix: 'Add `tls` and write https://, unless what is between encrypts by itself.',
    },
  ]
}

interface Secrets {
  readonly password?: unknown
  readonly tls?: EngineTls | undefined
  readonly trustedNetwork?: boolean | undefined
}

function engine(
  name: string,
  path: ConfigPath,
  addresses: readonly string[],
  secrets: Secrets,
  lock: string,
): Engine {
  return {
    name,
    path,
    away: addresses.filter((address) => !isLoopbackHost(hostOfAddress(address))),
    // A client certificate is a lock as well, and never in the clear.
    hasPassword: secrets.password !== undefined || secrets.tls?.certificate !== undefined,
    isEncrypted: secrets.tls !== undefined,
    isTrusted: secrets.trustedNetwork === true,
    lock,
  }
}

function etcdOf({ commitLog: { etcd } }: Config): readonly Engine[] {
  if (etcd === null) return []
  const addresses = Object.values(etcd.members).flat()
  return [engine('etcd', ['commitLog', 'etcd'], addresses, etcd, '`user` and `password`')]
}

function kafkasOf({ changeLogs }: Config): readonly Engine[] {
  return Object.entries(changeLogs).map(([region, kafka]) =>
    engine(
      `Kafka of ${region}`,
      ['changeLogs', region],
      kafka.brokers,
      { ...kafka, password: kafka.sasl?.password },
      '`sasl`',
    ),
  )
}

function redisOf({ caches }: Config): readonly Engine[] {
  return Object.entries(caches).map(([region, redis]) => {
    const { address, sentinels, cluster } = redis
    const addresses = address === undefined ? (sentinels?.addresses ?? cluster ?? []) : [address]
    return engine(`Redis of ${region}`, ['caches', region], addresses, redis, '`password`')
  })
}

function storesOf({ stores }: Config): readonly Engine[] {
  return Object.entries(stores).map(([region, { url, token, trustedNetwork }]) => {
    const { protocol, hostname, host } = new URL(url)
    return {
      name: `the store of ${region}`,
      path: ['stores', region],
      away: isLoopbackHost(hostname) ? [] : [host],
      hasPassword: token !== undefined,
      isEncrypted: !['http:', 'ws:'].includes(protocol),
      isTrusted: trustedNetwork === true,
      lock: '`token`',
    }
  })
}
