/** Every limit, named, in one place. */

/** Deadline of a call that names none. */
export const DEFAULT_DEADLINE_MS = 10_000
/** Rows of one `insertMany`, keys of one `getMany`, operations of one transaction. */
export const MAX_OPERATIONS = 10_000
/** Rows that a list returns at most in a page, and when no limit is named. */
export const MAX_PAGE_ROWS = 10_000
export const DEFAULT_PAGE_ROWS = 100
/** Rows that user SQL may return. */
export const MAX_QUERY_ROWS = 100_000
/** Bytes of the values that user SQL may return. */
export const MAX_QUERY_BYTES: number = 10 * 1024 * 1024
/** Bytes of the rows that a read gives, or a transaction for its updates: all are in memory at once. */
export const MAX_ROWS_BYTES: number = 64 * 1024 * 1024
/** Bytes of one message. */
export const MAX_MESSAGE_BYTES: number = 16 * 1024 * 1024
/** Values, keys and lists of one request: what it costs to decode. */
export const MAX_MESSAGE_ELEMENTS = 2_000_000
/** Positions of one session: a source is a life of a store, of which a deployment has few. */
export const MAX_SESSION_POSITIONS = 1_000
/** A node works on no call longer than this, whatever deadline it comes with. */
export const MAX_DEADLINE_MS: number = 10 * 60 * 1000
/** Characters of user SQL, of a tenant id, of a text key, bytes of one cell. */
export const MAX_SQL_LENGTH = 100_000
export const MAX_TENANT_ID_LENGTH = 128
export const MAX_CELL_BYTES: number = 4 * 1024 * 1024
export const MAX_IDEMPOTENCY_KEY_LENGTH = 128
/** Waiting writes of one store beyond which new ones are shed with `OVERLOADED`. */
export const MAX_QUEUED_WRITES = 10_000
/** Idempotency outcomes are kept this long; older keys are refused. */
export const IDEMPOTENCY_RETENTION_MS: number = 24 * 60 * 60 * 1000
/** Rows that the ranges of one strong transaction cover together: every region reads them again. */
export const MAX_GUARDED_ROWS = 1_000
/** Conditions of such a range, their values, and the columns of its order. */
export const MAX_GUARD_CONDITIONS = 100
export const MAX_GUARD_VALUES = 1_000
export const MAX_GUARD_ORDER = 16
/** Statements of SQL that one strong transaction reads: every region runs them again. */
export const MAX_GUARD_QUERIES = 8
/** Tables that one of them names, each as often as it is named. */
export const MAX_GUARD_TABLES = 8
/** Rows and bytes that one of them may give, characters of its text, bytes of its arguments. */
export const MAX_GUARD_QUERY_ROWS = 1_000
export const MAX_GUARD_QUERY_BYTES: number = 1024 * 1024
export const MAX_GUARD_SQL_LENGTH = 10_000
export const MAX_GUARD_ARGUMENT_BYTES: number = 16 * 1024
/** Reads that the answer to a conflict names. */
export const MAX_NAMED_CONFLICTS = 16
/** How often an optimistic transaction runs again after a conflict. */
export const MAX_TRANSACTION_ATTEMPTS = 10
/** Stamps further ahead of this region's clock than this are held, not applied. */
export const MAX_CLOCK_DRIFT_MS = 60_000
/** A node whose clock is further than this from those of most regions writes nothing to strong tables. */
export const DEFAULT_CLOCK_SKEW_MS = 500
/** Strong transactions whose basis is further back than this many records are refused. */
export const STRONG_OUTCOME_WINDOW = 100_000
