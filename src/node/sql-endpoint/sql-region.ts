/** What the SQL endpoint needs of a region: who may read, how current its rows are, and the rows. */
import type { Store } from '../../core/ports/store.ts'
import type { Caller } from '../../core/principal.ts'
import type { CompiledSchema, CompiledTable, CompiledView } from '../../schema/compiled.ts'
import type { PositionTracker } from '../../session/positions.ts'
import type { QueryScope } from '../../sql/scope-query.ts'
import type { Freshness } from '../freshness.ts'
import type { ViewReads } from '../view-reads.ts'

/** Who reads what, and where it stands. */
export interface SqlReader {
  readonly caller: Caller
  /** '' for the global scope. */
  readonly tenant: string
  /** Where the reader says that it stands: residency is judged for it. */
  readonly clientRegion: string
}

/** A tenant that may be read. */
export interface AdmittedReader {
  /** Undefined for the global scope. */
  readonly home: string | undefined
}

/** One region. */
export interface SqlRegion {
  readonly region: string
  readonly schema: CompiledSchema
  readonly store: Store
  readonly freshness: Pick<Freshness, 'admit' | 'seal' | 'settle' | 'emitted'>
  readonly positions: Pick<PositionTracker, 'source' | 'refresh'>
  readonly views: Pick<ViewReads, 'waitApplied'>
  readonly viewSource: QueryScope['viewSource']
  /** The tenant's home, as far as it is known here. */
  homeOf(tenant: string): Promise<string | undefined>
  /** The instant that expiry of a table's rows is judged at. */
  nowMs(table: CompiledTable): number
  /**
   * The rules of every client's read: scopes, tenant, residency of this region and of the caller's.
   *
   * @throws MeridianError `PERMISSION_DENIED`, `TENANT_NOT_FOUND`, `RESIDENCY_DENIED`
   */
  admit(reader: SqlReader, timeoutMs: number): Promise<AdmittedReader>
  /**
   * The rules of views, for a reader that was admitted.
   *
   * @throws MeridianError `PERMISSION_DENIED`, `RESIDENCY_DENIED`
   */
  admitViews(reader: SqlReader, views: readonly CompiledView[]): void
}
