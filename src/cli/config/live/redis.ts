/** Asks the Redis of a region: its version, and what it does when its memory is full. */
import { Cluster, Redis } from 'ioredis'
import type { RedisConfig } from '../../../config/engine-sections.ts'
import { redisSettings, type RedisSettings } from '../../../node/engine-settings.ts'
import type { SecretSources } from '../../../node/secrets.ts'
import { probe, PROBE_TIMEOUT_MS, type Answer, type Probe } from './probe.ts'

/** Asks the one that answers for the region. */
export async function probeRedis(
  region: string,
  config: RedisConfig,
  sources: SecretSources,
): Promise<Probe> {
  const { address, sentinels, cluster } = config
  const shown = address ?? (sentinels?.addresses ?? cluster ?? []).join(', ')
  return probe(`Redis of ${region}`, shown, async () =>
    ask(await redisSettings(config, region, sources)),
  )
}

async function ask(settings: RedisSettings): Promise<Answer> {
  const client = connect(settings)
  // Why a connection failed is told to listeners alone: who waits hears only that it is closed.
  let reason: unknown
  client.on('error', (error: unknown) => {
    reason ??= error
  })
  try {
    await client.connect()
    return judge(await client.info(), settings.cluster !== undefined)
  } catch (error) {
    throw reason ?? error
  } finally {
    client.disconnect()
  }
}

function connect({
  address,
  sentinels,
  cluster,
  user,
  password,
  tls,
}: RedisSettings): Redis | Cluster {
  const secure = {
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
  }
  const options = {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: PROBE_TIMEOUT_MS / 2,
    commandTimeout: PROBE_TIMEOUT_MS / 2,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: secure }),
  }
  if (cluster !== undefined) {
    return new Cluster(cluster.map(hostAndPort), {
      lazyConnect: true,
      clusterRetryStrategy: () => null,
      // Certificates are checked against names, not against what they resolve to.
      ...(tls === undefined ? {} : { dnsLookup: (host, found) => found(null, host) }),
      redisOptions: options,
    })
  }
  if (sentinels !== undefined) {
    return new Redis({
      ...options,
      sentinels: sentinels.addresses.map(hostAndPort),
      name: sentinels.name,
      ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: secure }),
      sentinelRetryStrategy: () => null,
    })
  }
  return new Redis({ ...options, ...hostAndPort(address ?? '') })
}

function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
}

function judge(info: string, isCluster: boolean): Answer {
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const policy = value('maxmemory_policy') ?? 'unknown'
  const limit = Number(value('maxmemory') ?? 0)
  const mode = isCluster ? 'cluster' : (value('redis_mode') ?? 'standalone')
  const bound = limit === 0 ? 'no limit of memory' : `${Math.round(limit / 1024 / 1024)} MiB`
  return {
    says: `Redis ${value('redis_version') ?? '?'}, ${mode}, ${bound}, ${policy}`,
    warnings: [
      ...policyWarnings(policy, limit),
      ...(limit === 0 ? ['maxmemory is not set: it may take all memory of its machine'] : []),
      ...(value('role') === 'slave' ? ['it is a replica and takes no writes'] : []),
    ],
  }
}

/** What expires may be evicted, and nothing else: the heads of the cache never expire. */
function policyWarnings(policy: string, limit: number): readonly string[] {
  if (policy.startsWith('volatile-')) return []
  // Without a limit it never comes to that.
  if (policy === 'noeviction' && limit === 0) return []
  const outcome =
    policy === 'noeviction'
      ? 'once it is full it takes no changes, and is read no more until entries have expired'
      : 'it may drop all that the cache knows at once'
  return [`maxmemory-policy is ${policy}: ${outcome}; use volatile-lru`]
}
