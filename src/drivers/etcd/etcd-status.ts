/** The health of each member of etcd, as the member itself tells it. */
import type { IAlarmResponse, IStatusResponse } from 'etcd3'
import { asMeridianError, type ErrorCode } from '../../core/errors.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { EtcdCallError } from './etcd-errors.ts'

/** One member. */
export interface EtcdMemberStatus {
  /** `host:port`. */
  readonly address: string
  readonly reachable: boolean
  /** Why it is not, as it says or the way to it, and as an error of this system. */
  readonly reason?: string
  readonly code?: ErrorCode
  /** Its id in the cluster, decimal. */
  readonly id?: string
  /** The id of the member that it takes for the leader; `0`: none. */
  readonly leaderId?: string
  /** Entries of etcd's own log: committed, and applied to its database, as far as it knows. */
  readonly raftIndex?: number
  readonly raftAppliedIndex?: number
  /** Grows with every election. */
  readonly raftTerm?: number
  /** Follows without a vote: it cannot lead and is in no majority. */
  readonly isLearner?: boolean
  /** Of the server, `3.4.23` for example. */
  readonly version?: string
  readonly isLeader?: boolean
  /** Whether it knows a leader: without one it serves nothing that is ordered. */
  readonly hasLeader?: boolean
  /** Allocated; shrinks by defragmentation alone. */
  readonly databaseBytes?: number
  readonly usedBytes?: number
  /** What it complains of: its quota, or corruption. */
  readonly alarms?: readonly string[]
}

const TIMEOUT_MS = 2000

/** Asks each member by itself. Never rejects. */
export async function etcdStatus(connection: EtcdConnection): Promise<readonly EtcdMemberStatus[]> {
  const [statuses, alarms] = await Promise.all([
    connection.askEach({
      service: 'Maintenance',
      method: 'status',
      request: {},
      timeoutMs: TIMEOUT_MS,
    }),
    connection.askEach({
      service: 'Maintenance',
      method: 'alarm',
      request: { action: 'GET' },
      timeoutMs: TIMEOUT_MS,
    }),
  ])
  const raised = alarms.flatMap(({ answer }) =>
    answer instanceof EtcdCallError ? [] : (answer as IAlarmResponse).alarms,
  )
  return statuses.map(({ address, answer }) => {
    if (answer instanceof EtcdCallError) {
      const { code } = asMeridianError(connection.typed(answer))
      return { address, reachable: false, reason: answer.message, code }
    }
    const status = answer as IStatusResponse
    const { header, version, leader, dbSize, dbSizeInUse } = status
    const own = raised.filter((alarm) => alarm.memberID === header.member_id)
    return {
      address,
      reachable: true,
      id: header.member_id,
      leaderId: leader,
      raftIndex: Number(status.raftIndex),
      raftAppliedIndex: Number(status.raftAppliedIndex),
      raftTerm: Number(status.raftTerm),
      isLearner: status.isLearner,
      version,
      isLeader: leader === header.member_id,
      hasLeader: leader !== '0',
      databaseBytes: Number(dbSize),
      usedBytes: Number(dbSizeInUse),
      alarms: [...new Set(own.map((alarm) => alarm.alarm.toUpperCase()))],
    }
  })
}
