/** Messages of clients from JSON. */
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../core/values.ts'
import { fromBase64 } from '../base64.ts'
import { malformed } from '../errors.ts'
import { MAX_CONDITION_DEPTH, MAX_CONDITION_PARTS } from '../limits.ts'
import type {
  Batch,
  BatchCond,
  BatchStep,
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
import {
  asObject,
  flagField,
  int32Field,
  listField,
  numberField,
  objectField,
  optionalInt32,
  optionalList,
  optionalObject,
  optionalText,
  textField,
  uint32Field,
  type JsonObject,
} from './fields.ts'

const INTEGER = /^[+-]?\d{1,20}$/

/** @throws HranaError `MALFORMED`; so do all here */
export function decodePipeline(text: string): PipelineRequest {
  const body = parse(text)
  return {
    baton: optionalText(body, 'baton'),
    requests: listField(body, 'requests', streamRequest),
  }
}

export function decodeCursor(text: string): CursorRequest {
  const body = parse(text)
  return { baton: optionalText(body, 'baton'), batch: batchField(body) }
}

export function decodeClientMessage(text: string): ClientMessage {
  const message = parse(text)
  const type = textField(message, 'type')
  switch (type) {
    case 'hello':
      return { type, jwt: optionalText(message, 'jwt') ?? null }
    case 'request':
      return {
        type,
        requestId: int32Field(message, 'request_id'),
        request: socketRequest(objectField(message, 'request')),
      }
    default:
      throw malformed('the type of the message is unknown')
  }
}

function parse(text: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which may hold values of rows.
    throw malformed('it is not JSON')
  }
  return asObject(value, 'the message')
}

function streamRequest(request: JsonObject): StreamRequest {
  const type = textField(request, 'type')
  if (type === 'close') return { type }
  return storeRequest(type, request) ?? sessionRequest(type, request) ?? unknownRequest()
}

function socketRequest(request: JsonObject): SocketRequest {
  const type = textField(request, 'type')
  switch (type) {
    case 'open_stream':
    case 'close_stream':
      return { type, streamId: int32Field(request, 'stream_id') }
    case 'open_cursor':
      return {
        type,
        streamId: int32Field(request, 'stream_id'),
        cursorId: int32Field(request, 'cursor_id'),
        batch: batchField(request),
      }
    case 'close_cursor':
      return { type, cursorId: int32Field(request, 'cursor_id') }
    case 'fetch_cursor':
      return {
        type,
        cursorId: int32Field(request, 'cursor_id'),
        maxCount: uint32Field(request, 'max_count'),
      }
    default: {
      const stored = storeRequest(type, request)
      if (stored !== undefined) return stored
      const asked = sessionRequest(type, request) ?? unknownRequest()
      return { ...asked, streamId: int32Field(request, 'stream_id') }
    }
  }
}

function unknownRequest(): never {
  throw malformed('the type of a request is unknown')
}

function storeRequest(type: string, request: JsonObject): StoreRequest | undefined {
  switch (type) {
    case 'store_sql':
      return { type, sqlId: int32Field(request, 'sql_id'), sql: textField(request, 'sql') }
    case 'close_sql':
      return { type, sqlId: int32Field(request, 'sql_id') }
    default:
      return undefined
  }
}

function sessionRequest(type: string, request: JsonObject): SessionRequest | undefined {
  switch (type) {
    case 'execute':
      return { type, stmt: stmt(objectField(request, 'stmt')) }
    case 'batch':
      return { type, batch: batchField(request) }
    case 'sequence':
    case 'describe':
      return { type, sql: sqlRef(request) }
    case 'get_autocommit':
      return { type }
    default:
      return undefined
  }
}

function sqlRef(object: JsonObject): SqlRef {
  return { sql: optionalText(object, 'sql'), sqlId: optionalInt32(object, 'sql_id') }
}

function stmt(object: JsonObject): Stmt {
  return {
    ...sqlRef(object),
    args: optionalList(object, 'args', sqlValue),
    namedArgs: optionalList(object, 'named_args', (arg) => ({
      name: textField(arg, 'name'),
      value: sqlValue(objectField(arg, 'value')),
    })),
    wantRows: flagField(object, 'want_rows', true),
  }
}

function batchField(object: JsonObject): Batch {
  return { steps: listField(objectField(object, 'batch'), 'steps', batchStep) }
}

function batchStep(object: JsonObject): BatchStep {
  const condition = optionalObject(object, 'condition')
  return {
    condition: condition === undefined ? undefined : decodeCondition(condition),
    stmt: stmt(objectField(object, 'stmt')),
  }
}

function decodeCondition(object: JsonObject): BatchCond {
  let parts = 0
  const decode = (part: JsonObject, depth: number): BatchCond => {
    if (depth > MAX_CONDITION_DEPTH || ++parts > MAX_CONDITION_PARTS) {
      throw malformed('a condition nests too deeply or has too many parts')
    }
    const type = textField(part, 'type')
    switch (type) {
      case 'ok':
      case 'error':
        return { type, step: uint32Field(part, 'step') }
      case 'not':
        return { type, cond: decode(objectField(part, 'cond'), depth + 1) }
      case 'and':
      case 'or':
        return { type, conds: listField(part, 'conds', (inner) => decode(inner, depth + 1)) }
      case 'is_autocommit':
        return { type }
      default:
        throw malformed('the type of a condition is unknown')
    }
  }
  return decode(object, 1)
}

function sqlValue(object: JsonObject): SqlValue {
  switch (textField(object, 'type')) {
    case 'null':
      return null
    case 'integer':
      return integer(textField(object, 'value'))
    case 'float':
      return numberField(object, 'value')
    case 'text':
      return textField(object, 'value')
    case 'blob': {
      const bytes = fromBase64(textField(object, 'base64'))
      if (bytes === undefined) throw malformed('`base64` is not base64')
      return bytes
    }
    default:
      throw malformed('the type of a value is unknown')
  }
}

function integer(text: string): bigint {
  // The shape comes first: BigInt takes long over long texts, and reads `0x10` and the empty text.
  const value = INTEGER.test(text) ? BigInt(text.replace('+', '')) : undefined
  if (value === undefined || value < INT64_MIN || value > INT64_MAX) {
    throw malformed('an integer is not a decimal number of 64 bits')
  }
  return value
}
