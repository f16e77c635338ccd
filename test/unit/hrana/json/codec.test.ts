import { describe, expect, it } from 'vitest'
import { HranaError } from '../../../../src/hrana/errors.ts'
import { jsonCodec } from '../../../../src/hrana/json/codec.ts'
import type { CursorEntry, StmtResult } from '../../../../src/hrana/model.ts'

const RESULT: StmtResult = {
  columns: [
    { name: 'a', decltype: 'INTEGER' },
    { name: null, decltype: null },
  ],
  rows: [
    [-9223372036854775808n, null],
    [1.5, 'é"\n'],
    [new Uint8Array([7]), 2],
  ],
  affectedRowCount: 3,
  lastInsertRowid: 4n,
  durationMs: 0.5,
}

const WIRE_RESULT = {
  cols: [
    { name: 'a', decltype: 'INTEGER' },
    { name: null, decltype: null },
  ],
  rows: [
    [{ type: 'integer', value: '-9223372036854775808' }, { type: 'null' }],
    [
      { type: 'float', value: 1.5 },
      { type: 'text', value: 'é"\n' },
    ],
    [
      { type: 'blob', base64: 'Bw' },
      { type: 'float', value: 2 },
    ],
  ],
  affected_row_count: 3,
  last_insert_rowid: '4',
  replication_index: null,
  rows_read: 0,
  rows_written: 0,
  query_duration_ms: 0.5,
}

const ERROR = { message: 'm', code: 'C' }

describe('encoding JSON', () => {
  it('writes results, batches and errors of a pipeline as sqld does', () => {
    const text = jsonCodec.encodePipeline({
      baton: null,
      results: [
        { type: 'ok', response: { type: 'execute', result: RESULT } },
        {
          type: 'ok',
          response: {
            type: 'batch',
            result: { results: [RESULT, null, null], errors: [null, ERROR, null] },
          },
        },
        { type: 'error', error: ERROR },
        { type: 'ok', response: { type: 'get_autocommit', isAutocommit: true } },
        {
          type: 'ok',
          response: {
            type: 'describe',
            result: {
              params: [{ name: null }],
              columns: [{ name: null, decltype: null }],
              isExplain: false,
              isReadonly: true,
            },
          },
        },
        { type: 'ok', response: { type: 'close' } },
      ],
    })
    expect(JSON.parse(text as string)).toEqual({
      baton: null,
      base_url: null,
      results: [
        { type: 'ok', response: { type: 'execute', result: WIRE_RESULT } },
        {
          type: 'ok',
          response: {
            type: 'batch',
            result: {
              step_results: [WIRE_RESULT, null, null],
              step_errors: [null, ERROR, null],
              replication_index: null,
            },
          },
        },
        { type: 'error', error: ERROR },
        { type: 'ok', response: { type: 'get_autocommit', is_autocommit: true } },
        {
          type: 'ok',
          response: {
            type: 'describe',
            result: {
              params: [{ name: null }],
              cols: [{ name: '', decltype: null }],
              is_explain: false,
              is_readonly: true,
            },
          },
        },
        { type: 'ok', response: { type: 'close' } },
      ],
    })
  })

  it('writes infinite numbers and negative zero so that readers get them back', () => {
    const entries: CursorEntry[] = [{ type: 'row', row: [Infinity, -Infinity, -0] }]
    const line = jsonCodec.encodeCursorEntries(entries) as string
    const { row } = JSON.parse(line) as { row: { value: number }[] }
    expect(row.map(({ value }) => value)).toEqual([Infinity, -Infinity, -0])
  })

  it('writes cursors as lines', () => {
    const text = [
      jsonCodec.encodeCursorHead('b'),
      jsonCodec.encodeCursorEntries([
        { type: 'step_begin', step: 1, columns: [{ name: 'a', decltype: null }] },
        { type: 'row', row: [1n] },
        { type: 'step_end', affectedRowCount: 2, lastInsertRowid: null },
        { type: 'step_error', step: 2, error: ERROR },
        { type: 'error', error: ERROR },
      ]),
    ].join('')
    expect(text.endsWith('\n')).toBe(true)
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { baton: 'b', base_url: null },
      { type: 'step_begin', step: 1, cols: [{ name: 'a', decltype: null }] },
      { type: 'row', row: [{ type: 'integer', value: '1' }] },
      { type: 'step_end', affected_row_count: 2, last_insert_rowid: null },
      { type: 'step_error', step: 2, error: ERROR },
      { type: 'error', error: ERROR },
    ])
  })

  it('writes the messages of sockets', () => {
    const messages = [
      jsonCodec.encodeServerMessage({ type: 'hello_ok' }),
      jsonCodec.encodeServerMessage({ type: 'hello_error', error: ERROR }),
      jsonCodec.encodeServerMessage({ type: 'response_error', requestId: -1, error: ERROR }),
      jsonCodec.encodeServerMessage({
        type: 'response_ok',
        requestId: 2,
        response: { type: 'fetch_cursor', entries: [{ type: 'row', row: [] }], done: true },
      }),
    ]
    expect(messages.map((message) => JSON.parse(message as string) as unknown)).toEqual([
      { type: 'hello_ok' },
      { type: 'hello_error', error: ERROR },
      { type: 'response_error', request_id: -1, error: ERROR },
      {
        type: 'response_ok',
        request_id: 2,
        response: { type: 'fetch_cursor', entries: [{ type: 'row', row: [] }], done: true },
      },
    ])
  })
})

