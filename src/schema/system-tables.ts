/**
 * The tables that every store has besides the user's, and the statements that speak to them.
 * Laid once: format changes raise `STORE_FORMAT`.
 */
import { CAUSES, type Cause, type Origin } from '../core/change.ts'
import type { Hlc } from '../core/hlc.ts'
import type { Statement } from '../core/ports/store.ts'

/** `PRAGMA application_id` of a store: 'MRDN'. */
export const STORE_APPLICATION_ID = 0x4d52444e
/** `PRAGMA user_version` of a store. */
export const STORE_FORMAT = 1

/** DDL of the system tables, in order; every statement may be repeated. */
export const SYSTEM_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS _meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,

  // The running transaction's context, which triggers read, and the store's clock in one row.
  // capture = 0 while the writer records changes itself (imports, merges).
  `CREATE TABLE IF NOT EXISTS _tx (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    tx TEXT NOT NULL, hlc TEXT NOT NULL, epoch INTEGER NOT NULL, cause INTEGER NOT NULL,
    schema_version INTEGER NOT NULL, capture INTEGER NOT NULL,
    origin_source TEXT, origin_seq INTEGER
  ) STRICT`,
  `INSERT OR IGNORE INTO _tx VALUES (1, '', '0000000000000000', 0, 0, 0, 1, NULL, NULL)`,
  // The clock never goes back: a writer whose stamp is not above the store's draws again.
  `CREATE TRIGGER IF NOT EXISTS _tx_clock BEFORE UPDATE OF hlc ON _tx WHEN new.hlc <= old.hlc
    BEGIN SELECT RAISE(ABORT, 'HLC_BEHIND'); END`,

  // Inserting here fails always: INSERT INTO _guard SELECT 1 WHERE <the condition is broken>.
  `CREATE TABLE IF NOT EXISTS _guard (broken INTEGER CHECK (broken = 0)) STRICT`,

  // Every change of the store. origin_seq NULL: made here, its origin seq is seq itself.
  `CREATE TABLE IF NOT EXISTS _outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    origin_source TEXT, origin_epoch INTEGER NOT NULL, origin_seq INTEGER,
    tx TEXT NOT NULL, hlc TEXT NOT NULL, schema_version INTEGER NOT NULL, cause INTEGER NOT NULL,
    table_id INTEGER NOT NULL, op INTEGER NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL,
    before TEXT, after TEXT, ver TEXT NOT NULL, delta BLOB
  ) STRICT`,

  // How far this store has applied each source (another store) and each log group.
  `CREATE TABLE IF NOT EXISTS _positions (
    source TEXT PRIMARY KEY, seq INTEGER NOT NULL, hlc TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _log_positions (
    log_group TEXT PRIMARY KEY, log_index INTEGER NOT NULL, log_time_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,

  // Idempotency: the outcome of a write, stored in the write's own transaction.
  `CREATE TABLE IF NOT EXISTS _outcomes (
    tenant TEXT NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL, tx TEXT NOT NULL,
    at_ms INTEGER NOT NULL, result BLOB, PRIMARY KEY (tenant, key)
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS _outcomes_at ON _outcomes (at_ms)`,
  `CREATE TABLE IF NOT EXISTS _strong_outcomes (
    tx TEXT PRIMARY KEY, log_group TEXT NOT NULL, log_index INTEGER NOT NULL, hash TEXT NOT NULL,
    outcome BLOB NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS _strong_outcomes_index ON _strong_outcomes (log_group, log_index)`,

  // The directory, applied from the system log group. Tenants by hash: no region learns the name
  // of a tenant whose data it may not hold.
  `CREATE TABLE IF NOT EXISTS _tenants (
    tenant_key TEXT PRIMARY KEY, home TEXT NOT NULL, epoch INTEGER NOT NULL, state TEXT NOT NULL,
    class TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _keys (
    tenant_key TEXT NOT NULL, lineage TEXT NOT NULL, generation INTEGER NOT NULL,
    region TEXT NOT NULL, wrapped BLOB NOT NULL, PRIMARY KEY (tenant_key, generation, region)
  ) STRICT, WITHOUT ROWID`,

  // Position and clock of each materialized view.
  `CREATE TABLE IF NOT EXISTS _views (
    view_id INTEGER PRIMARY KEY, definition TEXT NOT NULL, position INTEGER NOT NULL,
    now_ms INTEGER NOT NULL
  ) STRICT`,

  // Eventual mode: values that lost a concurrent write, and stamps too far ahead of the clock.
  `CREATE TABLE IF NOT EXISTS _conflicts (
    table_id INTEGER NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL, column_id INTEGER NOT NULL,
    loser TEXT NOT NULL, winner TEXT NOT NULL, value TEXT, uncertain INTEGER NOT NULL,
    PRIMARY KEY (table_id, tenant, key, column_id, loser)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _held (
    source TEXT NOT NULL, seq INTEGER NOT NULL, hlc TEXT NOT NULL, change BLOB NOT NULL,
    PRIMARY KEY (source, seq)
  ) STRICT, WITHOUT ROWID`,
]

/**
 * DDL of what tables with local strong reads need, in stores that have one. Their changes wait in an
 * outbox of their own until they are stable; the columns are those of `_outbox`.
 */
export const LOCAL_READ_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS _unstable_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    origin_source TEXT, origin_epoch INTEGER NOT NULL, origin_seq INTEGER,
    tx TEXT NOT NULL, hlc TEXT NOT NULL, schema_version INTEGER NOT NULL, cause INTEGER NOT NULL,
    table_id INTEGER NOT NULL, op INTEGER NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL,
    before TEXT, after TEXT, ver TEXT NOT NULL, delta BLOB
  ) STRICT`,
  // Up to which seq of it changes are in _outbox.
  `CREATE TABLE IF NOT EXISTS _unstable_released (
    one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL
  ) STRICT`,
  `INSERT OR IGNORE INTO _unstable_released VALUES (1, 0)`,

  // The leases that the log has granted: part of the replicated state.
  `CREATE TABLE IF NOT EXISTS _leases (
    region TEXT NOT NULL, database_id TEXT NOT NULL, log_index INTEGER NOT NULL,
    incarnation INTEGER NOT NULL, seq INTEGER NOT NULL, is_live INTEGER NOT NULL,
    PRIMARY KEY (region, database_id)
  ) STRICT, WITHOUT ROWID`,
  // Of this store alone: its own lease, with the clocks before it was sent, and the stable index.
  `CREATE TABLE IF NOT EXISTS _lease_row (
    database_id TEXT PRIMARY KEY, incarnation INTEGER NOT NULL, seq INTEGER NOT NULL, sent TEXT
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS _stable_index (
    database_id TEXT PRIMARY KEY, log_index INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
]

/** The number that stands for a cause in `_tx` and `_outbox`. */
export function causeCode(cause: Cause): number {
  return CAUSES.indexOf(cause)
}

/** What a transaction says of itself before its first change. */
export interface TransactionContext {
  readonly txId: string
  readonly hlc: Hlc
  readonly epoch: number
  readonly cause: Cause
  readonly schemaVersion: number
  /** Whether triggers record the changes (true) or the writer does (false). */
  readonly capture: boolean
  /** For strong changes: their place in the log. Null: the change is made here. */
  readonly origin: Pick<Origin, 'source' | 'seq'> | null
}

/**
 * The first statement of every transaction that changes rows: sets the context and advances the
 * store's clock. Fails (kind `raise`) when the stamp is not above the clock: draw again.
 */
export function beginContext(context: TransactionContext): Statement {
  return {
    sql: `UPDATE _tx SET tx = ?, hlc = ?, epoch = ?, cause = ?, schema_version = ?, capture = ?,
      origin_source = ?, origin_seq = ?`,
    args: [
      context.txId,
      context.hlc,
      context.epoch,
      causeCode(context.cause),
      context.schemaVersion,
      context.capture ? 1 : 0,
      context.origin?.source ?? null,
      context.origin?.seq ?? null,
    ],
  }
}

/** Changes the cause within a transaction: an expired row that a user's insert replaces. */
export function setCause(cause: Cause): Statement {
  return { sql: 'UPDATE _tx SET cause = ?', args: [causeCode(cause)] }
}

/** The last seq of the outbox in which changes wait to be stable. */
export const LAST_UNSTABLE_SEQ: Statement = {
  sql: `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '_unstable_outbox'), 0)`,
  args: [],
}

/** The localSeq of the store's last change; 0 when there is none. Inside a write: its own last. */
export const LAST_LOCAL_SEQ: Statement = {
  sql: `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '_outbox'), 0)`,
  args: [],
}
