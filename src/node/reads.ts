/**
 * The read path of a node: who may read (residency), whether this region can answer at the level
 * asked (`Freshness`), the rows, and what the session has then seen, in one snapshot.
 */
import type { ViewRead } from '../../cdc/views/maintainer.ts'
import type { GroupLeases } from '../../replication/strong/group-leases.ts'
import { keyScope, tenantScope } from '../../replication/strong/row-keys.ts'
import { MeridianError } from '../core/errors.ts'
import { hlcMs } from '../core/hlc.ts'
import { MAX_ROWS_BYTES } from '../core/limits.ts'
import type { Clock } from '../core/ports/runtime.ts'
import type { Statement, StatementResult, Store } from '../core/ports/store.ts'
import type { StoreClock } from '../core/store-clock.ts'
import type { SqlRow } from '../core/values.ts'
import type {
  BodyOf,
  ReadBody,
  ReadLevel,
  RequestHeader,
  ResponseValues,
  SessionState,
  WireReceipt,
} from '../protocol/messages.ts'
import type {
  CompiledSchema,
  CompiledTable,
  CompiledView,
  Consistency,
} from '../schema/compiled.ts'
import {
  seenPositions,
  seenStatements,
  type PositionTracker,
  type SeenKinds,
} from '../session/positions.ts'
import { rowsByKey, selectByKeys, selectList, takePage } from '../sql/select.ts'
import { hasLocalReads } from '../schema/log-group-names.ts'
import type { CachedReads } from './cached-reads.ts'
import { splitPosition, withPosition } from './positioned-row.ts'
import type { Freshness, ReadScope } from './freshness.ts'
import type { UserQueries } from './user-queries.ts'
import { viewError, type ViewReads } from './view-reads.ts'

/** What serves reads. */
export interface ReadParts {
  readonly region: string
  readonly store: Store
  readonly storeClock: StoreClock
  readonly clock: Clock
  readonly schema: CompiledSchema
  readonly positions: PositionTracker
  readonly freshness: Freshness
  readonly queries: UserQueries
  readonly views: ViewReads
  /** Hot rows of the region; reads go to the store where it is left out. */
  readonly cached?: CachedReads | undefined
  /** The log time that expiry of strong tables is judged at. */
  readonly strongNowMs: (table: CompiledTable) => number
  /** Of tables with local strong reads. */
  readonly leases?: Pick<GroupLeases, 'readLocally'> | undefined
}

/** A read that was served here. */
export interface ServedRead {
  readonly value: ResponseValues[ReadBody['kind']]
  readonly session: SessionState
  readonly receipt: WireReceipt
}

/** What a read gave, before its receipt. */
interface Rows {
  readonly value: ResponseValues[ReadBody['kind']]
  readonly seen: SessionState
  /** Of the cache: how old at most, in ms; null: not known. */
  readonly fromCache?: { readonly stalenessMs: number | null }
}

const MAX_ANSWER_MARGIN_MS = 50

const SERVED_BY_LEASE = { kind: 'serve', stalenessMs: 0, roundTrips: 0 } as const

const NOTHING_SEEN: SessionState = { positions: {}, nowMs: 0 }

export class Reads {
  readonly #parts: ReadParts

  constructor(parts: ReadParts) {
    this.#parts = parts
  }

