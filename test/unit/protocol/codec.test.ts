import { describe, expect, it } from 'vitest'
import { MAX_MESSAGE_BYTES } from '../../../src/core/limits.ts'
import {
  decodeRequest,
  decodeResponse,
  decodeValue,
  encodeRequest,
  encodeResponse,
  encodeValue,
} from '../../../src/protocol/codec.ts'
import type { BodyOf, Request, RequestBody, Response } from '../../../src/protocol/messages.ts'
import { fromHex, toHex } from '../../../src/core/values.ts'

const header: Request['header'] = {
  version: 1,
  schemaVersion: 3,
  principal: { tenants: ['acme'], scopes: ['read'] },
  clientRegion: 'eu-west',
  timeoutMs: 1234.5,
  session: { positions: { 'us-east.0a1b2c3d': 7, 'log:main': 8 }, nowMs: 1_700_000_000_000 },
  trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  forwarded: false,
}

const request: Request = {
  header,
  body: {
    kind: 'commit',
    request: {
      txId: '018bcfe56800000102030405060708ff',
      tenant: 'acme',
      reads: [{ table: 1, key: ['o1', 5n], version: null }],
      ops: [
        { kind: 'insert', table: 1, rows: [['o1', null, 1, 1.5, 2n ** 62n, Uint8Array.of(1, 2)]] },
        {
          kind: 'update',
          table: 1,
          key: ['o2'],
          cells: [
            { column: 1, op: { kind: 'increment', by: 5, floor: null } },
            { column: 2, op: { kind: 'text', edits: [{ kind: 'insert', at: 0, text: 'ü' }] } },
            { column: 3, op: { kind: 'add', elements: ['x'] } },
          ],
          conditions: [{ column: 4, op: '>=', value: 1 }],
        },
        { kind: 'delete', table: 2, key: [-1], conditions: [] },
      ],
      idempotencyKey: 'k',
      contentHash: 'h',
      issuedAtMs: 1_700_000_000_000,
      basis: 9,
    },
  },
}

const response: Response = {
  ok: true,
  value: {
    rows: [{ image: ['o1', null, 2n ** 63n - 1n, Uint8Array.of(255)], version: 'v' }, null],
  },
  session: { positions: { 'us-east.0a1b2c3d': 9 }, nowMs: 5 },
  receipt: {
    level: { maxStalenessMs: 50 },
    region: 'us-east',
    source: 'replica',
    stalenessMs: 12.5,
    crossRegionRoundTrips: 1,
  },
}

const failed: Response & { readonly ok: false } = {
  ok: false,
  error: {
    code: 'SESSION_NOT_MET',
    message: 'Not here.',
    retry: 'safe',
    fix: 'Wait.',
    details: { region: 'eu-west' },
  },
  receipt: { level: 'session', region: 'eu-west', crossRegionRoundTrips: 0 },
}

