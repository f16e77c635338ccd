/** Messages of clients: most that mean something, some with parts missing, some that are noise. */
import fc from 'fast-check'
import { fromHex } from '../../../src/core/values.ts'
import type { Json } from '../../support/hrana-world.ts'

// Few: most requests refer to something that is there.
const id = fc.constantFrom(0, 0, 0, 1, 1, 2)
const sql = fc.constantFrom(
  ...['one', 'begin', 'commit', 'rollback', 'fail', 'deny', 'crash', 'rows 5', 'big 2000', 'é;x'],
)

/** An object that is whole, or one of whose parts some are missing. */
function shape(parts: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Json> {
  return fc.oneof(
    { arbitrary: fc.record(parts), weight: 60 },
    { arbitrary: fc.record(parts, { requiredKeys: [] }), weight: 1 },
  )
}

/** Now and then something else stands where this should. */
function mostly<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { arbitrary, weight: 120 },
    { arbitrary: fc.jsonValue({ maxDepth: 2 }), weight: 1 },
  )
}

const value = fc.oneof(
  fc.constant({ type: 'null' }),
  shape({ type: fc.constant('integer'), value: mostly(fc.bigInt().map(String)) }),
  shape({ type: fc.constant('float'), value: mostly(fc.double()) }),
  shape({ type: fc.constant('text'), value: mostly(fc.string({ unit: 'binary' })) }),
  shape({ type: fc.constant('blob'), base64: mostly(fc.base64String()) }),
)

const stmt = fc.oneof(
  { arbitrary: fc.record({ sql }), weight: 4 },
  {
    arbitrary: shape({
      sql: mostly(sql),
      args: mostly(fc.array(mostly(value), { maxLength: 3 })),
      named_args: mostly(
        fc.array(shape({ name: fc.string(), value: mostly(value) }), { maxLength: 2 }),
      ),
      want_rows: mostly(fc.boolean()),
    }),
    weight: 2,
  },
  { arbitrary: shape({ sql_id: mostly(id) }), weight: 1 },
)

const { condition } = fc.letrec((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    fc.constant({ type: 'is_autocommit' }),
    shape({ type: fc.constantFrom('ok', 'error'), step: mostly(fc.integer({ min: 0, max: 2 })) }),
    shape({ type: fc.constant('not'), cond: tie('condition') }),
    shape({
      type: fc.constantFrom('and', 'or'),
      conds: fc.array(tie('condition'), { maxLength: 3 }),
    }),
  ),
}))

const batch = shape({
  steps: mostly(
    fc.array(
      fc.oneof(
        { arbitrary: fc.record({ stmt }), weight: 2 },
        { arbitrary: shape({ stmt: mostly(stmt), condition: mostly(condition) }), weight: 1 },
      ),
      { maxLength: 4 },
    ),
  ),
})

