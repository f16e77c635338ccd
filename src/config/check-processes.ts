/** Checks the sections that speak of processes: what a shape alone cannot say. */
import { requireRegion } from './check-regions.ts'
import type { ConfigSource } from './config-source.ts'
import type { ConfigFile } from './config-schema.ts'
import type { AuthConfig, NodeConfig, StoreConfig, TlsConfig } from './process-sections.ts'

/** The sections, with nothing left out. */
export interface ProcessSections {
  readonly schema: string | null
  readonly nodes: Readonly<Record<string, NodeConfig>>
  readonly stores: Readonly<Record<string, StoreConfig>>
  readonly auth: AuthConfig | null
  readonly tls: TlsConfig | null
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
  checkNodeKeys(source, raw.regions, nodes, raw.auth)
  checkTls(source, nodes, raw.tls)
  return {
    schema: raw.schema ?? null,
    nodes,
    stores,
    auth: raw.auth ?? null,
    tls: raw.tls ?? null,
  }
}

/** Nodes in different processes that ask callers who they are must know each other. */
function checkNodeKeys(
  source: ConfigSource,
  regions: readonly string[],
  nodes: Readonly<Record<string, NodeConfig>>,
  auth: AuthConfig | undefined,
): void {
  const urls = new Set(Object.values(nodes).map((node) => node.url))
  if (auth === undefined || urls.size < 2) return
  if (auth.nodeKey === undefined) {
    const fix = 'Add `nodeKey: { env: MERIDIAN_NODE_KEY }`; `meridian keygen` makes one.'
    throw source.invalid(['auth'], 'the key of the node itself is missing', fix)
  }
  const keyless = regions.find((region) => nodes[region]?.publicKey === undefined)
  if (keyless !== undefined) {
    const fix = 'Add the `publicKey` that `meridian keygen` prints.'
    throw source.invalid(['nodes', keyless], 'the public key is missing', fix)
  }
  checkOwnKeys(source, regions, nodes)
}

/** Who has the key of a region may do what the region may: no process has another's. */
function checkOwnKeys(
  source: ConfigSource,
  regions: readonly string[],
  nodes: Readonly<Record<string, NodeConfig>>,
): void {
  const urls = new Map<string, string>()
  for (const region of regions) {
    const { url = '', publicKey = '' } = nodes[region] ?? {}
    const known = urls.get(publicKey)
    urls.set(publicKey, url)
    if (known === undefined || known === url) continue
    const fix = 'Give every process a key of its own: `meridian keygen` makes one.'
    throw source.invalid(['nodes', region, 'publicKey'], 'is the key of another process', fix)
  }
}

/** A URL says whether its node speaks TLS, and the section whether it can. */
function checkTls(
  source: ConfigSource,
  nodes: Readonly<Record<string, NodeConfig>>,
  tls: TlsConfig | undefined,
): void {
  for (const [region, { url }] of Object.entries(nodes)) {
    if (tls === undefined || !url.startsWith('http:')) continue
    const fix = 'Write it with https://, or leave `tls` out.'
    throw source.invalid(['nodes', region, 'url'], 'is plain HTTP although `tls` is set', fix)
  }
}