/** The bytes of version 1. They never change: peers of other versions of this code read them. */
const FROZEN = {
  request:
    'de0002a6686561646572de0008a776657273696f6e01ad736368656d6156657273696f6e03a97072696e6369' +
    '70616cde0002a774656e616e747391a461636d65a673636f70657391a472656164ac636c69656e7452656769' +
    '6f6ea765752d77657374a974696d656f75744d73cb40934a0000000000a773657373696f6ede0002a9706f73' +
    '6974696f6e73de0002b075732d656173742e306131623263336407a86c6f673a6d61696e08a56e6f774d73cb' +
    '4278bcfe56800000a57472616365d93730302d30616637363531393136636434336464383434386562323131' +
    '633830333139632d623761643662373136393230333333312d3031a9666f72776172646564c2a4626f6479de' +
    '0002a46b696e64a6636f6d6d6974a772657175657374de0008a474784964d920303138626366653536383030' +
    '3030303130323033303430353036303730386666a674656e616e74a461636d65a5726561647391de0003a574' +
    '61626c6501a36b657992a26f31d30000000000000005a776657273696f6ec0a36f707393de0003a46b696e64' +
    'a6696e73657274a57461626c6501a4726f77739196a26f31c001cb3ff8000000000000d34000000000000000' +
    'c4020102de0005a46b696e64a6757064617465a57461626c6501a36b657991a26f32a563656c6c7393de0002' +
    'a6636f6c756d6e01a26f70de0003a46b696e64a9696e6372656d656e74a2627905a5666c6f6f72c0de0002a6' +
    '636f6c756d6e02a26f70de0002a46b696e64a474657874a5656469747391de0003a46b696e64a6696e736572' +
    '74a2617400a474657874a2c3bcde0002a6636f6c756d6e03a26f70de0002a46b696e64a3616464a8656c656d' +
    '656e747391a178aa636f6e646974696f6e7391de0003a6636f6c756d6e04a26f70a23e3da576616c756501de' +
    '0004a46b696e64a664656c657465a57461626c6502a36b657991ffaa636f6e646974696f6e7390ae6964656d' +
    '706f74656e63794b6579a16bab636f6e74656e7448617368a168aa69737375656441744d73cb4278bcfe5680' +
    '0000a5626173697309',
  response:
    'de0004a26f6bc3a576616c7565de0001a4726f777392de0002a5696d61676594a26f31c0d37fffffffffffff' +
    'ffc401ffa776657273696f6ea176c0a773657373696f6ede0002a9706f736974696f6e73de0001b075732d65' +
    '6173742e306131623263336409a56e6f774d7305a772656365697074de0005a56c6576656cde0001ae6d6178' +
    '5374616c656e6573734d7332a6726567696f6ea775732d65617374a6736f75726365a77265706c696361ab73' +
    '74616c656e6573734d73cb4029000000000000b563726f7373526567696f6e526f756e64547269707301',
  failed:
    'de0003a26f6bc2a56572726f72de0005a4636f6465af53455353494f4e5f4e4f545f4d4554a76d6573736167' +
    '65a94e6f7420686572652ea57265747279a473616665a3666978a5576169742ea764657461696c73de0001a6' +
    '726567696f6ea765752d77657374a772656365697074de0003a56c6576656ca773657373696f6ea672656769' +
    '6f6ea765752d77657374b563726f7373526567696f6e526f756e64547269707300',
}

describe('version 1', () => {
  it('writes these bytes', () => {
    expect({
      request: toHex(encodeRequest(request)),
      response: toHex(encodeResponse(response)),
      failed: toHex(encodeResponse(failed)),
    }).toEqual(FROZEN)
  })

  it('reads these bytes', () => {
    expect(decodeRequest(fromHex(FROZEN.request))).toEqual(request)
    expect(decodeResponse(fromHex(FROZEN.response))).toEqual(response)
    expect(decodeResponse(fromHex(FROZEN.failed))).toEqual(failed)
  })
})

/** A read that a node which does not know ranges takes for a row without its key, and refuses. */
function rangeRead(): Record<string, unknown> {
  const where = [{ column: 1, op: '>=', values: [5n] }]
  const range = { where, orderBy: [{ column: 1, descending: true }], limit: 3, after: [1, 'x'] }
  return { table: 1, range, digest: 'd' }
}

/** A read that a node which does not know columns takes for a row without its version, and refuses. */
function columnRead(): Record<string, unknown> {
  return { table: 1, key: ['a'], columns: [1, 4], digest: 'd' }
}

/** A read that a node which does not know SQL takes for a row without its key, and refuses. */
function sqlRead(): Record<string, unknown> {
  const tables = [{ id: 1, name: 'accounts', columns: [[3, 'balance']] }]
  return { table: 1, tables, sql: 'SELECT balance FROM accounts', args: [5n], digest: 'd' }
}

function commitReading(read: Record<string, unknown>): object {
  const body = request.body as BodyOf<'commit'>
  return { header, body: { ...body, request: { ...body.request, reads: [read] } } }
}