/** What both faces have; `more` is what each request has besides. */
function requests(more: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Json>[] {
  return [
    shape({ type: fc.constant('execute'), stmt: mostly(stmt), ...more }),
    shape({ type: fc.constant('batch'), batch: mostly(batch), ...more }),
    shape({ type: fc.constantFrom('sequence', 'describe'), sql: mostly(sql), ...more }),
    shape({ type: fc.constantFrom('sequence', 'describe'), sql_id: mostly(id), ...more }),
    shape({ type: fc.constant('get_autocommit'), ...more }),
    shape({ type: fc.constant('store_sql'), sql_id: mostly(id), sql: mostly(sql) }),
    shape({ type: fc.constant('close_sql'), sql_id: mostly(id) }),
  ]
}

const streamRequest = fc.oneof(...requests({}), shape({ type: fc.constant('close') }))

const stream = { stream_id: mostly(id) }
const cursor = { cursor_id: mostly(id) }
const socketRequest = fc.oneof(
  ...requests(stream),
  shape({ type: fc.constant('open_stream'), ...stream }),
  shape({ type: fc.constant('open_stream'), ...stream }),
  shape({ type: fc.constant('close_stream'), ...stream }),
  shape({ type: fc.constant('open_cursor'), ...stream, ...cursor, batch: mostly(batch) }),
  shape({ type: fc.constant('close_cursor'), ...cursor }),
  shape({
    type: fc.constant('fetch_cursor'),
    ...cursor,
    max_count: mostly(fc.integer({ min: 0, max: 10 })),
  }),
)

const noise = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json(),
  fc.constant('['.repeat(100_000)),
  fc.constant(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`),
)

/** Bodies of pipelines; `BATON` stands where a baton belongs. */
export const jsonPipeline: fc.Arbitrary<string> = fc.oneof(
  {
    arbitrary: shape({
      baton: mostly(fc.constantFrom(null, 'BATON')),
      requests: mostly(fc.array(mostly(streamRequest), { maxLength: 4 })),
    }).map((body) => JSON.stringify(body)),
    weight: 9,
  },
  { arbitrary: noise, weight: 1 },
)

export const jsonCursor: fc.Arbitrary<string> = fc.oneof(
  {
    arbitrary: shape({ baton: mostly(fc.constantFrom(null, 'BATON')), batch: mostly(batch) }).map(
      (body) => JSON.stringify(body),
    ),
    weight: 9,
  },
  { arbitrary: noise, weight: 1 },
)

export const jsonMessage: fc.Arbitrary<string> = fc.oneof(
  {
    arbitrary: fc
      .record({ type: fc.constant('request'), request_id: id, request: socketRequest })
      .map((message) => JSON.stringify(message)),
    weight: 40,
  },
  { arbitrary: fc.constant('{"type":"hello","jwt":"alice"}'), weight: 3 },
  { arbitrary: fc.constant('{"type":"hello","jwt":"mallory"}'), weight: 1 },
  {
    arbitrary: shape({
      type: mostly(fc.constant('request')),
      request_id: mostly(id),
      request: mostly(socketRequest),
    }).map((message) => JSON.stringify(message)),
    weight: 1,
  },
  { arbitrary: noise, weight: 1 },
)

/** Protobuf of the right grammar and small field numbers: a good part of it means something. */
const { fields } = fc.letrec<{ fields: string }>((tie) => ({
  fields: fc
    .array(
      fc.oneof(
        { maxDepth: 6 },
        fc
          .tuple(fc.integer({ min: 1, max: 13 }), fc.integer({ min: 0, max: 9 }))
          .map(([field, number]) => hex(field * 8) + hex(number)),
        fc
          .tuple(fc.integer({ min: 1, max: 5 }), sql)
          .map(([field, text]) => delimited(field, utf8(text))),
        fc
          .tuple(fc.integer({ min: 1, max: 13 }), tie('fields'))
          .map(([field, inner]) => delimited(field, inner)),
        fc
          .tuple(fc.integer({ min: 1, max: 13 }), tie('fields'))
          .map(([field, inner]) => delimited(field, inner)),
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.join('')),
}))

const noisyBytes = fc.oneof(
  fields.map(fromHex),
  fc.uint8Array({ maxLength: 64 }),
  fc.constant(new Uint8Array(50_000).fill(0xff)),
)

/** What every request of a client is made of, as protobuf. */
const STMTS = ['one', 'begin', 'commit', 'fail', 'crash', 'rows 5'].map((text) =>
  delimited(1, utf8(text)),
)
const stmtBytes = fc.constantFrom(...STMTS)
const batchBytes = fc
  .array(fc.tuple(stmtBytes, fc.constantFrom('', delimited(1, '0800'), delimited(1, '3200'))), {
    maxLength: 3,
  })
  .map((steps) => steps.map(([stmt, cond]) => delimited(1, cond + delimited(2, stmt))).join(''))

const streamRequestBytes = fc.oneof(
  stmtBytes.map((stmt) => delimited(2, delimited(1, stmt))),
  batchBytes.map((steps) => delimited(3, delimited(1, steps))),
  fc.constantFrom(...['0a00', '4200', '22030a0178', '2a030a0178', '320508011201783a020801']),
)

const socketRequestBytes = fc.tuple(id, id).chain(([streamId, cursorId]) => {
  const onStream = `08${hex(streamId)}`
  return fc.oneof(
    fc.constant(delimited(2, onStream)),
    fc.constant(delimited(3, onStream)),
    stmtBytes.map((stmt) => delimited(4, onStream + delimited(2, stmt))),
    batchBytes.map((steps) => delimited(5, onStream + delimited(2, steps))),
    batchBytes.map((steps) => delimited(6, `${onStream}10${hex(cursorId)}${delimited(3, steps)}`)),
    fc.constant(delimited(7, `08${hex(cursorId)}`)),
    fc.constant(delimited(8, `08${hex(cursorId)}1005`)),
    fc.constant(delimited(13, onStream)),
  )
})

/** Some bytes of a whole message changed, or its end cut off. */
function damaged(message: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 2 })
  return fc.tuple(message, changes, fc.nat()).map(([bytes, changed, end]) => {
    const copy = bytes.slice(0, end % 4 === 0 ? end % (bytes.length + 1) : bytes.length)
    for (const [at, byte] of changed) if (copy.length > 0) copy[at % copy.length] = byte
    return copy
  })
}

export const protobufPipeline: fc.Arbitrary<Uint8Array> = someDamaged(
  fc
    .array(streamRequestBytes, { maxLength: 4 })
    .map((parts) => fromHex(parts.map((part) => delimited(2, part)).join(''))),
)

export const protobufCursor: fc.Arbitrary<Uint8Array> = someDamaged(
  batchBytes.map((steps) => fromHex(delimited(2, steps))),
)

export const protobufMessage: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    arbitrary: fc
      .tuple(id, socketRequestBytes)
      .map(([requestId, request]) => fromHex(delimited(2, `08${hex(requestId)}${request}`))),
    weight: 20,
  },
  {
    arbitrary: fc.constant(fromHex(delimited(1, delimited(1, utf8('alice'))))),
    weight: 2,
  },
  {
    arbitrary: damaged(
      socketRequestBytes.map((request) => fromHex(delimited(2, `0801${request}`))),
    ),
    weight: 1,
  },
  { arbitrary: noisyBytes, weight: 1 },
)

function someDamaged(message: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { arbitrary: message, weight: 6 },
    { arbitrary: damaged(message), weight: 3 },
    { arbitrary: noisyBytes, weight: 1 },
  )
}

function delimited(field: number, message: string): string {
  return varint(field * 8 + 2) + varint(message.length / 2) + message
}

function varint(value: number): string {
  return value < 0x80 ? hex(value) : hex((value % 0x80) | 0x80) + varint(Math.floor(value / 0x80))
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function utf8(text: string): string {
  return Buffer.from(text).toString('hex')
}
