/** Checks the sections that speak of processes: what a shape alone cannot say. */
import { requireRegion } from './check-regions.ts'
import type { ConfigPath, ConfigSource } from './config-source.ts'
import type { ConfigFile } from './config-schema.ts'
import type { AuthConfig, NodeConfig, StoreConfig, TlsConfig } from './process-sections.ts'

/** The sections, with nothing left out. */
export interface ProcessSections {
  readonly schema: string | null
  readonly nodes: Readonly<Record<string, readonly NodeConfig[]>>
  readonly stores: Readonly<Record<string, StoreConfig>>
  readonly auth: AuthConfig | null
  readonly tls: TlsConfig | null
}

/** A node, and where the file speaks of it. */
interface NamedNode {
  readonly region: string
  readonly node: NodeConfig
  readonly path: ConfigPath
}

/** @throws MeridianError `CONFIG_INVALID` */
export function checkProcesses(source: ConfigSource, raw: ConfigFile): ProcessSections {
  const nodes = raw.nodes ?? {}
  const stores = raw.stores ?? {}
  for (const region of Object.keys(nodes)) {
    requireRegion(source, ['nodes', region], raw.regions, region)
  }
  for (const region of Object.keys(stores)) {
    requireRegion(source, ['stores', region], raw.regions, region)
  }
  if (raw.nodes !== undefined) {
    const missing = raw.regions.find((region) => nodes[region] === undefined)
    if (missing !== undefined) {
      const fix = `Add \`${missing}: { url: http://HOST:PORT }\`, or leave \`nodes\` out.`
      throw source.invalid(['nodes'], `region '${missing}' has no node`, fix)
    }
  }
  const named = namedNodes(nodes)
  checkNodeKeys(source, named, raw.auth)
  checkTls(source, named, raw.tls)
  for (const [region, given] of Object.entries(nodes)) {
    if (Array.isArray(given) && given.length > 1) checkSeveral(source, raw, region, given)
  }
  return {
    schema: raw.schema ?? null,
    nodes: Object.fromEntries(
      Object.entries(nodes).map(([region, given]) => [region, [given].flat()]),
    ),
    stores,
    auth: raw.auth ?? null,
    tls: raw.tls ?? null,
  }
}

function namedNodes(nodes: NonNullable<ConfigFile['nodes']>): readonly NamedNode[] {
  return Object.entries(nodes).flatMap(([region, given]) =>
    Array.isArray(given)
      ? given.map((node, i) => ({ region, node, path: ['nodes', region, i] }))
      : [{ region, node: given, path: ['nodes', region] }],
  )
}

/**
 * What one node of a region leaves behind, the next one takes over: nothing of it may lie in a file
 * of the first one's machine.
 */
function checkSeveral(
  source: ConfigSource,
  raw: ConfigFile,
  region: string,
  nodes: readonly NodeConfig[],
): void {
  const path = ['nodes', region]
  const twice = nodes.findIndex(({ url }, i) => nodes.findIndex((one) => one.url === url) !== i)
  if (twice >= 0) {
    throw source.invalid([...path, twice, 'url'], 'is the URL of another node', 'Leave it out.')
  }
  const needed: readonly (readonly [unknown, string, string])[] = [
    [raw.commitLog.etcd, '`commitLog.etcd`', 'elects the one that writes'],
    [raw.stores?.[region], `\`stores.${region}\``, 'holds the rows for all of them'],
    [raw.changeLogs?.[region], `\`changeLogs.${region}\``, 'holds the changes for all of them'],
  ]
  const missing = needed.find(([section]) => section === undefined)
  if (missing === undefined) return
  const [, section, purpose] = missing
  const fix = `Add ${section}, or leave one node.`
  throw source.invalid(path, `several nodes need ${section}, which ${purpose}`, fix)
}

/** Nodes in different processes that ask callers who they are must know each other. */
function checkNodeKeys(
  source: ConfigSource,
  nodes: readonly NamedNode[],
  auth: AuthConfig | undefined,
): void {
  const urls = new Set(nodes.map(({ node }) => node.url))
  if (auth === undefined || urls.size < 2) return
  if (auth.nodeKey === undefined) {
    const fix = 'Add `nodeKey: { env: MERIDIAN_NODE_KEY }`; `meridian keygen` makes one.'
    throw source.invalid(['auth'], 'the key of the node itself is missing', fix)
  }
  const keyless = nodes.find(({ node }) => node.publicKey === undefined)
  if (keyless !== undefined) {
    const fix = 'Add the `publicKey` that `meridian keygen` prints.'
    throw source.invalid(keyless.path, 'the public key is missing', fix)
  }
  checkOwnKeys(source, nodes)
}

/** Who has the key of a region may do what the region may: no process has another's. */
function checkOwnKeys(source: ConfigSource, nodes: readonly NamedNode[]): void {
  const urls = new Map<string, string>()
  for (const { node, path } of nodes) {
    const { url, publicKey = '' } = node
    const known = urls.get(publicKey)
    urls.set(publicKey, url)
    if (known === undefined || known === url) continue
    const fix = 'Give every process a key of its own: `meridian keygen` makes one.'
    throw source.invalid([...path, 'publicKey'], 'is the key of another process', fix)
  }
}

/** A URL says whether its node speaks TLS, and the section whether it can. */
function checkTls(
  source: ConfigSource,
  nodes: readonly NamedNode[],
  tls: TlsConfig | undefined,
): void {
  for (const { node, path } of nodes) {
    if (tls === undefined || !node.url.startsWith('http:')) continue
    const fix = 'Write it with https://, or leave `tls` out.'
    throw source.invalid([...path, 'url'], 'is plain HTTP although `tls` is set', fix)
  }
}