describe('a message', () => {
  it('gives byte strings back as plain arrays that are the reader’s own', () => {
    const bytes = encodeRequest(request)
    const decoded = decodeRequest(bytes)
    const op = decoded.body.kind === 'commit' ? decoded.body.request.ops[0] : undefined
    const value = op?.kind === 'insert' ? op.rows[0]?.[5] : undefined
    expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype)
    bytes.fill(0)
    expect(value).toEqual(Uint8Array.of(1, 2))
  })

  it('is refused when it is too large', () => {
    const photo = new Uint8Array(MAX_MESSAGE_BYTES)
    const body: RequestBody = { kind: 'query', tenant: '', sql: '', args: [photo], level: 'stale' }
    expect(() => encodeRequest({ header, body })).toThrow(
      expect.objectContaining({ code: 'TRANSACTION_TOO_LARGE' }),
    )
  })

  it.each([
    ['ranges', rangeRead()],
    ['columns', columnRead()],
    ['no column, but that the row is there', { ...columnRead(), columns: [] }],
  ])('names %s that a transaction read', (_what, read) => {
    expect(decodeRequest(encodeValue(commitReading(read)))).toEqual(commitReading(read))
  })

  it('may hold fields that this version does not know', () => {
    const later = { header: { ...header, mood: 'good' }, body: { kind: 'hello', more: [1] } }
    expect(decodeRequest(encodeValue(later)).body.kind).toBe('hello')
  })
})

describe('a request is refused', () => {
  const hello = { kind: 'hello' }
  const level = 'session'

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a number', 5],
    ['a list', []],
    ['no header', { body: hello }],
    ['no body', { header }],
    ['a header without a field', { header: { ...header, clientRegion: undefined }, body: hello }],
    ['a time that is no number', { header: { ...header, timeoutMs: 'x' }, body: hello }],
    [
      'a position that is negative',
      { header: { ...header, session: { positions: { a: -1 }, nowMs: 0 } }, body: hello },
    ],
    [
      'a position that is NaN',
      { header: { ...header, session: { positions: { a: Number.NaN }, nowMs: 0 } }, body: hello },
    ],
    ['an unknown kind', { header, body: { kind: 'telepathy' } }],
    ['a kind of Object.prototype', { header, body: { kind: 'constructor' } }],
    [
      'a key that is no list',
      { header, body: { kind: 'get', table: 1, tenant: '', keys: ['a'], level } },
    ],
    [
      'a value that is a boolean',
      { header, body: { kind: 'query', tenant: '', sql: '', args: [true], level } },
    ],
    [
      'a value that is a Date',
      { header, body: { kind: 'query', tenant: '', sql: '', args: [new Date(0)], level } },
    ],
    [
      'an unknown level',
      { header, body: { kind: 'query', tenant: '', sql: '', args: [], level: 'fresh' } },
    ],
    ['a read of a range without its digest', commitReading({ ...rangeRead(), digest: undefined })],
    ['a read of a range that is none', commitReading({ ...rangeRead(), range: { where: [] } })],
    ['a read of a range and a row', commitReading({ ...rangeRead(), key: ['a'], version: null })],
    [
      'a read of columns without their digest',
      commitReading({ ...columnRead(), digest: undefined }),
    ],
    ['a read of columns by name', commitReading({ ...columnRead(), columns: ['amount'] })],
    ['a read of columns without a key', commitReading({ ...columnRead(), key: undefined })],
    ['a read of columns and a row', commitReading({ ...columnRead(), version: 'v' })],
    ['a read of columns and a range', commitReading({ ...columnRead(), ...rangeRead() })],
    ['a read of SQL without its digest', commitReading({ ...sqlRead(), digest: undefined })],
    ['a read of SQL without its tables', commitReading({ ...sqlRead(), tables: undefined })],
    [
      'a read of SQL of columns by name',
      commitReading({ ...sqlRead(), tables: [{ id: 1, name: 'x', columns: ['y'] }] }),
    ],
    [
      'a read of SQL over too many tables',
      commitReading({
        ...sqlRead(),
        tables: Array.from({ length: 9 }, (_, id) => ({ id, name: 'x', columns: [] })),
      }),
    ],
    ['a read of SQL and a row', commitReading({ ...sqlRead(), key: ['a'], version: null })],
    ['a read of SQL and a range', commitReading({ ...sqlRead(), ...rangeRead() })],
    [
      'SQL that is guarded by a number',
      { header, body: { kind: 'query', tenant: '', sql: '', args: [], level, guarded: 1 } },
    ],
    ['a read of a row without its key', commitReading({ table: 1, version: null })],
    [
      'a limit beyond all',
      { header, body: { kind: 'view', view: 1, tenant: '', prefix: [], limit: 1e9, level } },
    ],
  ])('with %s', (_what, message) => {
    expect(() => decodeRequest(encodeValue(message))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })

  it.each([0, 2, 1000, Number.NaN])(
    'of version %s, before anything else is looked at',
    (version) => {
      expect(() => decodeRequest(encodeValue({ header: { version } }))).toThrow(
        expect.objectContaining({ code: 'PROTOCOL_VERSION' }),
      )
    },
  )
})

