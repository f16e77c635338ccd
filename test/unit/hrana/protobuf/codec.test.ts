import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../src/core/values.ts'
import { HranaError } from '../../../../src/hrana/errors.ts'
import type { SocketRequest } from '../../../../src/hrana/model.ts'
import { protobufCodec } from '../../../../src/hrana/protobuf/codec.ts'

// Bytes that @libsql/hrana-client 0.10.0 writes.
const PIPELINE =
  '0a026234124212400a3e0a0873656c656374203f1a020a001a0210091a0919000000000000f83f1a042202c3a91a04' +
  '2a0200ff22110a023a61120b10feffffffffffffffff01280012691a670a650a40123e0a0873656c656374203f1a02' +
  '0a001a0210091a0919000000000000f83f1a042202c3a91a042a0200ff22110a023a61120b10feffffffffffffffff' +
  '0128000a210a1522130a0208000a041a0232000a072a050a0310ac02120810fdffffff0f2801120722050a03613b62' +
  '12042a02100712073205080712017812043a0208071202420012020a00'

const STMT = {
  sql: 'select ?',
  sqlId: undefined,
  args: [null, -5n, 1.5, 'é', new Uint8Array([0, 255])],
  namedArgs: [{ name: ':a', value: 9223372036854775807n }],
  wantRows: false,
}
const STORED = { sql: undefined, sqlId: -3, args: [], namedArgs: [], wantRows: true }

describe('decoding protobuf', () => {
  it('reads every request of a pipeline as the client writes it', () => {
    expect(protobufCodec.decodePipeline(fromHex(PIPELINE))).toEqual({
      baton: 'b4',
      requests: [
        { type: 'execute', stmt: STMT },
        {
          type: 'batch',
          batch: {
            steps: [
              { condition: undefined, stmt: STMT },
              {
                condition: {
                  type: 'and',
                  conds: [
                    { type: 'ok', step: 0 },
                    { type: 'not', cond: { type: 'is_autocommit' } },
                    { type: 'or', conds: [{ type: 'error', step: 300 }] },
                  ],
                },
                stmt: STORED,
              },
            ],
          },
        },
        { type: 'sequence', sql: { sql: 'a;b', sqlId: undefined } },
        { type: 'describe', sql: { sql: undefined, sqlId: 7 } },
        { type: 'store_sql', sqlId: 7, sql: 'x' },
        { type: 'close_sql', sqlId: 7 },
        { type: 'get_autocommit' },
        { type: 'close' },
      ],
    })
  })

  it('reads the request for a cursor', () => {
    expect(protobufCodec.decodeCursor(fromHex('120c0a0a120810fdffffff0f2801'))).toEqual({
      baton: undefined,
      batch: { steps: [{ condition: undefined, stmt: STORED }] },
    })
  })

  it('reads hello with and without a token', () => {
    expect(decodeMessage('0a030a016a')).toEqual({ type: 'hello', jwt: 'j' })
    expect(decodeMessage('0a00')).toEqual({ type: 'hello', jwt: null })
  })

  const steps = [{ condition: undefined, stmt: STORED }]
  it.each<[string, SocketRequest]>([
    ['120708ac0212020801', { type: 'open_stream', streamId: 1 }],
    ['120b08ac021a0608ffffffff0f', { type: 'close_stream', streamId: -1 }],
    // A negative number as other clients write it: ten bytes.
    ['121008ac021a0b08ffffffffffffffffff01', { type: 'close_stream', streamId: -1 }],
    ['121108ac02220c0802120810fdffffff0f2801', { type: 'execute', streamId: 2, stmt: STORED }],
    [
      '121508ac022a100802120c0a0a120810fdffffff0f2801',
      { type: 'batch', streamId: 2, batch: { steps } },
    ],
    [
      '120b08ac023206080210041a00',
      { type: 'open_cursor', streamId: 2, cursorId: 4, batch: { steps: [] } },
    ],
    ['120708ac023a020804', { type: 'close_cursor', cursorId: 4 }],
    ['120d08ac024208080410ffffffff0f', { type: 'fetch_cursor', cursorId: 4, maxCount: 4294967295 }],
    [
      '120a08ac024a050802120173',
      { type: 'sequence', streamId: 2, sql: { sql: 's', sqlId: undefined } },
    ],
    [
      '120908ac02520408021809',
      { type: 'describe', streamId: 2, sql: { sql: undefined, sqlId: 9 } },
    ],
    ['120a08ac025a050809120174', { type: 'store_sql', sqlId: 9, sql: 't' }],
    ['120708ac0262020809', { type: 'close_sql', sqlId: 9 }],
    ['120708ac026a020802', { type: 'get_autocommit', streamId: 2 }],
  ])('reads %s', (hex, request) => {
    expect(decodeMessage(hex)).toEqual({ type: 'request', requestId: 300, request })
  })

  it('passes over fields that it does not know, of every wire type', () => {
    const unknown = ['9806ac02', '99060102030405060708', '9a0603010203', '9d0601020304'].join('')
    expect(decodeMessage(`${unknown}0a030a016a${unknown}`)).toEqual({ type: 'hello', jwt: 'j' })
  })

  it('keeps a byte order mark at the start of a text', () => {
    const { requests } = protobufCodec.decodePipeline(fromHex('120932070801'.concat('1203efbbbf')))
    expect(requests).toEqual([{ type: 'store_sql', sqlId: 1, sql: '\uFEFF' }])
  })

  it.each([
    ['nothing at all as a message', '', 'the type of the message is missing'],
    ['a message cut off', '0a030a016a'.slice(0, -2), 'ends in the middle'],
    ['a length beyond the end', '0affffffff0f', 'ends in the middle'],
    ['a number without an end', '18ffffffffffffffffffffff01', 'a number does not end'],
    ['a tag without a value', '0a', 'ends in the middle'],
    ['the field number 0', '0000', 'the number 0'],
    ['a group', '1b1c', 'wire type that is not in use'],
    ['a wire type that does not exist', '1f', 'wire type that is not in use'],
    ['a wrong wire type', '0801', 'the wrong wire type'],
    ['text that is not UTF-8', within(1, '0a01ff'), 'not UTF-8'],
    ['a request without a type', within(2, '0801'), 'the type of a request is missing'],
    ['an execution without a statement', within(2, within(4, '0801')), 'the statement is missing'],
    ['a batch without one', within(2, within(5, '0801')), 'the batch is missing'],
    ['a step without a statement', batchOf(within(1, '')), 'the statement of a step is missing'],
    [
      'a condition without a type',
      batchOf(within(1, within(1, '') + within(2, ''))),
      'the type of a condition is missing',
    ],
    ['a value without a type', executionOf(within(3, '')), 'the type of a value is missing'],
    ['a float that is not finite', executionOf(within(3, '19000000000000f07f')), 'not finite'],
    ['a float that is no number', executionOf(within(3, '19000000000000f87f')), 'not finite'],
    ['an argument without a value', executionOf(within(4, '')), 'the value of a named argument'],
  ])('refuses %s', (_, hex, problem) => {
    expect(() => decodeMessage(hex)).toThrow(HranaError)
    expect(() => decodeMessage(hex)).toThrow(problem)
  })

  it('refuses conditions that nest too deeply, without recursing into them', () => {
    let condition = within(6, '')
    for (let i = 0; i < 5000; i++) condition = within(3, condition)
    const step = within(1, condition) + within(2, '')
    expect(() => decodeMessage(batchOf(within(1, step)))).toThrow('nests too deeply')
  })

  it('refuses more messages in one than memory should hold', () => {
    const count = 2_000_001
    const body = new Uint8Array(2 * count)
    for (let i = 0; i < count; i++) body[2 * i] = 0x0a
    expect(() => protobufCodec.decodeClientMessage(body)).toThrow('too many parts')
  })
})

