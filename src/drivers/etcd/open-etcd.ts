/** Opens everything that a node has from etcd: commit log, retention and roles, over one connection. */
import type { CommitLog } from '../../core/ports/commit-log.ts'
import type { Coordination } from '../../core/ports/coordination.ts'
import type { LogRetention } from '../../core/ports/log-retention.ts'
import type { MachineSupport } from '../../core/ports/machine-support.ts'
import { DeploymentMark } from './deployment-mark.ts'
import { EtcdCommitLog } from './etcd-commit-log.ts'
import { EtcdConnection, type EtcdConnectionOptions } from './etcd-connection.ts'
import { EtcdCoordination } from './etcd-coordination.ts'
import type { EtcdFaults } from './etcd-faults.ts'
import { etcdKeys } from './etcd-keys.ts'
import { createEtcdRetention, createEtcdSupport } from './etcd-reports.ts'
import { etcdRoundTrips, type EtcdRoundTrip } from './etcd-round-trips.ts'
import { etcdStatus, type EtcdMemberStatus } from './etcd-status.ts'
import { ID_LEASE_TIMES, IdLease, type IdLeaseTimes } from './id-lease.ts'

/** Where etcd is, and what of it is this deployment's. */
export interface EtcdOptions extends EtcdConnectionOptions {
  /** Of the deployment: all its keys begin with it. */
  readonly name: string
  /** What `deploymentId` answered before: another one is `LOG_FOREIGN`. */
  readonly deploymentId?: string | undefined
  /** How long a role outlives its holder. Default 5 s. */
  readonly roleTtlSeconds?: number
  readonly idLease?: IdLeaseTimes
  /** Test-only. */
  readonly faults?: EtcdFaults
}

/** etcd, open. */
export interface EtcdEngine {
  /** `host:port` of its members. */
  readonly addresses: readonly string[]
  /** A handle of the log of its own; closing it leaves the engine open. */
  commitLog(): CommitLog
  readonly retention: LogRetention
  readonly support: MachineSupport
  readonly coordination: Coordination
  /** The health of each member. Never rejects. */
  status(): Promise<readonly EtcdMemberStatus[]>
  /** How far each member is from here. Never rejects. */
  roundTrips(): Promise<readonly EtcdRoundTrip[]>
  /**
   * The random id that this deployment has in etcd, written at the first contact: an etcd that
   * lost its data has another.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `LOG_MISCONFIGURED`, `CLOSED`
   */
  deploymentId(): Promise<string>
  /** Of the cluster that answered first. @throws as `deploymentId` */
  clusterId(): Promise<string>
  /** Ends the handles and gives the roles up. */
  close(): Promise<void>
}

const ROLE_TTL_SECONDS = 5

/** Resolves whether etcd answers or not: what needs it waits, or says that it is away. */
export async function openEtcd(options: EtcdOptions): Promise<EtcdEngine> {
  const { name, deploymentId, roleTtlSeconds = ROLE_TTL_SECONDS, faults = {} } = options
  const connection = new EtcdConnection(options)
  const keys = etcdKeys(name)
  const mark = new DeploymentMark(connection, keys, deploymentId)
  const idLease = new IdLease(connection, keys, options.idLease ?? ID_LEASE_TIMES)
  const logs = new Set<CommitLog>()
  const coordination = new EtcdCoordination({
    connection,
    mark,
    keys,
    ttlSeconds: roleTtlSeconds,
    faults,
  })
  return {
    addresses: connection.addresses,
    commitLog: () => {
      const log = new EtcdCommitLog({ connection, mark, keys, idLease, faults })
      logs.add(log)
      return log
    },
    retention: createEtcdRetention(connection, mark, keys),
    support: createEtcdSupport(connection, mark, keys),
    coordination,
    status: () => etcdStatus(connection),
    roundTrips: () => etcdRoundTrips(connection),
    deploymentId: () => mark.id(),
    clusterId: async () => {
      if (connection.clusterId === undefined) await mark.read()
      return connection.clusterId as string
    },
    close: async () => {
      await Promise.all([coordination.close(), ...Array.from(logs, (log) => log.close())])
      connection.close()
    },
  }
}
