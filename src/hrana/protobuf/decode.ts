/** Messages of clients from protobuf (the schema at the end of `HRANA_3_SPEC.md`). */
import { malformed } from '../errors.ts'
import type {
  Batch,
  ClientMessage,
  CursorRequest,
  PipelineRequest,
  SessionRequest,
  SocketRequest,
  SqlRef,
  Stmt,
  StoreRequest,
  StreamRequest,
} from '../model.ts'
import { readBatch, readSqlRef, readStmt, required } from './decode-shared.ts'
import { ProtobufReader } from './reader.ts'

/** @throws HranaError `MALFORMED`; so do all here */
export function decodePipeline(bytes: Uint8Array): PipelineRequest {
  const reader = new ProtobufReader(bytes)
  let baton: string | undefined
  const requests: StreamRequest[] = []
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) baton = reader.string()
    else if (field === 2) requests.push(readStreamRequest(reader.message()))
    else reader.skip()
  }
  return { baton, requests }
}

export function decodeCursor(bytes: Uint8Array): CursorRequest {
  const reader = new ProtobufReader(bytes)
  let baton: string | undefined
  let batch: Batch | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) baton = reader.string()
    else if (field === 2) batch = readBatch(reader.message())
    else reader.skip()
  }
  return { baton, batch: required(batch, 'the batch') }
}

export function decodeClientMessage(bytes: Uint8Array): ClientMessage {
  const reader = new ProtobufReader(bytes)
  let message: ClientMessage | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) message = readHello(reader.message())
    else if (field === 2) message = readRequest(reader.message())
    else reader.skip()
  }
  return required(message, 'the type of the message')
}

function readHello(reader: ProtobufReader): ClientMessage {
  let jwt: string | null = null
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) jwt = reader.string()
    else reader.skip()
  }
  return { type: 'hello', jwt }
}

function readStreamRequest(reader: ProtobufReader): StreamRequest {
  let request: StreamRequest | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    request = streamRequest(reader, field) ?? request
  }
  return required(request, 'the type of a request')
}

function streamRequest(reader: ProtobufReader, field: number): StreamRequest | undefined {
  switch (field) {
    case 1:
      reader.message()
      return { type: 'close' }
    case 2:
      return { type: 'execute', stmt: onlyStmt(reader.message()) }
    case 3:
      return { type: 'batch', batch: onlyBatch(reader.message()) }
    case 4:
      return { type: 'sequence', sql: readSqlRef(reader.message(), 1) }
    case 5:
      return { type: 'describe', sql: readSqlRef(reader.message(), 1) }
    case 6:
      return storeSql(reader.message())
    case 7:
      return { type: 'close_sql', sqlId: readIds(reader.message()).first }
    case 8:
      reader.message()
      return { type: 'get_autocommit' }
    default:
      reader.skip()
      return undefined
  }
}

function onlyStmt(reader: ProtobufReader): Stmt {
  let stmt: Stmt | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) stmt = readStmt(reader.message())
    else reader.skip()
  }
  return required(stmt, 'the statement')
}

function onlyBatch(reader: ProtobufReader): Batch {
  let batch: Batch | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) batch = readBatch(reader.message())
    else reader.skip()
  }
  return required(batch, 'the batch')
}

function storeSql(reader: ProtobufReader): StoreRequest {
  let sqlId = 0
  let sql = ''
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) sqlId = reader.int32()
    else if (field === 2) sql = reader.string()
    else reader.skip()
  }
  return { type: 'store_sql', sqlId, sql }
}

function readRequest(reader: ProtobufReader): ClientMessage {
  let requestId = 0
  let request: SocketRequest | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) requestId = reader.int32()
    else if (field >= 2 && field <= 13) request = socketRequest(field, reader.message())
    else reader.skip()
  }
  return { type: 'request', requestId, request: required(request, 'the type of a request') }
}

function socketRequest(field: number, reader: ProtobufReader): SocketRequest {
  switch (field) {
    case 2:
      return { type: 'open_stream', streamId: readIds(reader).first }
    case 3:
      return { type: 'close_stream', streamId: readIds(reader).first }
    case 6:
      return openCursor(reader)
    case 7:
      return { type: 'close_cursor', cursorId: readIds(reader).first }
    case 8: {
      const { first, second } = readIds(reader)
      return { type: 'fetch_cursor', cursorId: first, maxCount: second >>> 0 }
    }
    case 11:
      return storeSql(reader)
    case 12:
      return { type: 'close_sql', sqlId: readIds(reader).first }
    default:
      return sessionRequest(field, reader)
  }
}

/** A request whose first field is the stream. */
function sessionRequest(
  field: number,
  reader: ProtobufReader,
): SessionRequest & { readonly streamId: number } {
  let streamId = 0
  let stmt: Stmt | undefined
  let batch: Batch | undefined
  let sql: string | undefined
  let sqlId: number | undefined
  for (let inner = reader.next(); inner !== undefined; inner = reader.next()) {
    if (inner === 1) streamId = reader.int32()
    else if (inner === 2 && field === 4) stmt = readStmt(reader.message())
    else if (inner === 2 && field === 5) batch = readBatch(reader.message())
    else if (inner === 2 && (field === 9 || field === 10)) sql = reader.string()
    else if (inner === 3 && (field === 9 || field === 10)) sqlId = reader.int32()
    else reader.skip()
  }
  const ref: SqlRef = { sql, sqlId }
  switch (field) {
    case 4:
      return { type: 'execute', streamId, stmt: required(stmt, 'the statement') }
    case 5:
      return { type: 'batch', streamId, batch: required(batch, 'the batch') }
    case 9:
      return { type: 'sequence', streamId, sql: ref }
    case 10:
      return { type: 'describe', streamId, sql: ref }
    case 13:
      return { type: 'get_autocommit', streamId }
    default:
      throw malformed('the type of a request is unknown')
  }
}

function openCursor(reader: ProtobufReader): SocketRequest {
  let streamId = 0
  let cursorId = 0
  let batch: Batch | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) streamId = reader.int32()
    else if (field === 2) cursorId = reader.int32()
    else if (field === 3) batch = readBatch(reader.message())
    else reader.skip()
  }
  return { type: 'open_cursor', streamId, cursorId, batch: required(batch, 'the batch') }
}

/** A message of one or two numbers; one that is left out is 0. */
function readIds(reader: ProtobufReader): { readonly first: number; readonly second: number } {
  let first = 0
  let second = 0
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) first = reader.int32()
    else if (field === 2) second = reader.int32()
    else reader.skip()
  }
  return { first, second }
}
