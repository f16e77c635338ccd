/** What engines are reached with: the configuration's sections with their references followed. */
import type { EngineTls, EtcdConfig, KafkaConfig, RedisConfig } from '../config/engine-sections.ts'
import type { Config } from '../config/parse-config.ts'
import type { SecretRef } from '../config/process-sections.ts'
import { readNamedFile, readSecret, type SecretSources } from './secrets.ts'

/** PEM texts; without any of them the system's authorities are believed. */
export interface ResolvedTls {
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
}

/** Who this client says that it is. */
export interface ResolvedUser {
  readonly user: string
  readonly password: string
}

/** The etcd cluster as a region reaches it. */
export interface EtcdSettings extends Partial<ResolvedUser> {
  /** `host:port`, the region's own members first. */
  readonly endpoints: readonly string[]
  readonly tls?: ResolvedTls
}

/** The Kafka of a region. */
export interface KafkaSettings {
  readonly brokers: readonly string[]
  readonly sasl?: ResolvedUser & { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' }
  readonly tls?: ResolvedTls
}

/** The Redis of a region. */
export interface RedisSettings extends Pick<RedisConfig, 'address' | 'sentinels' | 'cluster'> {
  readonly user?: string
  readonly password?: string
  readonly tls?: ResolvedTls
}

/** @throws MeridianError `CONFIG_INVALID` where a secret or a file is missing */
export async function etcdSettings(
  etcd: EtcdConfig,
  config: Pick<Config, 'regions'>,
  region: string,
  sources: SecretSources,
): Promise<EtcdSettings> {
  const what = 'commitLog.etcd'
  const others = config.regions.filter((other) => other !== region)
  const { user, tls } = etcd
  const password = await optionalSecret(etcd.password, `${what}.password`, sources)
  return {
    endpoints: [region, ...others].flatMap((one) => etcd.members[one] ?? []),
    ...(user === undefined || password === undefined ? {} : { user, password }),
    ...(await tlsOf(tls, what, sources)),
  }
}

/** @throws MeridianError `CONFIG_INVALID` where a secret or a file is missing */
export async function kafkaSettings(
  kafka: KafkaConfig,
  region: string,
  sources: SecretSources,
): Promise<KafkaSettings> {
  const what = `changeLogs.${region}`
  const { brokers, sasl, tls } = kafka
  return {
    brokers,
    ...(sasl === undefined
      ? {}
      : {
          sasl: {
            mechanism: sasl.mechanism,
            user: sasl.user,
            password: await readSecret(sasl.password, `${what}.sasl.password`, sources),
          },
        }),
    ...(await tlsOf(tls, what, sources)),
  }
}

/** @throws MeridianError `CONFIG_INVALID` where a secret or a file is missing */
export async function redisSettings(
  redis: RedisConfig,
  region: string,
  sources: SecretSources,
): Promise<RedisSettings> {
  const what = `caches.${region}`
  const { address, sentinels, cluster, user } = redis
  const password = await optionalSecret(redis.password, `${what}.password`, sources)
  return {
    ...(address === undefined ? {} : { address }),
    ...(sentinels === undefined ? {} : { sentinels }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(await tlsOf(redis.tls, what, sources)),
  }
}

async function tlsOf(
  tls: EngineTls | undefined,
  what: string,
  sources: SecretSources,
): Promise<{ readonly tls?: ResolvedTls }> {
  if (tls === undefined) return {}
  const { ca, certificate, key } = tls
  const file = (name: string, path: string): Promise<string> =>
    readNamedFile(`${what}.tls.${name}`, path, sources)
  const keyText = await optionalSecret(key, `${what}.tls.key`, sources)
  return {
    tls: {
      ...(ca === undefined ? {} : { ca: await file('ca', ca) }),
      ...(certificate === undefined ? {} : { certificate: await file('certificate', certificate) }),
      ...(keyText === undefined ? {} : { key: keyText }),
    },
  }
}

async function optionalSecret(
  ref: SecretRef | undefined,
  what: string,
  sources: SecretSources,
): Promise<string | undefined> {
  return ref === undefined ? undefined : readSecret(ref, what, sources)
}
