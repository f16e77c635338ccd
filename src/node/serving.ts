/** Builds what answers requests: reads, commits, and the handler in front of them. */
import { oneWayMs } from '../config/topology.ts'
import type { Config } from '../config/parse-config.ts'
import type { GroupLeases } from '../../replication/strong/group-leases.ts'
import { tableScope } from '../../replication/strong/leases/read-scope.ts'
import type { StrongEngine } from '../../replication/strong/strong-engine.ts'
import type { Cache } from '../core/ports/cache.ts'
import type { Log } from '../core/ports/log.ts'
import type { Network } from '../core/ports/transport.ts'
import type { PositionTracker } from '../session/positions.ts'
import type { Residency } from '../tenancy/residency.ts'
import type { QueryScope } from '../sql/scope-query.ts'
import { CachedReads } from './cached-reads.ts'
import { Commits } from './commits.ts'
import type { EngineParts, Engines } from './engines.ts'
import { Freshness, type LocalStrongReads, type StrongReads } from './freshness.ts'
import { unobserved, type OnCommit, type RequestObserver } from './observe/request-observer.ts'
import { Reads } from './reads.ts'
import { RequestHandler } from './request-handler.ts'
import { expiryNowMs, type Roles } from './roles.ts'
import type { SqlRegion } from './sql-endpoint/sql-region.ts'
import { UserQueries } from './user-queries.ts'

/** What serving is made of. */
export interface ServingParts extends EngineParts {
  readonly config: Config
  readonly residency: Residency
  readonly engines: Engines
  readonly positions: PositionTracker
  readonly roles: Roles
  readonly network: Network
  readonly observe?: RequestObserver
  readonly onCommit?: OnCommit
  /** Hot rows of the region; reads go to the store where it is left out. */
  readonly cache?: Cache
  readonly log?: Log
}

/** What answers requests, and what the SQL endpoint reads by. */
export interface Serving {
  readonly handler: RequestHandler
  readonly sql: SqlRegion
  /** Reads through the cache, where there is one. Close it before the cache and the store. */
  readonly cached: CachedReads | undefined
}

export function createServing(parts: ServingParts): Serving {
  const { region, schema, store, runtime, groups, positions, residency, roles, config } = parts
  const { directory, strong, local } = groups
  const logRoundTrips = roundTripsToLog(config, region)
  const freshness = new Freshness({
    region,
    positions,
    clock: runtime.clock,
    timers: runtime.timers,
    replicas: roles.replicas,
    strong: strongReads(strong, logRoundTrips),
    local: local && localStrongReads(local, logRoundTrips),
  })
  const viewSource: QueryScope['viewSource'] = (view, tenant, nowMs) =>
    roles.views.source(view, tenant, nowMs)
  const { cache } = parts
  const cached = cache === undefined ? undefined : new CachedReads({ ...parts, cache })
  const reads = new Reads({
    region,
    store,
    schema,
    positions,
    freshness,
    clock: runtime.clock,
    storeClock: parts.clock,
    queries: new UserQueries({ schema, store, viewSource }),
    views: roles.views,
    cached,
    leases: local?.leases,
    strongNowMs: (table) => groups.strongOf(table).expiryNowMs(table),
  })
  const commits = new Commits({ region, schema, residency, engines: parts.engines.byMode })
  const handler = new RequestHandler({
    region,
    schema,
    directory,
    residency,
    positions,
    reads,
    commits,
    transport: parts.network.transport(region),
    clock: runtime.clock,
    timers: runtime.timers,
    observe: parts.observe ?? unobserved,
    onCommit: parts.onCommit,
    commitRoundTrips: { pinned: 0, strong: logRoundTrips, eventual: 0 },
  })
  const sql: SqlRegion = {
    region,
    schema,
    store,
    freshness,
    positions,
    viewSource,
    views: roles.views,
    nowMs: (table) => expiryNowMs(parts, table),
    homeOf: async (tenant) => (await directory.lookup(tenant))?.home,
    admit: (reader, timeoutMs) => handler.admitSql(reader, timeoutMs),
    admitViews: (reader, views) => handler.admitSqlViews(reader, views),
  }
  return { handler, sql, cached }
}

function strongReads(engine: StrongEngine, readIndexRoundTrips: number): StrongReads {
  return {
    readIndex: (timeoutMs) => engine.readIndex({ timeoutMs }),
    waitApplied: (index, timeoutMs) => engine.waitApplied(index, { timeoutMs }),
    seal: () => engine.seal(),
    readIndexRoundTrips,
  }
}

function localStrongReads(engine: StrongEngine, readIndexRoundTrips: number): LocalStrongReads {
  const leases = engine.leases as GroupLeases
  return {
    ...strongReads(engine, readIndexRoundTrips),
    settle: (tables, timeoutMs) =>
      leases.settleRead(
        tables.map((table) => tableScope(table.id)),
        { timeoutMs },
      ),
    emitted: (index, timeoutMs) => leases.waitEmitted(index ?? engine.applied(), { timeoutMs }),
  }
}

/** To the leader and back, unless it is here; the leader's own round trip to a majority. */
function roundTripsToLog(config: Config, region: string): number {
  const { leader } = config.commitLog
  const others = config.regions.some((other) => oneWayMs(config.topology, leader, other) > 0)
  return Number(region !== leader) + Number(others)
}
