/**
 * Messages between a client and a node, and between nodes that forward for a client. Values are in
 * their stored form, tables and columns are ids, encrypted cells are ciphertext.
 */
import type { RowImage } from '../core/change.ts'
import type { WireError } from '../core/errors.ts'
import type { SqlGuard, TransactionRequest } from '../core/operations.ts'
import type { Principal } from '../core/principal.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'
import type { ListQuery } from '../core/list-query.ts'

/** This version; peers speak it and the one before. */
export const PROTOCOL_VERSION = 1
/** The oldest version that is still understood. */
export const MIN_PROTOCOL_VERSION = 1

/** What a session has seen: source id (a store's, or `log:<group>`) to position. */
export type Positions = Readonly<Record<string, number>>

/** A session as it travels: what must be visible, and the instant that expiry has reached. */
export interface SessionState {
  readonly positions: Positions
  readonly nowMs: number
}

/** How fresh a read must be. One type for all modes. */
export type ReadLevel = 'strong' | 'session' | 'stale' | { readonly maxStalenessMs: number }

/** Carried by every request. */
export interface RequestHeader {
  readonly version: number
  readonly schemaVersion: number
  /**
   * On whose behalf; `null`: the caller's own. Believed only from callers that are trusted to speak
   * for others (a node that forwards, the own process): see `src/tenancy/authorize.ts`.
   */
  readonly principal: Principal | null
  /** Where the caller stands: residency is judged for it. */
  readonly clientRegion: string
  /** What is left of the call's deadline. */
  readonly timeoutMs: number
  readonly session: SessionState
  /** W3C trace context (`traceparent`), if the caller has one. */
  readonly trace: string | null
  /** Set by a node that forwards a read to the tenant's home. */
  readonly forwarded: boolean
}

/** Reads, all of one tenant or of the global scope (tenant ''). */
export type ReadBody =
  | {
      readonly kind: 'get'
      readonly table: number
      readonly tenant: string
      readonly keys: readonly (readonly SqlValue[])[]
      readonly level: ReadLevel
    }
  | {
      readonly kind: 'list'
      readonly table: number
      readonly tenant: string
      readonly query: ListQuery
      readonly level: ReadLevel
    }
  | {
      readonly kind: 'query'
      readonly tenant: string
      readonly sql: string
      readonly args: readonly SqlValue[]
      readonly level: ReadLevel
      /** Of a strong transaction: the answer has the guard for its commit. */
      readonly guarded?: boolean
    }
  | {
      readonly kind: 'view'
      readonly view: number
      readonly tenant: string
      /** Values of the leading group columns, to read one group or a prefix. */
      readonly prefix: readonly SqlValue[]
      readonly limit: number
      readonly level: ReadLevel
    }

/** Everything that a client asks. */
export type RequestBody =
  | ReadBody
  | { readonly kind: 'commit'; readonly request: TransactionRequest }
  | { readonly kind: 'tenant'; readonly tenant: string; readonly fresh: boolean }
  | {
      readonly kind: 'createTenant'
      readonly tenant: string
      readonly home: string
      /** `null`: the class of tenants that name none. */
      readonly tenantClass: string | null
      readonly txId: string
    }
  /**
   * The first message of a client: checks versions, tells how far the region has come. The
   * fingerprint of the client's schema shows whether both number its tables alike; clients that
   * came before it leave it out.
   */
  | { readonly kind: 'hello'; readonly schemaFingerprint?: string }
  | { readonly kind: 'keys'; readonly tenant: string; readonly fresh: boolean }
  | { readonly kind: 'createKeys'; readonly tenant: string; readonly keys: readonly WireKey[] }

/** The body of a request of one kind. */
export type BodyOf<K extends RequestBody['kind']> = Extract<RequestBody, { readonly kind: K }>

/** A wrapped data key of a tenant for one region. */
export interface WireKey {
  readonly lineage: string
  readonly generation: number
  readonly region: string
  readonly wrapped: Uint8Array
}

/** A request as a whole. */
export interface Request {
  readonly header: RequestHeader
  readonly body: RequestBody
}

/** What is known of how a call was served. */
export interface WireReceipt {
  readonly level: ReadLevel
  readonly region: string
  readonly source: 'home' | 'replica' | 'cache' | 'view' | 'log'
  /** Upper bound of the staleness in ms; `null` where none is known. */
  readonly stalenessMs: number | null
  /** Cross-region round trips behind the node that was asked. */
  readonly crossRegionRoundTrips: number
}

/** What is known of a call that failed. */
export interface FailedReceipt {
  /** Of a read: the level that was asked for; else `null`. */
  readonly level: ReadLevel | null
  /** The region whose node refused it. */
  readonly region: string
  readonly crossRegionRoundTrips: number
}

/** A row as `get` and `list` give it; `null`: absent. */
export type WireRow = { readonly image: RowImage; readonly version: string } | null

/** Answers, by the kind of the request. */
export interface ResponseValues {
  readonly get: { readonly rows: readonly WireRow[] }
  readonly list: { readonly rows: readonly WireRow[]; readonly more: boolean }
  readonly query: {
    readonly rows: readonly SqlRow[]
    readonly columns: readonly WireColumn[]
    /** Where `guarded` was asked for. */
    readonly guard?: SqlGuard
  }
  readonly view: { readonly rows: readonly SqlRow[]; readonly more: boolean }
  readonly commit: {
    readonly txId: string
    readonly hlc: string
    readonly updated: readonly RowImage[]
  }
  readonly hello: { readonly positions: Positions }
  readonly tenant: WireTenant | null
  readonly createTenant: WireTenant
  readonly keys: readonly WireKey[]
  readonly createKeys: readonly WireKey[]
}

/** A result column of user SQL: its name, and the column it comes from where it is a plain one. */
export interface WireColumn {
  readonly name: string
  readonly table: number | null
  readonly column: number | null
}

/** A tenant as a client needs to know it. */
export interface WireTenant {
  readonly home: string
  readonly epoch: number
  readonly state: string
  readonly tenantClass: string
  readonly regions: readonly string[]
}

/** A response. `session` is what the caller has now seen. */
export type Response =
  | {
      readonly ok: true
      readonly value: ResponseValues[keyof ResponseValues]
      readonly session: SessionState
      readonly receipt: WireReceipt
    }
  | { readonly ok: false; readonly error: WireError; readonly receipt: FailedReceipt | null }
