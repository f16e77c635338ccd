/** Whatever is sent to the endpoint, in whatever form: an answer, and never another's row. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { CANARY, openEndpoint, type EndpointWorld } from './endpoint-world.ts'

const MESSAGES = Number(process.env['MESSAGES'] ?? 10_000)
const IN_PARALLEL = 16
const OWN = 'own-row'

let world: EndpointWorld

beforeAll(async () => {
  world = await openEndpoint()
  const { us, meridian } = world.market
  await us.tenants.create({ id: 'other', home: 'us-east' })
  const expiresAt = new Date(meridian.clock.nowMs() - 1)
  for (const table of ['orders', 'accounts', 'carts'] as const) {
    await us.tenant('acme')[table].insert({ id: OWN, label: OWN })
    await us.tenant('acme')[table].insert({ id: `${CANARY}-e`, label: CANARY, expiresAt })
    await us.tenant('other')[table].insert({ id: CANARY, label: CANARY, note: CANARY })
  }
  await meridian.settle()
})
afterAll(() => world[Symbol.asyncDispose]())

const TEXTS = [
  'SELECT * FROM orders',
  'SELECT id, label, note FROM orders UNION ALL SELECT id, label, note FROM carts',
  'SELECT * FROM accounts a JOIN orders o ON a.label = o.label',
  'SELECT * FROM totals',
  'SELECT * FROM largest, notes',
  'SELECT * FROM sqlite_schema, (SELECT * FROM orders)',
  "SELECT * FROM pragma_table_info('orders'), orders",
  'PRAGMA table_info(orders)',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SELECT * FROM t1',
  'SELECT * FROM main.t1',
  'SELECT after FROM _outbox',
  'WITH x AS (SELECT * FROM t1) SELECT * FROM x',
  'WITH orders AS (SELECT * FROM t1) SELECT * FROM orders',
  "INSERT INTO orders (id) VALUES ('x')",
  'DELETE FROM t1',
  "ATTACH DATABASE 'store.db' AS other",
  'SELECT * FROM orders WHERE id = ? OR label = :a',
  "SELECT group_concat(label) FROM orders WHERE tenant <> 'acme'",
] as const

const sqlText = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...TEXTS) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...TEXTS), fc.constantFrom(...TEXTS), fc.nat(40), fc.nat(40))
      .map(([a, b, from, to]) => a.slice(0, from) + b.slice(to)),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 30, unit: 'binary' }) },
)
const value = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom(
      { type: 'null' },
      { type: 'integer', value: '9223372036854775807' },
      { type: 'float', value: 0.5 },
      { type: 'text', value: 'other' },
      { type: 'blob', base64: 'AAEC' },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { type: 'integer', value: '1e3' },
      { type: 'blob', base64: '?' },
      { type: 'text' },
    ),
  },
  { weight: 1, arbitrary: fc.anything() },
)
const named = fc.record({ name: fc.constantFrom('a', ':a', '$b'), value })
/** Most texts take no arguments: with some they would be refused for that alone. */
const seldom = <T>(list: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant<T[]>([]) }, { weight: 1, arbitrary: list })
const stmt = fc.record(
  {
    sql: sqlText,
    args: seldom(fc.array(value, { maxLength: 3 })),
    named_args: seldom(fc.array(named, { maxLength: 2 })),
    want_rows: fc.boolean(),
  },
  { requiredKeys: ['sql'] },
)
const condition = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  fc.record({ type: fc.constantFrom('ok', 'error', 'is_autocommit', 'nonsense'), step: fc.nat(3) }),
)
const request = fc.oneof(
  { weight: 10, arbitrary: fc.record({ type: fc.constant('execute'), stmt }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('batch'),
      batch: fc.record({ steps: fc.array(fc.record({ stmt, condition }), { maxLength: 3 }) }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom('sequence', 'describe'), sql: sqlText }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('close', 'get_autocommit', 'x') }) },
  { weight: 1, arbitrary: fc.anything() },
)
const requests = fc.array(request, { maxLength: 4 })
const body = fc.oneof(
  // Closed again, since streams that are left open count against the caller until they expire.
  { weight: 60, arbitrary: requests.map((all) => ({ requests: [...all, { type: 'close' }] })) },
  { weight: 1, arbitrary: fc.record({ requests }) },
  { weight: 4, arbitrary: fc.record({ baton: fc.string(), requests }) },
  { weight: 4, arbitrary: fc.anything() },
)
const PATHS = [
  ...Array<string>(8).fill('v3/pipeline'),
  'v2/pipeline',
  'v3/cursor',
  'v3-protobuf/pipeline',
]

function requireOwn(answer: string, sent: string): void {
  if (answer.includes(CANARY)) throw new Error(`A foreign row for ${sent.slice(0, 500)}`)
  // Blobs come as base64; the outbox's images and every text in them would be among them.
  const encoded = Buffer.from(CANARY).toString('base64').slice(0, 12)
  if (answer.includes(encoded)) throw new Error(`A foreign blob for ${sent.slice(0, 500)}`)
}

test(`${MESSAGES} hostile messages are answered, and none with a foreign row`, async () => {
  let own = 0
  let server = 0
  const messages = fc.sample(fc.tuple(fc.constantFrom(...PATHS), body), MESSAGES)
  const send = async (): Promise<void> => {
    for (let next = messages.pop(); next !== undefined; next = messages.pop()) {
      const [path, content] = next
      const text = stringify(content)
      const { status, text: got } = await world.post('acme', path, text)
      requireOwn(got, text)
      if (status >= 500) server += 1
      if (got.includes(OWN)) own += 1
    }
  }
  await Promise.all(Array.from({ length: IN_PARALLEL }, send))
  expect(server).toBe(0)
  // Had nothing been read, nothing would have been tried.
  expect(own).toBeGreaterThan(MESSAGES / 50)
  expect((await world.client('acme').execute('SELECT count(*) FROM orders')).rows[0]?.[0]).toBe(1)
}, 240_000)

test('hostile frames end their socket at most', async () => {
  const frames = fc.sample(fc.oneof(request, fc.anything(), body), Math.ceil(MESSAGES / 20))
  const hello = JSON.stringify({ type: 'hello', jwt: 'all' })
  const open = JSON.stringify({
    type: 'request',
    request_id: 1,
    request: { type: 'open_stream', stream_id: 0 },
  })
  let at = 0
  while (at < frames.length) {
    const socket = new WebSocket(world.url('acme', 'us-east', 'ws'), ['hrana3'])
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.on('message', (data: Buffer) => requireOwn(data.toString(), 'a frame'))
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send(hello)
    socket.send(open)
    for (let n = 0; n < 20 && at < frames.length; n++, at++) {
      const inner = frames[at]
      const framed = { type: 'request', request_id: n + 2, request: addStream(inner) }
      socket.send(stringify(n % 4 === 0 ? inner : framed))
    }
    socket.close()
    await closed
  }
  expect((await world.client('acme').execute('SELECT count(*) FROM orders')).rows[0]?.[0]).toBe(1)
})

function addStream(inner: unknown): unknown {
  return typeof inner === 'object' && inner !== null ? { stream_id: 0, ...inner } : inner
}

function stringify(content: unknown): string {
  try {
    const text = JSON.stringify(content, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v))
    return text ?? 'undefined'
  } catch {
    return '{'
  }
}