  /**
   * Serves a read, or resolves with `undefined` when only the tenant's home can.
   *
   * @throws MeridianError `UNKNOWN_TABLE`, `UNKNOWN_VIEW`, `QUERY_REFUSED`, `QUERY_FAILED`,
   * `RESULT_TOO_LARGE`, `SESSION_NOT_MET`, `STALENESS_NOT_MET`, `MODE_MISMATCH`, `DEADLINE_EXCEEDED`
   */
  async serve(
    header: RequestHeader,
    body: ReadBody,
    home: string | undefined,
  ): Promise<ServedRead | undefined> {
    const { freshness } = this.#parts
    const scope: ReadScope = { tables: this.#tablesOf(body), home }
    const timeoutMs = answerWithinMs(header.timeoutMs)
    const unseal = freshness.seal(scope)
    const byLease = await this.#rowsByLease(body, scope, header, timeoutMs)
    const admission =
      byLease === undefined
        ? await freshness.admit(scope, body.level, header.session, timeoutMs)
        : SERVED_BY_LEASE
    if (admission.kind === 'forward') return undefined
    const rows = byLease ?? (await this.#rows(body, scope, header))
    unseal()
    if (byLease === undefined) await freshness.settle(scope, body.level, timeoutMs)
    return {
      value: rows.value,
      session: rows.seen,
      receipt: {
        level: body.level,
        region: this.#parts.region,
        source: rows.fromCache === undefined ? this.#sourceOf(body, scope) : 'cache',
        stalenessMs: (rows.fromCache ?? admission).stalenessMs,
        crossRegionRoundTrips: admission.roundTrips,
      },
    }
  }

  /** The views that a read names. @throws MeridianError as `serve` where the read is wrong */
  viewsOf(body: ReadBody): readonly CompiledView[] {
    if (body.kind === 'view') return [this.#view(body.view)]
    if (body.kind !== 'query') return []
    return this.#parts.queries.readsOf(body).views
  }

  #tablesOf(body: ReadBody): readonly CompiledTable[] {
    switch (body.kind) {
      case 'get':
      case 'list':
        return [this.#table(body.table)]
      case 'view':
        return [this.#view(body.view).source]
      case 'query': {
        const { tables, views } = this.#parts.queries.readsOf(body)
        return [...new Set([...tables, ...views.map((view) => view.source)])]
      }
    }
  }

  #rows(body: ReadBody, scope: ReadScope, header: RequestHeader): Promise<Rows> {
    switch (body.kind) {
      case 'get':
        return this.#get(body, scope, header)
      case 'list':
        return this.#list(body, scope, header)
      case 'view':
        return this.#readView(body, scope, header)
      case 'query':
        return this.#query(body, scope, header)
    }
  }

  async #get(body: BodyOf<'get'>, scope: ReadScope, header: RequestHeader): Promise<Rows> {
    const table = scope.tables[0] as CompiledTable
    const nowMs = this.#nowMs(table, header)
    const select = selectByKeys(table, body.tenant, body.keys, nowMs)
    const kinds = seenKinds(scope, this.#parts.region)
    const cached = await this.#getCached(body, scope, header, kinds, nowMs)
    if (cached !== undefined) return cached
    const { found, seen } =
      isAtHome(kinds) && body.keys.length === 1 && body.level !== 'stale'
        ? await this.#readAtHome(select, nowMs)
        : await this.#readRows(select, scope, body.level, nowMs)
    const rows = rowsByKey(table, body.keys.length, found)
    return { value: { rows: rows.map((row) => row ?? null) }, seen }
  }

  /** A strong read by the region's lease; `undefined` where the log must be asked. */
  async #rowsByLease(
    body: ReadBody,
    scope: ReadScope,
    header: RequestHeader,
    timeoutMs: number,
  ): Promise<Rows | undefined> {
    const { leases, freshness, region } = this.#parts
    const table = scope.tables[0] as CompiledTable
    const isRows = body.kind === 'get' || body.kind === 'list'
    if (leases === undefined || !isRows || !hasLocalReads(table)) return undefined
    if (body.level === 'session' || body.level === 'stale') return undefined
    // The session may have seen rows that are not stable yet.
    await freshness.admit(scope, 'session', header.session, timeoutMs)
    const nowMs = this.#nowMs(table, header)
    const isGet = body.kind === 'get'
    const select = isGet
      ? selectByKeys(table, body.tenant, body.keys, nowMs)
      : selectList(table, body.tenant, body.query, nowMs)
    const touched = isGet
      ? body.keys.map((key) => keyScope(table, body.tenant, key))
      : [tenantScope(table, body.tenant)]
    const kinds = seenKinds(scope, region)
    const statements = [{ ...select, maxBytes: MAX_ROWS_BYTES }, ...seenStatements(kinds)]
    const results = await leases.readLocally(touched, statements, { timeoutMs })
    if (results === undefined) return undefined
    const found = results[0]?.rows ?? []
    const seen = this.#seen(kinds, results.slice(1), scope, nowMs)
    if (!isGet) return { value: takePage(table, body.query.limit, found), seen }
    const rows = rowsByKey(table, body.keys.length, found)
    return { value: { rows: rows.map((row) => row ?? null) }, seen }
  }

  /** Through the cache; `undefined` where no cache can answer the read. */
  async #getCached(
    body: BodyOf<'get'>,
    scope: ReadScope,
    header: RequestHeader,
    kinds: SeenKinds,
    nowMs: number,
  ): Promise<Rows | undefined> {
    const { cached, freshness } = this.#parts
    const { tenant, keys, level } = body
    if (cached === undefined || level === 'strong') return undefined
    const table = scope.tables[0] as CompiledTable
    const required = freshness.required(scope, table.consistency, header.session.positions)
    const got = await cached.get({ table, tenant, keys, level, required, kinds, nowMs })
    if (got === undefined) return undefined
    const seen = { positions: got.seen, nowMs: table.consistency === 'strong' ? 0 : nowMs }
    return {
      value: { rows: got.rows.map((row) => row ?? null) },
      seen: level === 'stale' ? NOTHING_SEEN : seen,
      // Of other regions' rows it is known how old they are in the store as it is, no further.
      ...(got.fromCache
        ? { fromCache: { stalenessMs: isAtHome(kinds) ? got.behindMs : null } }
        : {}),
    }
  }

  async #readAtHome(
    select: Statement,
    nowMs: number,
  ): Promise<{ found: readonly SqlRow[]; seen: SessionState }> {
    const { store, positions } = this.#parts
    const [result] = await store.read([withPosition(select)])
    const { rows, position } = splitPosition(result)
    const seen = { [positions.source]: position }
    positions.advance(seen)
    return { found: rows, seen: { positions: seen, nowMs } }
  }

