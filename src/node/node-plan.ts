/** What one process serves: which regions, at which address, and whether the commit log is its own. */
import type { Config } from '../config/parse-config.ts'
import { MeridianError } from '../core/errors.ts'

/** The part of a deployment that a process takes. */
export interface NodePlan {
  /** The regions whose nodes have the same URL: this process serves them all. */
  readonly regions: readonly string[]
  /** How others reach it. */
  readonly url: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Whether it keeps the file of the commit log and serves it to the other regions. */
  readonly keepsCommitLog: boolean
  /** Whether no other process belongs to the deployment. */
  readonly isAlone: boolean
  /** Whether callers are not asked who they are, so that only this machine may call. */
  readonly isLoopbackOnly: boolean
}

const DEFAULT_LISTEN_HOST = '0.0.0.0'
const LOOPBACK = '127.0.0.1'

/**
 * Plans the process that serves `named` and every region that shares their URL.
 *
 * @throws MeridianError `CONFIG_INVALID` without `nodes`; `REGION_UNKNOWN`; `INVALID_ARGUMENT` when
 * the named regions are nodes of different processes
 */
export function planNode(config: Config, named: readonly string[]): NodePlan {
  const urls = new Set(named.map((region) => nodeOf(config, region).url))
  const [url] = urls
  if (url === undefined || urls.size > 1) {
    const which = named.length === 0 ? 'No region is named' : 'The regions have different URLs'
    throw new MeridianError('INVALID_ARGUMENT', `${which}: a process serves one URL.`, {
      fix: 'Start a process for each URL in `nodes`.',
    })
  }
  const regions = config.regions.filter((region) => config.nodes[region]?.url === url)
  const isLoopbackOnly = config.auth === null
  return {
    regions,
    url,
    listen: listenAddress(config, regions, url, isLoopbackOnly),
    keepsCommitLog: regions.includes(config.commitLog.leader),
    isAlone: regions.length === config.regions.length,
    isLoopbackOnly,
  }
}

/** Whether a host name or address is this machine's own. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare)
}

function nodeOf(config: Config, region: string): Config['nodes'][string] {
  const node = config.nodes[region]
  if (node !== undefined) return node
  if (!config.regions.includes(region)) {
    throw new MeridianError('REGION_UNKNOWN', `There is no region ${JSON.stringify(region)}.`, {
      fix: `There are: ${config.regions.join(', ')}.`,
    })
  }
  throw new MeridianError('CONFIG_INVALID', 'The configuration has no section `nodes`.', {
    fix: 'Give every region its node: `nodes: { REGION: { url: http://HOST:PORT } }`.',
  })
}

function listenAddress(
  config: Config,
  regions: readonly string[],
  url: string,
  isLoopbackOnly: boolean,
): NodePlan['listen'] {
  const listens = new Set(
    regions.flatMap((region) => config.nodes[region]?.listen ?? []).map((text) => text.trim()),
  )
  if (listens.size > 1) {
    throw new MeridianError('CONFIG_INVALID', `Regions of ${url} have different \`listen\`s.`, {
      fix: 'Give one of them, or all the same.',
    })
  }
  const [listen] = listens
  const wanted = listen === undefined ? addressOfUrl(url) : splitAddress(listen)
  if (!isLoopbackOnly || isLoopbackHost(wanted.host)) return wanted
  return { ...wanted, host: LOOPBACK }
}

function addressOfUrl(url: string): NodePlan['listen'] {
  const { hostname, port, protocol } = new URL(url)
  const host = isLoopbackHost(hostname) ? bareHost(hostname) : DEFAULT_LISTEN_HOST
  return { host, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) }
}

function splitAddress(address: string): NodePlan['listen'] {
  const at = address.lastIndexOf(':')
  return { host: bareHost(address.slice(0, at)), port: Number(address.slice(at + 1)) }
}

function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
