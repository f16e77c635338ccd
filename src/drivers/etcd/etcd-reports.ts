/** Driver: a number that each region says of a log group, in keys of etcd. */
import type { IRangeResponse } from 'etcd3'
import type { LogRetention } from '../../core/ports/log-retention.ts'
import type { MachineSupport } from '../../core/ports/machine-support.ts'
import type { DeploymentMark } from './deployment-mark.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { nameAfter, prefixRange, type EtcdKeys, type ReportKeys } from './etcd-keys.ts'

/** How far each region has come in a group. */
export function createEtcdRetention(
  connection: EtcdConnection,
  mark: DeploymentMark,
  keys: EtcdKeys,
): LogRetention {
  return createReports(connection, mark, keys.applied)
}

/** Which version of a group's state machine each region supports. */
export function createEtcdSupport(
  connection: EtcdConnection,
  mark: DeploymentMark,
  keys: EtcdKeys,
): MachineSupport {
  return createReports(connection, mark, keys.machine)
}

function createReports(
  connection: EtcdConnection,
  mark: DeploymentMark,
  keys: ReportKeys,
): LogRetention & MachineSupport {
  return {
    report: async (group, region, value) => {
      const put = { key: keys.key(group, region), value: Buffer.from(String(value)) }
      try {
        await mark.txn({ success: [{ request_put: put }] })
      } catch (error) {
        throw connection.typed(error)
      }
    },
    reported: async (group) => {
      const prefix = keys.prefix(group)
      const range = prefixRange(prefix)
      const { kvs } = await connection.ask<IRangeResponse>('KV', 'range', range)
      const reports = kvs.map(
        (kv) => [nameAfter(prefix, kv.key), Number(kv.value.toString())] as const,
      )
      // What is no such number somebody else wrote there.
      return new Map(reports.filter(([, value]) => Number.isSafeInteger(value) && value > 0))
    },
  }
}