describe('a response is refused', () => {
  const { error } = failed
  it.each<[string, unknown]>([
    ['nothing', {}],
    ['no session', { ...response, session: undefined }],
    ['no receipt', { ...response, receipt: null }],
    ['a position that is no number', { ...response, session: { positions: { a: 'x' }, nowMs: 0 } }],
    ['no error', { ok: false, receipt: null }],
    ['an error without a code', { ok: false, receipt: null, error: { ...error, code: undefined } }],
    ['an error of another kind', { ok: false, receipt: null, error: { ...error, retry: 'maybe' } }],
  ])('with %s', (_what, message) => {
    expect(() => decodeResponse(encodeValue(message))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })
})

describe('bytes that are no message', () => {
  it.each(['', 'c1', 'ff', '81', 'dfffffffff', 'd80000000000000000', 'c740720001'])(
    'such as %j are refused',
    (hex) => {
      for (const decode of [decodeRequest, decodeResponse]) {
        expect(() => decode(fromHex(hex))).toThrow(
          expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
        )
      }
    },
  )

  it('that nest without end are refused', () => {
    const deep = new Uint8Array(1_000_000).fill(0x91)
    expect(() => decodeValue(deep)).toThrow(expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }))
    expect(decodeRequest(encodeRequest(request))).toEqual(request)
  })
})

describe('a request of a stranger is refused', () => {
  it('beyond the bytes of a message, before anything is decoded', () => {
    expect(() => decodeRequest(new Uint8Array(MAX_MESSAGE_BYTES + 1))).toThrow(
      expect.objectContaining({ code: 'REQUEST_TOO_LARGE' }),
    )
  })

  it('beyond the number of values, which few bytes can hold', () => {
    const nulls = encodeValue({
      header,
      body: { kind: 'hello', more: Array(2_000_001).fill(null) },
    })
    expect(nulls.length).toBeLessThan(MAX_MESSAGE_BYTES)
    expect(() => decodeRequest(nulls)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })

  it('with more positions than a session can have seen', () => {
    const positions = (count: number): Record<string, number> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`us-east.${i}`, i]))
    const withPositions = (count: number): Uint8Array =>
      encodeRequest({
        header: { ...header, session: { positions: positions(count), nowMs: 0 } },
        body: { kind: 'hello' },
      })
    expect(decodeRequest(withPositions(1_000)).body.kind).toBe('hello')
    expect(() => decodeRequest(withPositions(1_001))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })
})

describe('what came after the first release of version 1', () => {
  it('may be left out, and is checked where it is there', () => {
    for (const body of [
      { kind: 'hello' },
      { kind: 'hello', schemaFingerprint: '0123456789abcdef' },
    ]) {
      expect(decodeRequest(encodeValue({ header, body })).body).toEqual(body)
    }
    const body = { kind: 'hello', schemaFingerprint: 5 }
    expect(() => decodeRequest(encodeValue({ header, body }))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_MALFORMED' }),
    )
  })
})
