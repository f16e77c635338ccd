/**
 * The commit log as a process has it: etcd, or the file of the leader's process, served to the other
 * regions, or the way to that. Each opens at once, whether or not anybody else is there.
 */
import { join } from 'node:path'
import { MeridianError } from '../core/errors.ts'
import type { CommitLog } from '../core/ports/commit-log.ts'
import type { LogRetention } from '../core/ports/log-retention.ts'
import type { MachineSupport } from '../core/ports/machine-support.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { Channel, Network } from '../core/ports/transport.ts'
import { serveCommitLog } from '../drivers/commit-log/commit-log-server.ts'
import { openFileCommitLog } from '../drivers/commit-log/file-commit-log.ts'
import { createMemorySupport } from '../drivers/commit-log/memory-support.ts'
import { createRemoteCommitLog } from '../drivers/commit-log/remote-commit-log.ts'
import type { EtcdEngine } from '../drivers/etcd/open-etcd.ts'
import type { Caller } from '../core/principal.ts'
import type { Closing } from './closing.ts'
import { createLogCheck, sameLog, sameRetention, sameSupport } from './same-log.ts'

/** Where the log is. */
export interface NodeCommitLogOptions {
  readonly directory: string
  readonly leader: string
  /** Whether this process serves the leader's region. */
  readonly isHere: boolean
  /** All regions of the configuration. */
  readonly regions: readonly string[]
  readonly network: Network
  readonly runtime: Runtime
  readonly writer: 'inline' | 'worker'
  /** Keeps the log, where the configuration has it. */
  readonly etcd?: EtcdEngine | undefined
}

/** The log as a region sees it; whoever takes it closes `commitLog`. */
export interface RegionCommitLog {
  readonly commitLog: CommitLog
  /** How far regions are with it, where it is trimmed behind them. */
  readonly retention?: LogRetention
  /** What regions evaluate of it. */
  readonly support: MachineSupport
}

/** The log for each region of the process. */
export interface NodeCommitLog {
  /** The log as the region of a store sees it. */
  handle(region: string, store: Store): RegionCommitLog
  /** Serves another region; without it the log is elsewhere. */
  readonly serve?: (channel: Channel, caller: Caller) => void
}

/** @throws MeridianError `STORE_…` where the file is here */
export async function openNodeCommitLog(
  options: NodeCommitLogOptions,
  closing: Closing,
): Promise<NodeCommitLog> {
  const { directory, leader, isHere, regions, network, runtime, writer, etcd } = options
  if (etcd !== undefined) {
    return { handle: (_region, store) => inEtcd(etcd, store, runtime) }
  }
  if (!isHere) {
    return {
      handle: (region) => {
        const commitLog = createRemoteCommitLog({
          connect: () => network.transport(region).connect(leader, 'commit-log'),
          runtime,
        })
        return { commitLog, support: commitLog.support }
      },
    }
  }
  const path = join(directory, 'commit-log.db')
  const log = closing.add(await openFileCommitLog({ path, timers: runtime.timers, writer }))
  const support = createMemorySupport(regions)
  return {
    handle: () => ({ commitLog: log.handle(), support }),
    serve: (channel, caller) =>
      serveCommitLog(withoutTrim(log), channel, ownReports(support, caller)),
  }
}

function inEtcd(etcd: EtcdEngine, store: Store, { timers }: Runtime): RegionCommitLog {
  const address = `etcd at ${etcd.addresses.join(', ')}`
  const deploymentId = (): Promise<string> => etcd.deploymentId()
  const check = createLogCheck({ store, deploymentId, address })
  return {
    commitLog: sameLog(etcd.commitLog(), check, timers),
    retention: sameRetention(etcd.retention, check),
    support: sameSupport(etcd.support, check),
  }
}

/** A node speaks for its own region: believed of another, it could raise the log beyond that one. */
function ownReports(support: MachineSupport, { principal }: Caller): MachineSupport {
  return {
    async report(group, region, version) {
      if (principal.regions?.includes(region) === false) {
        throw new MeridianError('PERMISSION_DENIED', `The caller is not a node of ${region}.`, {
          fix: 'A node reports for its own region, with its own key.',
        })
      }
      await support.report(group, region, version)
    },
    reported: (group) => support.reported(group),
  }
}

/** A region that trimmed the log would take from the others what they have not applied yet. */
function withoutTrim(log: CommitLog): CommitLog {
  return {
    append: (group, id, payload) => log.append(group, id, payload),
    tail: (group, fromIndex, handlers) => log.tail(group, fromIndex, handlers),
    readIndex: (group) => log.readIndex(group),
    trim: (group) => Promise.reject(untrimmable(group)),
    close: () => log.close(),
  }
}

function untrimmable(group: string): MeridianError {
  return new MeridianError('PERMISSION_DENIED', `Group ${group} is not trimmed from afar.`, {
    fix: 'Trim the log where its file is.',
  })
}
