/** Driver: how far each region has come in a group, in keys of etcd. */
import type { IRangeResponse } from 'etcd3'
import type { LogRetention } from '../../core/ports/log-retention.ts'
import type { DeploymentMark } from './deployment-mark.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { nameAfter, prefixRange, type EtcdKeys } from './etcd-keys.ts'

export function createEtcdRetention(
  connection: EtcdConnection,
  mark: DeploymentMark,
  keys: EtcdKeys,
): LogRetention {
  return {
    report: async (group, region, beforeIndex) => {
      const put = { key: keys.applied(group, region), value: Buffer.from(String(beforeIndex)) }
      try {
        await mark.txn({ success: [{ request_put: put }] })
      } catch (error) {
        throw connection.typed(error)
      }
    },
    reported: async (group) => {
      const prefix = keys.appliedPrefix(group)
      const range = prefixRange(prefix)
      const { kvs } = await connection.ask<IRangeResponse>('KV', 'range', range)
      const reports = kvs.map(
        (kv) => [nameAfter(prefix, kv.key), Number(kv.value.toString())] as const,
      )
      // What is no index somebody else wrote there.
      return new Map(reports.filter(([, index]) => Number.isSafeInteger(index) && index > 0))
    },
  }
}