  async #list(body: BodyOf<'list'>, scope: ReadScope, header: RequestHeader): Promise<Rows> {
    const table = scope.tables[0] as CompiledTable
    const nowMs = this.#nowMs(table, header)
    const select = selectList(table, body.tenant, body.query, nowMs)
    const { found, seen } = await this.#readRows(select, scope, body.level, nowMs)
    return { value: takePage(table, body.query.limit, found), seen }
  }

  async #readView(body: BodyOf<'view'>, scope: ReadScope, header: RequestHeader): Promise<Rows> {
    const view = this.#view(body.view)
    const { views } = this.#parts
    const nowMs = this.#nowMs(view.source, header)
    await this.#viewsCatchUp(body.level, header, [{ view, nowMs }])
    const select = views.select(view, body.tenant, body.prefix, body.limit + 1, nowMs)
    const { found, seen } = await this.#readRows(select, scope, body.level, nowMs).catch(
      (error: unknown) => {
        throw viewError(view, error)
      },
    )
    const rows = views.rows(view, found.slice(0, body.limit))
    return { value: { rows, more: found.length > body.limit }, seen }
  }

  async #query(body: BodyOf<'query'>, scope: ReadScope, header: RequestHeader): Promise<Rows> {
    const { queries } = this.#parts
    const { tables, views } = queries.readsOf(body)
    // One instant for what the views are asked to hold and for what is read of them.
    const sources = new Set([...tables, ...views.map((view) => view.source)])
    const instants = new Map([...sources].map((table) => [table, this.#nowMs(table, header)]))
    const now = (table: CompiledTable): number => instants.get(table) as number
    await this.#viewsCatchUp(
      body.level,
      header,
      views.map((view) => ({ view, nowMs: now(view.source) })),
    )
    const value = await queries.run(body, now)
    if (body.level === 'stale') return { value, seen: NOTHING_SEEN }
    // Positions read after the rows are at least those of the rows: sound, if a little strict.
    const kinds = seenKinds(scope, this.#parts.region)
    const results = await this.#parts.store.read(seenStatements(kinds))
    const judged = [...instants].filter(([table]) => table.consistency !== 'strong')
    const nowMs = Math.max(header.session.nowMs, ...judged.map(([, instant]) => instant))
    return { value, seen: this.#seen(kinds, results, scope, nowMs) }
  }

  /**
   * All that the store holds by now is what the level asks for: the views must have it too. A stale
   * read takes their rows as they are, without those that have expired.
   */
  async #viewsCatchUp(
    level: ReadLevel,
    header: RequestHeader,
    reads: readonly ViewRead[],
  ): Promise<void> {
    if (reads.length === 0) return
    const { views, positions, freshness } = this.#parts
    const timeoutMs = answerWithinMs(header.timeoutMs)
    const tables = reads.map(({ view }) => view.source)
    await freshness.emitted({ tables }, level, header.session, timeoutMs)
    const reached = level === 'stale' ? undefined : await positions.refresh()
    const seq = reached?.get(positions.source) ?? 0
    await views.waitApplied(seq, timeoutMs, reads)
  }

  /** Reads rows and, unless the level is stale, what the session has then seen. */
  async #readRows(
    select: Statement,
    scope: ReadScope,
    level: ReadLevel,
    nowMs: number,
  ): Promise<{ found: readonly SqlRow[]; seen: SessionState }> {
    const { store } = this.#parts
    // A few keys can name one long row ten thousand times.
    const bounded = { ...select, maxBytes: MAX_ROWS_BYTES }
    if (level === 'stale') {
      const [first] = await store.read([bounded])
      return { found: first?.rows ?? [], seen: NOTHING_SEEN }
    }
    const kinds = seenKinds(scope, this.#parts.region)
    const [first, ...rest] = await store.read([bounded, ...seenStatements(kinds)])
    return { found: first?.rows ?? [], seen: this.#seen(kinds, rest, scope, nowMs) }
  }

  #seen(
    kinds: SeenKinds,
    results: readonly StatementResult[],
    scope: ReadScope,
    nowMs: number,
  ): SessionState {
    const positions = seenPositions(kinds, this.#parts.positions.source, results)
    if (kinds.imported !== 'applied') this.#parts.positions.advance(positions)
    const strongOnly = scope.tables.every((table) => table.consistency === 'strong')
    return { positions, nowMs: strongOnly ? 0 : nowMs }
  }

  /** The instant that expiry is judged at: it never goes back within a session. */
  #nowMs(table: CompiledTable, header: RequestHeader): number {
    if (table.consistency === 'strong') return this.#parts.strongNowMs(table)
    const { clock, storeClock } = this.#parts
    return Math.max(clock.nowMs(), hlcMs(storeClock.last()), header.session.nowMs)
  }

  #sourceOf(body: ReadBody, scope: ReadScope): WireReceipt['source'] {
    if (body.kind === 'view') return 'view'
    if (scope.tables.some((table) => table.consistency === 'strong')) return 'log'
    // Rows of eventual tables are at home in every region.
    const elsewhere = scope.home !== undefined && scope.home !== this.#parts.region
    const pinned = scope.tables.some((table) => table.consistency === 'pinned')
    return pinned && elsewhere ? 'replica' : 'home'
  }

  #table(id: number): CompiledTable {
    const table = this.#parts.schema.tableById.get(id)
    if (table === undefined) {
      throw new MeridianError('UNKNOWN_TABLE', `There is no table with id ${id} here.`)
    }
    return table
  }

  #view(id: number): CompiledView {
    const view = this.#parts.schema.views.find((v) => v.id === id)
    if (view === undefined) {
      throw new MeridianError('UNKNOWN_VIEW', `There is no view with id ${id} here.`)
    }
    return view
  }
}

/** A read at a pinned tenant's home has seen its store; any other may have seen other stores too. */
function seenKinds(scope: ReadScope, region: string): SeenKinds {
  const has = (mode: Consistency): boolean => scope.tables.some((t) => t.consistency === mode)
  const stores = has('pinned') || has('eventual')
  const oneHome = !has('strong') && !has('eventual') ? scope.home : undefined
  return {
    own: stores && (oneHome === undefined || oneHome === region),
    imported: !stores || oneHome === region ? 'none' : has('pinned') ? 'applied' : 'visible',
    logs: has('strong'),
  }
}

/** Nothing but the own store can be seen by such a read. */
function isAtHome(kinds: SeenKinds): boolean {
  return kinds.own && kinds.imported === 'none' && !kinds.logs
}

/** A caller should learn what was missing, not only that its own time is over. */
function answerWithinMs(timeoutMs: number): number {
  return timeoutMs - Math.min(MAX_ANSWER_MARGIN_MS, timeoutMs / 10)
}
