/**
 * Meridian's client: schemas, connections, typed tables. Runs wherever JavaScript runs: it imports
 * no `node:` module and no engine.
 */

// Schemas
export { defineSchema, table } from '../schema/define.ts'
export {
  bigint,
  blob,
  boolean,
  collaborativeText,
  counter,
  integer,
  json,
  real,
  set,
  text,
  timestamp,
} from '../schema/columns.ts'
export type { Schema, Table, TableOptions } from '../schema/define.ts'
export type { InsertRow, RowKey, SelectRow, UpdateRow } from '../schema/row-types.ts'

// Updates
export * from '../schema/operators.ts'

// Connections and calls
export { connect } from './connect.ts'
export type { ConnectOptions, Deployment } from './connect.ts'
export type { Call, CallOptions, ReadOptions, Receipt, Receipted, WriteOptions } from './call.ts'
export type { Comparison } from './list.ts'
export type { ClientSession } from './sessions.ts'
export type {
  ColumnReadOptions,
  ConditionOptions,
  Database,
  ListOptions,
  Page,
  QueryBuilder,
  StrongTransactionTable,
  TableHandle,
  Tenant,
  TenantHandle,
  Tenants,
  Transaction,
  TransactionListOptions,
  TransactionOptions,
  TransactionTable,
  ViewHandle,
} from './types.ts'
export type { Consistency as ReadConsistency, ReadWish } from '../session/levels.ts'
export type { FailedReceipt, ReadLevel } from '../protocol/messages.ts'
export type { Principal, Scope } from '../core/principal.ts'

// Errors
export { ERROR_CODES, isErrorCode, MeridianError } from '../core/errors.ts'
export type { ErrorCode, Retry } from '../core/errors.ts'
