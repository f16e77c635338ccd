/** What one process serves: which regions, at which address, and whether the commit log is its own. */
import { isLoopbackHost } from '../config/addresses.ts'
import type { Config } from '../config/parse-config.ts'
import type { NodeConfig } from '../config/process-sections.ts'
import { MeridianError } from '../core/errors.ts'

/** The part of a deployment that a process takes. */
export interface NodePlan {
  /** The regions that have a node of the same URL: this process serves them all. */
  readonly regions: readonly string[]
  /** Those of them that have other nodes, too: one node at a time holds such a region. */
  readonly shared: readonly string[]
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
 * Plans the process that serves `named` and every region that shares their URL. `node` is the URL,
 * which must be given where a region has several.
 *
 * @throws MeridianError `CONFIG_INVALID` without `nodes`; `REGION_UNKNOWN`; `INVALID_ARGUMENT` when
 * the named regions have no node in common, or several
 */
export function planNode(config: Config, named: readonly string[], node?: string): NodePlan {
  const url = urlOf(config, named, node)
  const regions = config.regions.filter((region) => nodeAt(config, region, url) !== undefined)
  const isLoopbackOnly = config.auth === null
  const everyNode = Object.values(config.nodes).flat()
  return {
    regions,
    shared: regions.filter((region) => (config.nodes[region]?.length ?? 0) > 1),
    url,
    listen: listenAddress(config, regions, url, isLoopbackOnly),
    keepsCommitLog: regions.includes(config.commitLog.leader),
    isAlone: everyNode.every((one) => one.url === url),
    isLoopbackOnly,
  }
}

/** The URL that all named regions have a node at. */
function urlOf(config: Config, named: readonly string[], node: string | undefined): string {
  const [first = [], ...others] = named.map((region) =>
    nodesOf(config, region).map((one) => one.url),
  )
  const common = first.filter((url) => others.every((urls) => urls.includes(url)))
  const [url] = common
  if (url === undefined) {
    const which = named.length === 0 ? 'No region is named' : 'The regions have different URLs'
    throw new MeridianError('INVALID_ARGUMENT', `${which}: a process serves one URL.`, {
      fix: 'Start a process for each URL in `nodes`.',
    })
  }
  if (node === undefined && common.length === 1) return url
  const wanted = common.find((one) => node !== undefined && isSameUrl(one, node))
  if (wanted !== undefined) return wanted
  const problem = node === undefined ? 'has several nodes' : `has no node at ${shown(node)}`
  throw new MeridianError('INVALID_ARGUMENT', `${named.join(', ')} ${problem}.`, {
    fix: `Say which one this process is: --node URL, one of ${common.join(', ')}.`,
  })
}

function isSameUrl(a: string, b: string): boolean {
  return URL.canParse(a) && URL.canParse(b) && new URL(a).href === new URL(b).href
}

/** Without what a URL might say of secrets. */
function shown(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined ? 'what is no URL' : `${url.origin}${url.pathname}`
}

function nodeAt(config: Config, region: string, url: string): NodeConfig | undefined {
  return config.nodes[region]?.find((node) => node.url === url)
}

function nodesOf(config: Config, region: string): readonly NodeConfig[] {
  const nodes = config.nodes[region]
  if (nodes !== undefined) return nodes
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
    regions
      .flatMap((region) => nodeAt(config, region, url)?.listen ?? [])
      .map((text) => text.trim()),
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
