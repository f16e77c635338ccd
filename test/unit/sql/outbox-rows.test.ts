import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createOutboxFeed } from '../../../cdc/capture/outbox-feed.ts'
import { CAUSES, CHANGE_OPS } from '../../../src/core/change.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../../src/core/values.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { bigint, blob, real, text } from '../../../src/schema/columns.ts'
import { compileSchema } from '../../../src/schema/compile.ts'
import { defineSchema, table } from '../../../src/schema/define.ts'
import { prepareStore } from '../../../src/schema/migrate.ts'
import { outboxRows, type NewOutboxChange } from '../../../src/sql/outbox-rows.ts'
import { MemoryStore } from '../../support/memory-store.ts'

const schema = compileSchema(
  defineSchema({
    tables: {
      things: table(
        { id: text().primaryKey(), wide: bigint(), real: real(), blob: blob().optional() },
        { consistency: 'eventual' },
      ),
    },
  }),
).compiled
const [THINGS] = schema.tables

/** Text that a store takes: no NUL, no lone surrogate. */
const storedText = fc
  .string({ unit: 'grapheme' })
  .filter((value) => value.isWellFormed() && !value.includes('\0'))
const image = fc.tuple(
  storedText,
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  fc.option(fc.uint8Array()),
)
const newChange: fc.Arbitrary<NewOutboxChange> = fc.record({
  epoch: fc.nat(2),
  origin: fc.option(fc.record({ source: fc.constantFrom('us.1', 'ap.1'), seq: fc.nat() })),
  txId: fc.constantFrom('t1', 't2', "t'3"),
  hlc: fc.constantFrom('0192aabbccdd0001', '0192aabbccdd0002'),
  schemaVersion: fc.nat(2),
  cause: fc.constantFrom(...CAUSES),
  tableId: fc.constant(THINGS?.id ?? 0),
  op: fc.constantFrom(...CHANGE_OPS),
  tenant: storedText,
  key: fc.tuple(storedText),
  before: fc.option(image),
  after: fc.option(image),
  version: fc.constantFrom('v1', 'v2'),
  delta: fc.option(fc.uint8Array({ maxLength: 5 })),
})

async function openStore(): Promise<MemoryStore> {
  const store = new MemoryStore()
  onTestFinished(() => store.close())
  await prepareStore(store, schema, { random: systemRuntime.random })
  return store
}

describe('outbox rows', () => {
  test('what a writer records is what the feed gives, whatever the changes share', async () => {
    const store = await openStore()
    const feed = createOutboxFeed({ store, schema, source: 'eu.1' })
    await fc.assert(
      fc.asyncProperty(fc.array(newChange, { minLength: 1, maxLength: 6 }), async (changes) => {
        const end = await feed.end()
        await store.write([outboxRows(schema, changes)])
        const read = await feed.read(end, 100)
        const written = read.map((change) => {
          const { localSeq, origin, index, size, ...rest } = change
          return { ...rest, origin, localSeq, place: index < size }
        })
        const expected = changes.map(({ epoch, origin, ...rest }, i) => {
          const localSeq = end + 1 + i
          const from = origin ?? { source: 'eu.1', seq: localSeq }
          return { ...rest, origin: { ...from, epoch }, localSeq, place: true }
        })
        expect(written).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  test('a batch is one statement with what its rows share bound once', () => {
    const changes = Array.from({ length: 100 }, (_, i) => row([`k${i}`]))
    const statement = outboxRows(schema, changes)
    const json = statement.args.at(-1) as string
    expect(JSON.parse(json)).toEqual(changes.map((change) => [JSON.stringify(change.key)]))
  })

  test('an unknown table is refused before anything is written', () => {
    expect(() => outboxRows(schema, [{ ...row(['k']), tableId: 999 }])).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_TABLE' }),
    )
  })
})

function row(key: readonly SqlValue[]): NewOutboxChange {
  return {
    epoch: 0,
    origin: null,
    txId: 't',
    hlc: '0192aabbccdd0001',
    schemaVersion: 1,
    cause: 'user',
    tableId: THINGS?.id ?? 0,
    op: 'delete',
    tenant: 'acme',
    key,
    before: null,
    after: null,
    version: 'v',
    delta: null,
  }
}
