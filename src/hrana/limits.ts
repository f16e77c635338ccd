/** What one client may make the server hold. Each limit has a typed error of its own. */
import { MAX_MESSAGE_BYTES } from '../core/limits.ts'

export interface HranaLimits {
  /** Body of an HTTP request, message of a WebSocket: `REQUEST_TOO_LARGE`, or close code 1009. */
  readonly maxRequestBytes: number
  /** Requests of one pipeline: `PIPELINE_TOO_LARGE`. */
  readonly maxPipelineRequests: number
  /** Statements of one batch: `BATCH_TOO_LARGE`. */
  readonly maxBatchSteps: number
  /** Values of one answer, as JSON would write them: `RESPONSE_TOO_LARGE`. Cursors have no total. */
  readonly maxResponseBytes: number
  /** SQL texts stored for one stream (HTTP) or socket: `SQL_STORE_TOO_MANY`. */
  readonly maxStoredSqls: number
  /** Characters of them together: `SQL_STORE_TOO_LARGE`. */
  readonly maxStoredSqlLength: number
  /** Streams open at once, in all, of one caller, on one socket: `TOO_MANY_STREAMS`. */
  readonly maxStreams: number
  readonly maxStreamsPerCaller: number
  readonly maxStreamsPerSocket: number
  /** An HTTP stream that nobody used for so long is rolled back: `STREAM_EXPIRED`. */
  readonly streamIdleMs: number
  /** A socket must have said hello by then: close code 1008. */
  readonly helloTimeoutMs: number
  /** A socket's token is verified again so often; one that expired ends it with 1008. */
  readonly reauthenticateMs: number
  /** Requests and their bytes that a socket may have under way before it is read no further. */
  readonly maxSocketRequests: number
  readonly maxSocketRequestBytes: number
  /** Answers that wait to be sent beyond which a socket's next requests wait. */
  readonly maxSocketUnsentBytes: number
  /** How long a client may read none of those: close code 1008. */
  readonly unreadTimeoutMs: number
}

/** The limits of sqld where clients know them: 10 s of idleness, answers of 10 MB. */
export const DEFAULT_HRANA_LIMITS: HranaLimits = {
  maxRequestBytes: MAX_MESSAGE_BYTES,
  maxPipelineRequests: 10_000,
  maxBatchSteps: 100_000,
  maxResponseBytes: 10_000_000,
  maxStoredSqls: 200,
  maxStoredSqlLength: 1_000_000,
  maxStreams: 1_024,
  maxStreamsPerCaller: 256,
  maxStreamsPerSocket: 128,
  streamIdleMs: 10_000,
  helloTimeoutMs: 10_000,
  reauthenticateMs: 60_000,
  maxSocketRequests: 256,
  maxSocketRequestBytes: 2 * MAX_MESSAGE_BYTES,
  maxSocketUnsentBytes: 16_000_000,
  unreadTimeoutMs: 30_000,
}

/** How deep conditions of a batch may nest; deeper ones are malformed. */
export const MAX_CONDITION_DEPTH = 32
/** Parts of one condition, all levels together. */
export const MAX_CONDITION_PARTS = 1_000
