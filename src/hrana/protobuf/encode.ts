/** Messages of servers as protobuf. Fields that hold their default are left out, as proto3 does. */
import type { SqlColumn, SqlDescription } from '../../core/ports/sql-session.ts'
import type { SqlRow, SqlValue } from '../../core/values.ts'
import type {
  BatchResult,
  CursorEntry,
  PipelineResponse,
  ServerMessage,
  SessionResponse,
  SocketResponse,
  StmtResult,
  StreamResponse,
  StreamResult,
  WireError,
} from '../model.ts'
import { ProtobufWriter } from './writer.ts'

type Writing = (writer: ProtobufWriter) => void

const nothing: Writing = () => undefined

export function encodePipeline(response: PipelineResponse): Uint8Array {
  const w = new ProtobufWriter()
  if (response.baton !== null) w.string(1, response.baton)
  for (const result of response.results) w.message(3, streamResult(result))
  return w.finish()
}

/** A cursor's answer is messages after their lengths: this one, then entries. */
export function encodeCursorHead(baton: string): Uint8Array {
  const w = new ProtobufWriter()
  w.delimited((head) => head.string(1, baton))
  return w.finish()
}

export function encodeCursorEntries(entries: readonly CursorEntry[]): Uint8Array {
  const w = new ProtobufWriter()
  for (const entry of entries) w.delimited(cursorEntry(entry))
  return w.finish()
}

export function encodeServerMessage(message: ServerMessage): Uint8Array {
  const w = new ProtobufWriter()
  switch (message.type) {
    case 'hello_ok':
      w.message(1, nothing)
      break
    case 'hello_error':
      w.message(2, (m) => m.message(1, wireError(message.error)))
      break
    case 'response_ok':
      w.message(3, (m) => {
        m.int32(1, message.requestId)
        m.message(SOCKET_FIELDS[message.response.type], socketResponse(message.response))
      })
      break
    case 'response_error':
      w.message(4, (m) => {
        m.int32(1, message.requestId)
        m.message(2, wireError(message.error))
      })
  }
  return w.finish()
}

const STREAM_FIELDS: Readonly<Record<StreamResponse['type'], number>> = {
  close: 1,
  execute: 2,
  batch: 3,
  sequence: 4,
  describe: 5,
  store_sql: 6,
  close_sql: 7,
  get_autocommit: 8,
}

const SOCKET_FIELDS: Readonly<Record<SocketResponse['type'], number>> = {
  open_stream: 2,
  close_stream: 3,
  execute: 4,
  batch: 5,
  open_cursor: 6,
  close_cursor: 7,
  fetch_cursor: 8,
  sequence: 9,
  describe: 10,
  store_sql: 11,
  close_sql: 12,
  get_autocommit: 13,
}

function streamResult(result: StreamResult): Writing {
  return (w) => {
    if (result.type === 'error') {
      w.message(2, wireError(result.error))
      return
    }
    const { response } = result
    w.message(1, (m) => m.message(STREAM_FIELDS[response.type], anyResponse(response)))
  }
}

function socketResponse(response: SocketResponse): Writing {
  if (response.type !== 'fetch_cursor') return anyResponse(response)
  return (w) => {
    for (const entry of response.entries) w.message(1, cursorEntry(entry))
    if (response.done) w.bool(2, true)
  }
}

function anyResponse(
  response:
    | SessionResponse
    | { readonly type: Exclude<SocketResponse['type'], 'fetch_cursor'> | 'close' },
): Writing {
  if ('result' in response) {
    return (w) => {
      switch (response.type) {
        case 'execute':
          w.message(1, stmtResult(response.result))
          break
        case 'batch':
          w.message(1, batchResult(response.result))
          break
        case 'describe':
          w.message(1, description(response.result))
      }
    }
  }
  if ('isAutocommit' in response && response.isAutocommit) return (w) => w.bool(1, true)
  return nothing
}

function wireError(error: WireError): Writing {
  return (w) => {
    w.string(1, error.message)
    w.string(2, error.code)
  }
}

function stmtResult(result: StmtResult): Writing {
  return (w) => {
    for (const one of result.columns) w.message(1, column(one))
    for (const one of result.rows) w.message(2, row(one))
    if (result.affectedRowCount > 0) w.uint(3, result.affectedRowCount)
    if (result.lastInsertRowid !== null) w.sint64(4, result.lastInsertRowid)
    // sqld's additions: 6 and 7 would be rows read and written, which are not counted.
    w.double(8, result.durationMs)
  }
}

/** Maps by step: an entry is a message of its key and its value. */
function batchResult(result: BatchResult): Writing {
  return (w) => {
    for (const [step, one] of result.results.entries()) {
      if (one !== null) w.message(1, mapEntry(step, stmtResult(one)))
    }
    for (const [step, one] of result.errors.entries()) {
      if (one !== null) w.message(2, mapEntry(step, wireError(one)))
    }
  }
}

function mapEntry(key: number, value: Writing): Writing {
  return (w) => {
    w.uint(1, key)
    w.message(2, value)
  }
}

function column({ name, decltype }: SqlColumn): Writing {
  return (w) => {
    if (name !== null) w.string(1, name)
    if (decltype !== null) w.string(2, decltype)
  }
}

function row(values: SqlRow): Writing {
  return (w) => {
    for (const value of values) w.message(1, sqlValue(value))
  }
}

function sqlValue(value: SqlValue): Writing {
  return (w) => {
    if (value === null) w.message(1, nothing)
    else if (typeof value === 'bigint') w.sint64(2, value)
    else if (typeof value === 'number') w.double(3, value)
    else if (typeof value === 'string') w.string(4, value)
    else w.bytes(5, value)
  }
}

function cursorEntry(entry: CursorEntry): Writing {
  return (w) => {
    switch (entry.type) {
      case 'step_begin':
        w.message(1, (m) => {
          m.uint(1, entry.step)
          for (const one of entry.columns) m.message(2, column(one))
        })
        break
      case 'step_end':
        w.message(2, (m) => {
          m.uint(1, entry.affectedRowCount)
          if (entry.lastInsertRowid !== null) m.sint64(2, entry.lastInsertRowid)
        })
        break
      case 'step_error':
        w.message(3, (m) => {
          m.uint(1, entry.step)
          m.message(2, wireError(entry.error))
        })
        break
      case 'row':
        w.message(4, row(entry.row))
        break
      case 'error':
        w.message(5, wireError(entry.error))
    }
  }
}

function description(result: SqlDescription): Writing {
  return (w) => {
    for (const { name } of result.params) w.message(1, column({ name, decltype: null }))
    for (const { name, decltype } of result.columns) {
      w.message(2, column({ name: name ?? '', decltype }))
    }
    if (result.isExplain) w.bool(3, true)
    if (result.isReadonly) w.bool(4, true)
  }
}
