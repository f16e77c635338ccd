/** Asks every engine that a configuration names. */
import type { Config } from '../../../config/parse-config.ts'
import type { SecretSources } from '../../../node/secrets.ts'
import { probeEtcd } from './etcd.ts'
import { probeKafka } from './kafka.ts'
import type { Probe } from './probe.ts'
import { probeRedis } from './redis.ts'
import { probeStore } from './store.ts'

/** All at once; the answers in the order of the configuration. */
export async function probeAll(config: Config, sources: SecretSources): Promise<readonly Probe[]> {
  const { etcd } = config.commitLog
  const all = await Promise.all([
    etcd === null ? [] : probeEtcd(config, etcd, sources),
    ...Object.entries(config.stores).map(([region, store]) => probeStore(region, store, sources)),
    ...Object.entries(config.changeLogs).map(([region, kafka]) =>
      probeKafka(region, kafka, sources),
    ),
    ...Object.entries(config.caches).map(([region, redis]) => probeRedis(region, redis, sources)),
  ])
  return all.flat()
}
