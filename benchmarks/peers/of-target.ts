/** The raw engines of a deployment under measurement, as peers. */
import { MeridianError } from '../../src/core/errors.ts'
import type { BenchTarget, RawEngines } from '../target/target.ts'
import type { BenchSchema } from '../workloads/schema.ts'
import { openEtcdPeer, type EtcdPeer, type EtcdPeerOptions } from './etcd.ts'
import { openHttpPeer, type HttpPeer } from './http-server.ts'
import { openKafkaPeer, type KafkaPeer } from './kafka.ts'
import { openLibsqlPeer, type LibsqlPeer } from './libsql.ts'
import { openRedisPeer, type RedisPeer } from './redis.ts'

type Target = BenchTarget<BenchSchema>

/** @throws MeridianError as `openEtcdPeer`; `CONFIG_INVALID` where the deployment has no etcd */
export async function etcdOf(
  target: Target,
  options: Pick<EtcdPeerOptions, 'payloadBytes'> = {},
): Promise<EtcdPeer> {
  const { topology, leader } = target
  return openEtcdPeer({ ...options, topology, leader, addresses: addressesOf(target, 'etcd') })
}

/** @throws MeridianError as `openKafkaPeer`; `CONFIG_INVALID` where the deployment has no Kafka */
export async function kafkaOf(target: Target): Promise<KafkaPeer> {
  return openKafkaPeer({ addresses: addressesOf(target, 'kafka') })
}

/** @throws MeridianError as `openRedisPeer`; `CONFIG_INVALID` where the deployment has no Redis */
export async function redisOf(target: Target): Promise<RedisPeer> {
  return openRedisPeer({ addresses: addressesOf(target, 'redis') })
}

/** On the disk of the deployment, in the leader's region. @throws MeridianError as `openLibsqlPeer` */
export function libsqlOf(target: Target): Promise<LibsqlPeer> {
  return openLibsqlPeer({ directory: target.directory, region: target.leader })
}

/** On the disk of the deployment, in the leader's region. @throws MeridianError as `openHttpPeer` */
export function httpServerOf(target: Target): Promise<HttpPeer> {
  return openHttpPeer({ directory: target.directory, region: target.leader })
}

/** Where each region's own is. */
function addressesOf(target: Target, engine: keyof RawEngines): ReadonlyMap<string, string> {
  const addresses = new Map<string, string>()
  for (const region of target.topology.regions) {
    const address = target.raw(region)?.[engine]
    if (address !== undefined) addresses.set(region, address)
  }
  if (addresses.size > 0) return addresses
  throw new MeridianError('CONFIG_INVALID', `This deployment has no ${engine} of its own.`, {
    fix: 'Measure one with real engines: `--engines real`.',
    details: { engine },
  })
}
