/** One region's node: its store and logs, the engines over them, and its roles. */
import { makeSource } from '../core/change.ts'
import type { MeridianError } from '../core/errors.ts'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { CommitLog } from '../core/ports/commit-log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { Channel, Network } from '../core/ports/transport.ts'
import type { Caller } from '../core/principal.ts'
import { StoreClock } from '../core/store-clock.ts'
import type { Config } from '../config/parse-config.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import { prepareStore } from '../schema/migrate.ts'
import { PositionTracker } from '../session/positions.ts'
import { Residency } from '../tenancy/residency.ts'
import { openEngines } from './engines.ts'
import { openLogGroups, type LogGroups } from './log-groups.ts'
import type { RequestObserver } from './observe/request-observer.ts'
import { startRoles, type Roles, type RolesStatus } from './roles.ts'
import type { OpenChangeLog } from './region-files.ts'
import { createServing } from './serving.ts'
import type { SqlRegion } from './sql-endpoint/sql-region.ts'
import type { ViewReads } from './view-reads.ts'

/** What a node is made of. The node closes `store`, the change log and `commitLog`. */
export interface RegionNodeParts {
  readonly region: string
  readonly config: Config
  readonly schema: CompiledSchema
  readonly store: Store
  /** The change log of the store that is `source`. */
  readonly changeLog: OpenChangeLog
  readonly commitLog: CommitLog
  readonly network: Network
  readonly runtime: Runtime
  /** Serves the commit log to other regions' nodes, where it is kept in this one. */
  readonly serveCommitLog?: (channel: Channel, caller: Caller) => void
  /** Watches requests; nobody does where it is left out. */
  readonly observe?: RequestObserver
  /** Told of what stops a role for good; the node goes on with the rest. */
  readonly onFailure: (role: string, error: MeridianError) => void
}

/** How a node stands. */
export interface NodeStatus extends RolesStatus {
  readonly region: string
  /** `<region>.<incarnation>` of its store. */
  readonly source: string
  readonly strongIndex: number
  /** What an acknowledged write survives (`Store.durability`). */
  readonly durability: NonNullable<Store['durability']>
}

/** A running node. */
export interface RegionNode {
  readonly region: string
  readonly store: Store
  readonly changeLog: ChangeLog
  readonly views: ViewReads
  /** What the SQL endpoint reads by. */
  readonly sql: SqlRegion
  status(): NodeStatus
  /** localSeq of the store's last change. */
  end(): Promise<number>
  /** Resolves once what the region holds now has reached its own views, logs and outbox readers. */
  catchUp(): Promise<void>
  /** Deletes expired rows now instead of at the next interval. */
  sweep(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a node over a store that it prepares for the schema.
 *
 * @throws MeridianError `SCHEMA_INCOMPATIBLE`, `STORE_CORRUPT`; nothing was written then
 */
export async function openRegionNode(parts: RegionNodeParts): Promise<RegionNode> {
  const { region, config, schema, store, runtime, network } = parts
  const prepared = await prepareStore(store, schema, { random: runtime.random })
  const source = makeSource(region, prepared.incarnation)
  const clock = new StoreClock(runtime.clock, prepared.lastHlc)
  const residency = new Residency(config.regions, config.residency)
  const { commitLog: log, onFailure } = parts
  const groups = await openLogGroups({ log, store, clock, runtime, schema, residency, onFailure })
  const changeLog = await parts.changeLog(source)
  const base = { ...parts, source, clock, residency, groups, changeLog }
  const engines = openEngines(base)
  const positions = new PositionTracker(store, source, runtime.timers)
  const roles = await startRoles({ ...base, engines })
  const { handler, sql } = createServing({ ...base, engines, positions, roles })
  const unlisten = network.listen(region, {
    onRequest: (message, caller) => handler.handle(message, caller),
    onChannel: (channel, service, caller) => {
      if (service === 'stream') roles.acceptChannel(channel, caller)
      else if (parts.serveCommitLog === undefined) channel.close()
      else parts.serveCommitLog(channel, caller)
    },
  })
  return {
    region,
    store,
    changeLog,
    views: roles.views,
    sql,
    status: () => ({
      region,
      source,
      strongIndex: groups.strong.applied(),
      durability: store.durability ?? 'full',
      ...roles.status(),
    }),
    end: () => roles.end(),
    async catchUp() {
      await groups.catchUp()
      await roles.catchUp()
    },
    sweep: () => roles.sweep(),
    async close() {
      unlisten()
      positions.close()
      await closeAll(roles, groups)
      await Promise.all([changeLog.close(), store.close(), parts.commitLog.close()])
    },
  }
}

async function closeAll(roles: Roles, groups: LogGroups): Promise<void> {
  await roles.stop()
  await groups.close()
}
