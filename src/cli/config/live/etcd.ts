/** Asks every member of etcd: its version, its cluster, its size, its alarms. */
import { Etcd3, type IStatusResponse } from 'etcd3'
import type { EtcdConfig } from '../../../config/engine-sections.ts'
import type { Config } from '../../../config/parse-config.ts'
import { etcdSettings, type EtcdSettings } from '../../../node/engine-settings.ts'
import type { SecretSources } from '../../../node/secrets.ts'
import { probe, PROBE_TIMEOUT_MS, type Answer, type Probe } from './probe.ts'

/** What the driver is tested with. */
const SUPPORTED = /^3\.[456]\./

/** Asks each member, and then compares them. */
export async function probeEtcd(
  config: Config,
  etcd: EtcdConfig,
  sources: SecretSources,
): Promise<readonly Probe[]> {
  const clusters = new Map<string, string>()
  const settings = await etcdSettings(etcd, config, config.regions[0] ?? '', sources)
  const addresses = settings.endpoints
  const probes = await Promise.all(
    addresses.map((address) =>
      probe('etcd', address, async () => {
        const { clusterId, answer } = await askMember(settings, address, addresses.length)
        clusters.set(address, clusterId)
        return answer
      }),
    ),
  )
  return probes.map((one) => withForeign(one, clusters))
}

/** Members of two clusters would each keep a log of their own. */
function withForeign(one: Probe, clusters: ReadonlyMap<string, string>): Probe {
  const own = clusters.get(one.address)
  const other = [...clusters].find(([, id]) => own !== undefined && id !== own)
  if (other === undefined) return one
  const problem = `it belongs to another cluster (${own}) than ${other[0]} (${other[1]})`
  return { ...one, problems: [...one.problems, problem] }
}

async function askMember(
  settings: EtcdSettings,
  address: string,
  expected: number,
): Promise<{ readonly clusterId: string; readonly answer: Answer }> {
  const { tls, user, password } = settings
  const client = new Etcd3({
    hosts: `${tls === undefined ? 'http' : 'https'}://${address}`,
    dialTimeout: PROBE_TIMEOUT_MS,
    ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
    ...(user === undefined || password === undefined ? {} : { auth: { username: user, password } }),
  })
  try {
    const status = await client.maintenance.status()
    const { members } = await client.cluster.memberList({ linearizable: false })
    const { alarms } = await client.maintenance.alarm({ action: 'Get' })
    const alarmed = alarms.map(({ alarm }): string => alarm).filter((name) => name !== 'None')
    return {
      clusterId: status.header.cluster_id,
      answer: judge(status, members.length, expected, alarmed),
    }
  } finally {
    client.close()
  }
}

function credentialsOf(tls: NonNullable<EtcdSettings['tls']>): {
  rootCertificate: Buffer
  privateKey?: Buffer
  certChain?: Buffer
} {
  const bytes = (text: string | undefined): Buffer | undefined =>
    text === undefined ? undefined : Buffer.from(text)
  const [privateKey, certChain] = [bytes(tls.key), bytes(tls.certificate)]
  return {
    rootCertificate: bytes(tls.ca) as Buffer,
    ...(privateKey === undefined ? {} : { privateKey }),
    ...(certChain === undefined ? {} : { certChain }),
  }
}

function judge(
  status: IStatusResponse,
  members: number,
  expected: number,
  alarms: readonly string[],
): Answer {
  const { version, dbSize, header } = status
  const megabytes = (Number(dbSize) / 1024 / 1024).toFixed(1)
  const size = `${members} ${members === 1 ? 'member' : 'members'}`
  return {
    says: `etcd ${version}, cluster ${header.cluster_id}, ${size}, ${megabytes} MiB`,
    problems: [
      ...(SUPPORTED.test(version) ? [] : [`version ${version} is not one of 3.4 to 3.6`]),
      ...(alarms.length === 0 ? [] : [`alarm ${alarms.join(', ')}: it takes no writes`]),
    ],
    warnings:
      members === expected
        ? []
        : [`its cluster has ${size}, and the configuration names ${expected}`],
  }
}
