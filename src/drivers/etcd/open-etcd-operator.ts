/** What an operator does with etcd itself: looks at its members, and says which of them leads. */
import { keepProcessAlive } from '../runtime/keep-alive.ts'
import { EtcdConnection, type EtcdConnectionOptions } from './etcd-connection.ts'
import {
  moveEtcdLeader,
  requireLeader,
  requireMovable,
  type MoveLeaderOptions,
} from './etcd-leadership.ts'
import { etcdStatus, type EtcdMemberStatus } from './etcd-status.ts'

/** A connection that reads and writes no key. */
export interface EtcdOperator {
  /** How each member stands. Never rejects. */
  status(): Promise<readonly EtcdMemberStatus[]>
  /** Whether a majority answers and has a leader that does. @throws MeridianError `LOG_UNAVAILABLE` */
  requireLeader(): Promise<void>
  /** Whether it could be handed to the member at `to`. @throws MeridianError `LOG_UNAVAILABLE` */
  requireMovable(to: string): Promise<void>
  /** Hands the leadership over. @throws as `moveEtcdLeader`, which see */
  moveLeader(options: MoveLeaderOptions): Promise<readonly EtcdMemberStatus[]>
  close(): void
}

/** Connects when it is asked something. The process does not end by itself before it is closed. */
export function openEtcdOperator(options: EtcdConnectionOptions): EtcdOperator {
  const connection = new EtcdConnection(options)
  const release = keepProcessAlive()
  return {
    status: () => etcdStatus(connection),
    requireLeader: async () => {
      requireLeader(connection, await etcdStatus(connection))
    },
    requireMovable: async (to) => {
      requireMovable(connection, await etcdStatus(connection), to)
    },
    moveLeader: (move) => moveEtcdLeader(connection, move),
    close: () => {
      connection.close()
      release()
    },
  }
}
