/**
 * What Hrana 2 and 3 say, whatever their encoding (libSQL's `HRANA_3_SPEC.md`). Codecs turn bytes
 * into these and back; execution knows nothing else.
 */
import type { SqlColumn, SqlDescription } from '../core/ports/sql-session.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'

export type HranaVersion = 2 | 3

/** Which SQL: exactly one of the two; whoever runs it checks that. */
export interface SqlRef {
  readonly sql: string | undefined
  /** The id of a text that was stored before. */
  readonly sqlId: number | undefined
}

export interface NamedArg {
  readonly name: string
  readonly value: SqlValue
}

export interface Stmt extends SqlRef {
  readonly args: readonly SqlValue[]
  readonly namedArgs: readonly NamedArg[]
  readonly wantRows: boolean
}

export type BatchCond =
  | { readonly type: 'ok' | 'error'; readonly step: number }
  | { readonly type: 'not'; readonly cond: BatchCond }
  | { readonly type: 'and' | 'or'; readonly conds: readonly BatchCond[] }
  | { readonly type: 'is_autocommit' }

export interface BatchStep {
  readonly condition: BatchCond | undefined
  readonly stmt: Stmt
}

export interface Batch {
  readonly steps: readonly BatchStep[]
}

/** A request to the database behind a stream. */
export type SessionRequest =
  | { readonly type: 'execute'; readonly stmt: Stmt }
  | { readonly type: 'batch'; readonly batch: Batch }
  | { readonly type: 'sequence' | 'describe'; readonly sql: SqlRef }
  | { readonly type: 'get_autocommit' }

/** A request to the place where SQL texts are stored. */
export type StoreRequest =
  | { readonly type: 'store_sql'; readonly sqlId: number; readonly sql: string }
  | { readonly type: 'close_sql'; readonly sqlId: number }

/** One request of a pipeline (HTTP). */
export type StreamRequest = SessionRequest | StoreRequest | { readonly type: 'close' }

export interface PipelineRequest {
  readonly baton: string | undefined
  readonly requests: readonly StreamRequest[]
}

export interface CursorRequest {
  readonly baton: string | undefined
  readonly batch: Batch
}

/** One request over a WebSocket. */
export type SocketRequest =
  | StoreRequest
  | (SessionRequest & { readonly streamId: number })
  | { readonly type: 'open_stream' | 'close_stream'; readonly streamId: number }
  | {
      readonly type: 'open_cursor'
      readonly streamId: number
      readonly cursorId: number
      readonly batch: Batch
    }
  | { readonly type: 'close_cursor'; readonly cursorId: number }
  | { readonly type: 'fetch_cursor'; readonly cursorId: number; readonly maxCount: number }

export type ClientMessage =
  | { readonly type: 'hello'; readonly jwt: string | null }
  | { readonly type: 'request'; readonly requestId: number; readonly request: SocketRequest }

/** An error as clients see it; `code` is stable, the message is for people. */
export interface WireError {
  readonly message: string
  readonly code: string
}

export interface StmtResult {
  readonly columns: readonly SqlColumn[]
  readonly rows: readonly SqlRow[]
  readonly affectedRowCount: number
  readonly lastInsertRowid: bigint | null
  /** How long the statement took, measured here. */
  readonly durationMs: number
}

/** By step; `null` in both for one that was skipped. */
export interface BatchResult {
  readonly results: readonly (StmtResult | null)[]
  readonly errors: readonly (WireError | null)[]
}

export type SessionResponse =
  | { readonly type: 'execute'; readonly result: StmtResult }
  | { readonly type: 'batch'; readonly result: BatchResult }
  | { readonly type: 'sequence' }
  | { readonly type: 'describe'; readonly result: SqlDescription }
  | { readonly type: 'get_autocommit'; readonly isAutocommit: boolean }

export type StreamResponse =
  | SessionResponse
  | { readonly type: 'store_sql' | 'close_sql' | 'close' }

export type StreamResult =
  | { readonly type: 'ok'; readonly response: StreamResponse }
  | { readonly type: 'error'; readonly error: WireError }

export interface PipelineResponse {
  /** `null`: the stream is closed. */
  readonly baton: string | null
  readonly results: readonly StreamResult[]
}

export type CursorEntry =
  | { readonly type: 'step_begin'; readonly step: number; readonly columns: readonly SqlColumn[] }
  | { readonly type: 'row'; readonly row: SqlRow }
  | {
      readonly type: 'step_end'
      readonly affectedRowCount: number
      readonly lastInsertRowid: bigint | null
    }
  | { readonly type: 'step_error'; readonly step: number; readonly error: WireError }
  | { readonly type: 'error'; readonly error: WireError }

export type SocketResponse =
  | SessionResponse
  | {
      readonly type:
        | 'open_stream'
        | 'close_stream'
        | 'open_cursor'
        | 'close_cursor'
        | 'store_sql'
        | 'close_sql'
    }
  | {
      readonly type: 'fetch_cursor'
      readonly entries: readonly CursorEntry[]
      readonly done: boolean
    }

export type ServerMessage =
  | { readonly type: 'hello_ok' }
  | { readonly type: 'hello_error'; readonly error: WireError }
  | {
      readonly type: 'response_ok'
      readonly requestId: number
      readonly response: SocketResponse
    }
  | { readonly type: 'response_error'; readonly requestId: number; readonly error: WireError }

/** One encoding of the protocol. What cannot be decoded throws `HranaError` `MALFORMED`. */
export interface HranaCodec {
  /** Of a pipeline's answer. */
  readonly contentType: string
  /** Of a cursor's answer, which is one framed message after another. */
  readonly cursorContentType: string
  decodePipeline(body: Uint8Array): PipelineRequest
  decodeCursor(body: Uint8Array): CursorRequest
  encodePipeline(response: PipelineResponse): string | Uint8Array
  /** The first message of a cursor's answer. */
  encodeCursorHead(baton: string): string | Uint8Array
  encodeCursorEntries(entries: readonly CursorEntry[]): string | Uint8Array
  decodeClientMessage(message: string | Uint8Array): ClientMessage
  encodeServerMessage(message: ServerMessage): string | Uint8Array
}