describe('encoding protobuf', () => {
  it('leaves nothing out of a result and writes the schema of version 3', () => {
    const bytes = protobufCodec.encodePipeline({
      baton: 'b',
      results: [
        {
          type: 'ok',
          response: {
            type: 'execute',
            result: {
              columns: [
                { name: 'a', decltype: 'INTEGER' },
                { name: null, decltype: null },
              ],
              rows: [
                [-1n, null],
                [1.5, 'é'],
                [new Uint8Array([7]), 9223372036854775807n],
              ],
              affectedRowCount: 300,
              lastInsertRowid: -2n,
              durationMs: 0.5,
            },
          },
        },
        { type: 'error', error: { message: 'm', code: 'C' } },
      ],
    })
    expect(toHex(bytes as Uint8Array)).toBe(
      '0a01621a550a5312510a4f0a0c0a0161120' +
        '7494e54454745520a0012080a0210010a020a0012110a0919000000000000f83f0a042202c3a91212' +
        '0a032a01070a0b10feffffffffffffffff0118ac0220034100' +
        '0000000000e03f1a0812060a016d120143',
    )
  })

  it('extends negative ids to 64 bits', () => {
    const bytes = protobufCodec.encodeServerMessage({
      type: 'response_ok',
      requestId: -1000,
      response: { type: 'sequence' },
    })
    expect(toHex(bytes as Uint8Array)).toBe('1a0d0898f8ffffffffffffff014a00')
  })
})

function decodeMessage(hex: string): unknown {
  return protobufCodec.decodeClientMessage(fromHex(hex))
}

/** A request to run a statement with these fields. */
function executionOf(stmt: string): string {
  return within(2, within(4, within(2, stmt)))
}

/** A request to run a batch with these fields. */
function batchOf(batch: string): string {
  return within(2, within(5, within(2, batch)))
}

/** A field that is a message, in hexadecimal. */
function within(field: number, message: string): string {
  return varint(field * 8 + 2) + varint(message.length / 2) + message
}

function varint(value: number): string {
  let rest = value
  let text = ''
  while (rest >= 0x80) {
    text += ((rest % 0x80) | 0x80).toString(16).padStart(2, '0')
    rest = Math.floor(rest / 0x80)
  }
  return text + rest.toString(16).padStart(2, '0')
}