describe('decoding JSON', () => {
  it('reads values of every type, and blobs with and without padding', () => {
    const args = [
      { type: 'null' },
      { type: 'integer', value: '-9223372036854775808' },
      { type: 'float', value: 1.5 },
      { type: 'text', value: 'é' },
      { type: 'blob', base64: 'AP8' },
      { type: 'blob', base64: 'AP8=' },
    ]
    expect(decodeStmt({ sql: 's', args })).toEqual({
      sql: 's',
      sqlId: undefined,
      args: [null, -9223372036854775808n, 1.5, 'é', bytes(0, 255), bytes(0, 255)],
      namedArgs: [],
      wantRows: true,
    })
  })

  it('takes null for what is left out and ignores what it does not know', () => {
    const stmt = { sql: null, sql_id: 3, args: null, named_args: null, want_rows: null, new: 1 }
    expect(decodeStmt(stmt)).toMatchObject({ sql: undefined, sqlId: 3, args: [], wantRows: true })
  })

  it.each([
    ['an integer as a number', { type: 'integer', value: 1 }, '`value` is not a string'],
    ['an integer beyond 64 bits', { type: 'integer', value: '9223372036854775808' }, '64 bits'],
    ['an integer of a million digits', { type: 'integer', value: '1'.repeat(1e6) }, '64 bits'],
    ['an empty integer', { type: 'integer', value: '' }, '64 bits'],
    ['a hexadecimal integer', { type: 'integer', value: '0x10' }, '64 bits'],
    ['a float as text', { type: 'float', value: '1' }, 'not a finite number'],
    ['no float', { type: 'float', value: null }, 'not a finite number'],
    ['text with a lone surrogate', { type: 'text', value: '\uD800' }, 'lone surrogate'],
    ['what is not base64', { type: 'blob', base64: '!' }, 'not base64'],
    ['an unknown type', { type: 'date', value: '1' }, 'the type of a value is unknown'],
    ['no object', 5, 'is not an object'],
    ['an inherited name as type', { type: 'constructor' }, 'the type of a value is unknown'],
  ])('refuses %s as a value', (_, value, problem) => {
    expect(() => decodeStmt({ sql: 's', args: [value] })).toThrow(problem)
  })

  it('refuses a float that is too large for 64 bits', () => {
    const text = '{"batch":{"steps":[{"stmt":{"sql":"","args":[{"type":"float","value":1e999}]}}]}}'
    expect(() => jsonCodec.decodeCursor(encode(text))).toThrow('not a finite number')
  })

  it.each([
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['[]', 'the message is not an object'],
    ['null', 'the message is not an object'],
    ['{}', '`type` is not a string'],
    ['{"type":"bye"}', 'the type of the message is unknown'],
    ['{"type":"hello","jwt":1}', '`jwt` is not a string'],
    ['{"type":"request","request":{"type":"close_sql","sql_id":1}}', '`request_id` is not a whole'],
    ['{"type":"request","request_id":2147483648,"request":{}}', '`request_id` is not a whole'],
    ['{"type":"request","request_id":1.5,"request":{}}', '`request_id` is not a whole'],
    ['{"type":"request","request_id":1}', '`request` is not an object'],
    ['{"type":"request","request_id":1,"request":{"type":"close"}}', 'request is unknown'],
    [
      '{"type":"request","request_id":1,"request":{"type":"get_autocommit"}}',
      '`stream_id` is not a whole',
    ],
    [
      '{"type":"request","request_id":1,"request":{"type":"fetch_cursor","cursor_id":1,"max_count":-1}}',
      '`max_count` is not a whole',
    ],
  ])('refuses the message %s', (text, problem) => {
    expect(() => jsonCodec.decodeClientMessage(text)).toThrow(HranaError)
    expect(() => jsonCodec.decodeClientMessage(text)).toThrow(problem)
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => jsonCodec.decodePipeline(bytes(0x22, 0xff, 0x22))).toThrow('not UTF-8')
  })

  it('does not quote a text that it cannot parse', () => {
    expect(() => jsonCodec.decodePipeline(encode('{"secret'))).not.toThrow('secret')
  })

  it('refuses conditions that nest too deeply or have too many parts', () => {
    const deep = `${'{"type":"not","cond":'.repeat(5000)}{"type":"ok","step":0}${'}'.repeat(5000)}`
    const body = `{"batch":{"steps":[{"condition":${deep},"stmt":{"sql":"s"}}]}}`
    expect(() => jsonCodec.decodeCursor(encode(body))).toThrow('nests too deeply')
    const conds = Array.from({ length: 1000 }, () => ({ type: 'ok', step: 0 }))
    expect(() => decodeCondition({ type: 'and', conds })).toThrow('too many parts')
    expect(() => decodeCondition({ type: 'and', conds: conds.slice(1) })).not.toThrow()
  })
})

function decodeStmt(stmt: unknown): unknown {
  const body = encode(JSON.stringify({ requests: [{ type: 'execute', stmt }] }))
  const [request] = jsonCodec.decodePipeline(body).requests
  return request?.type === 'execute' ? request.stmt : undefined
}

function decodeCondition(condition: unknown): unknown {
  const step = { condition, stmt: { sql: 's' } }
  return jsonCodec.decodeCursor(encode(JSON.stringify({ batch: { steps: [step] } })))
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}
