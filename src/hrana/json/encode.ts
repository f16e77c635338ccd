/**
 * Messages of servers as JSON. Rows are written by hand: there are many of them, and JSON has no
 * word for infinite numbers, so they become `1e999`, which readers take for them.
 */
import type { SqlColumn, SqlDescription } from '../../core/ports/sql-session.ts'
import type { SqlRow, SqlValue } from '../../core/values.ts'
import { toBase64 } from '../base64.ts'
import type {
  BatchResult,
  CursorEntry,
  PipelineResponse,
  ServerMessage,
  SocketResponse,
  StmtResult,
  StreamResponse,
  StreamResult,
} from '../model.ts'

export function encodePipeline(response: PipelineResponse): string {
  const baton = JSON.stringify(response.baton)
  return `{"baton":${baton},"base_url":null,"results":${list(response.results, streamResult)}}`
}

/** A cursor's answer is lines: this one, then entries. */
export function encodeCursorHead(baton: string): string {
  return `{"baton":${JSON.stringify(baton)},"base_url":null}\n`
}

export function encodeCursorEntries(entries: readonly CursorEntry[]): string {
  let lines = ''
  for (const entry of entries) lines += `${cursorEntry(entry)}\n`
  return lines
}

export function encodeServerMessage(message: ServerMessage): string {
  switch (message.type) {
    case 'hello_ok':
    case 'hello_error':
      return JSON.stringify(message)
    case 'response_ok':
      return `{"type":"response_ok","request_id":${message.requestId},"response":${answer(message.response)}}`
    case 'response_error':
      return JSON.stringify({
        type: message.type,
        request_id: message.requestId,
        error: message.error,
      })
  }
}

function streamResult(result: StreamResult): string {
  return result.type === 'ok'
    ? `{"type":"ok","response":${answer(result.response)}}`
    : JSON.stringify(result)
}

function answer(response: StreamResponse | SocketResponse): string {
  switch (response.type) {
    case 'execute':
      return `{"type":"execute","result":${stmtResult(response.result)}}`
    case 'batch':
      return `{"type":"batch","result":${batchResult(response.result)}}`
    case 'describe':
      return JSON.stringify({ type: response.type, result: description(response.result) })
    case 'get_autocommit':
      return JSON.stringify({ type: response.type, is_autocommit: response.isAutocommit })
    case 'fetch_cursor':
      return `{"type":"fetch_cursor","entries":${list(response.entries, cursorEntry)},"done":${response.done}}`
    case 'sequence':
    case 'store_sql':
    case 'close_sql':
    case 'close':
    case 'open_stream':
    case 'close_stream':
    case 'open_cursor':
    case 'close_cursor':
      return JSON.stringify({ type: response.type })
  }
}

function batchResult(result: BatchResult): string {
  const results = list(result.results, (one) => (one === null ? 'null' : stmtResult(one)))
  return `{"step_results":${results},"step_errors":${JSON.stringify(result.errors)},"replication_index":null}`
}

/** `rows_read` and `rows_written` are not counted: sqld's readers expect them to be there. */
function stmtResult(result: StmtResult): string {
  const counts = {
    affected_row_count: result.affectedRowCount,
    last_insert_rowid: rowid(result.lastInsertRowid),
    replication_index: null,
    rows_read: 0,
    rows_written: 0,
    query_duration_ms: result.durationMs,
  }
  const columns = JSON.stringify(result.columns.map(column))
  return `{"cols":${columns},"rows":${list(result.rows, row)},${JSON.stringify(counts).slice(1)}`
}

function column({ name, decltype }: SqlColumn): SqlColumn {
  return { name, decltype }
}

function rowid(id: bigint | null): string | null {
  return id === null ? null : id.toString()
}

function row(values: SqlRow): string {
  return list(values, value)
}

function value(one: SqlValue): string {
  switch (typeof one) {
    case 'bigint':
      return `{"type":"integer","value":"${one}"}`
    case 'number':
      return `{"type":"float","value":${float(one)}}`
    case 'string':
      return `{"type":"text","value":${JSON.stringify(one)}}`
    default:
      return one === null ? '{"type":"null"}' : `{"type":"blob","base64":"${toBase64(one)}"}`
  }
}

function float(one: number): string {
  if (Number.isFinite(one)) return Object.is(one, -0) ? '-0.0' : String(one)
  return one > 0 ? '1e999' : '-1e999'
}

function cursorEntry(entry: CursorEntry): string {
  switch (entry.type) {
    case 'step_begin':
      return JSON.stringify({
        type: entry.type,
        step: entry.step,
        cols: entry.columns.map(column),
      })
    case 'row':
      return `{"type":"row","row":${row(entry.row)}}`
    case 'step_end':
      return JSON.stringify({
        type: entry.type,
        affected_row_count: entry.affectedRowCount,
        last_insert_rowid: rowid(entry.lastInsertRowid),
      })
    case 'step_error':
    case 'error':
      return JSON.stringify(entry)
  }
}

function description(result: SqlDescription): unknown {
  return {
    params: result.params.map(({ name }) => ({ name })),
    // A result column always has a name for whoever describes; NULL would break readers.
    cols: result.columns.map(({ name, decltype }) => ({ name: name ?? '', decltype })),
    is_explain: result.isExplain,
    is_readonly: result.isReadonly,
  }
}

function list<T>(elements: readonly T[], encode: (element: T) => string): string {
  let text = '['
  for (let i = 0; i < elements.length; i++) {
    if (i > 0) text += ','
    text += encode(elements[i] as T)
  }
  return `${text}]`
}
