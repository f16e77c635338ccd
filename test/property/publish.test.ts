/**
 * Topics: every value comes out as it went in, in both formats; and whatever fails, whenever, every
 * change arrives, in order for each row, and no resolved record runs ahead.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TopicFormat } from '../../cdc/publish/cell-form.ts'
import { encodeEnvelope } from '../../cdc/publish/envelope.ts'
import type { PublishFaults } from '../../cdc/publish/faults.ts'
import { CAUSES, CHANGE_OPS, type Change } from '../../src/core/change.ts'
import type { TopicRecord } from '../../src/core/ports/topics.ts'
import { INT64_MAX, INT64_MIN } from '../../src/core/values.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { SendFailure } from '../support/memory-topics.ts'
import { isChange, PARTITIONS, PublishWorld, type GivenChange } from '../support/publish-world.ts'
import { changeOf, comparable } from '../support/topic-records.ts'
import { CARTS, ORDERS, PLANS, SAMPLES, topicSchema } from '../support/topic-schema.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 4 })
const instant = fc.oneof(
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
  fc.constantFrom(0, -1, 1, 253_402_300_800_000, -62_198_755_200_000),
)
const int64 = fc.oneof(
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.constantFrom(0n, INT64_MIN, INT64_MAX),
)
const whole = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(0, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32),
)
const real = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const bytes = fc.uint8Array({ maxLength: 9 })
const jsonText = fc
  .jsonValue({ noUnicodeString: false })
  .filter((value) => !JSON.stringify(value).includes('__proto__'))
  .map((value) => JSON.stringify(value))

const image = fc
  .tuple(
    fc.tuple(text, int64, instant, whole),
    orNull(text),
    orNull(whole),
    orNull(int64),
    orNull(real),
    orNull(fc.constantFrom(0, 1)),
    orNull(instant),
    orNull(bytes),
    orNull(jsonText.filter((one) => one !== 'null')),
    orNull(bytes),
  )
  .map(([key, ...rest]) => [...key, ...rest])

const anyChange: fc.Arbitrary<Change> = fc
  .record({
    row: image,
    before: fc.option(image),
    localSeq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    epoch: fc.nat(),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fromLog: fc.boolean(),
    index: fc.nat(5),
    cause: fc.constantFrom(...CAUSES),
    op: fc.constantFrom(...CHANGE_OPS),
    tenant: fc.constantFrom('', 'acme', '"\u0001é'),
  })
  .map(({ row, before, epoch, seq, fromLog, index, ...rest }) => ({
    ...rest,
    origin: fromLog
      ? { source: 'log:main', epoch: 0, seq }
      : { source: 'us-east.99aabbcc', epoch, seq },
    txId: 'tx-1',
    index,
    size: 6,
    hlc: '019b7cb2a0000001',
    schemaVersion: 4,
    tableId: SAMPLES.id,
    key: row.slice(0, 4),
    before,
    after: rest.op === 'delete' ? null : row,
    version: 'v',
    delta: null,
  }))

describe('envelopes', () => {
  test.each<TopicFormat>(['json', 'msgpack'])('in %s lose nothing of a change', (format) => {
    fc.assert(
      fc.property(anyChange, (change) => {
        const value = encodeEnvelope({ format, source: 'eu-west.1' }, SAMPLES, change)
        expect(changeOf(format, SAMPLES, value)).toEqual(comparable(SAMPLES, change))
      }),
      { numRuns: 500 },
    )
  })
})

type Command =
  | { readonly kind: 'write'; readonly changes: readonly GivenChange[] }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'fail'; readonly failures: readonly (SendFailure | undefined)[] }
  | { readonly kind: 'down' | 'up' | 'store-down' | 'store-up' | 'kill' | 'stop' | 'arrive' }
  | { readonly kind: 'overlap' }

const given: fc.Arbitrary<GivenChange> = fc
  .record({
    table: fc.constantFrom(ORDERS, ORDERS, ORDERS, PLANS, CARTS, undefined),
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    isLarge: fc.constantFrom(...Array.from({ length: 12 }, (_, i) => i === 0)),
  })
  .map(({ table, id, isLarge }) => {
    const body = isLarge ? 'x'.repeat(3000) : 'y'
    if (table === PLANS) return { tableId: PLANS.id, tenant: '', key: [id], after: [id, 1] }
    if (table === CARTS) return { tableId: CARTS.id, key: [id], after: [id, 1, '[]', body] }
    if (table === undefined) return { tableId: 999, key: [id] }
    return { key: [id], after: [id, 1, new TextEncoder().encode(body), null, null] }
  })

const failure = fc.constantFrom<(SendFailure | undefined)[]>(
  'before',
  'half',
  'after',
  'late',
  undefined,
)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .array(given, { minLength: 1, maxLength: 8 })
      .map((changes): Command => ({ kind: 'write', changes })),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(1, 50, 250, 1500).map((ms): Command => ({ kind: 'advance', ms })),
  },
  {
    weight: 6,
    arbitrary: fc
      .array(failure, { minLength: 1, maxLength: 6 })
      .map((failures): Command => ({ kind: 'fail', failures })),
  },
  {
    weight: 5,
    arbitrary: fc
      .constantFrom(
        ...(['down', 'up', 'store-down', 'store-up', 'kill', 'stop', 'arrive', 'overlap'] as const),
      )
      .map((kind): Command => ({ kind })),
  },
)

const commands = fc.array(command, { minLength: 1, maxLength: 60, size: 'max' })

/** Runs a history and heals it; what is wrong with the topics then. */
async function run(
  history: readonly Command[],
  faults: PublishFaults = {},
): Promise<string | undefined> {
  const world = await PublishWorld.open({
    faults,
    maxChanges: 6,
    partRecords: 2,
    maxRecordBytes: 2000,
  })
  try {
    await world.start()
    for (const one of history) await apply(world, one)
    heal(world)
    await restart(world)
    await world.settle()
    return problemOf(world)
  } finally {
    await world.close()
  }
}

async function apply(world: PublishWorld, one: Command): Promise<void> {
  switch (one.kind) {
    case 'write':
      await world.append(...one.changes)
      await world.turns()
      return
    case 'advance':
      await world.runtime.advance(one.ms)
      return
    case 'fail':
      world.topics.failures.push(...one.failures)
      return
    case 'down':
      world.topics.problem = new MeridianError('LOG_UNAVAILABLE', 'The broker is away.')
      return
    case 'up':
      world.topics.problem = undefined
      return
    case 'store-down':
      world.store.beforeWrite = () => {
        throw new MeridianError('STORE_UNAVAILABLE', 'The disk is gone.')
      }
      return
    case 'store-up':
      world.store.beforeWrite = () => undefined
      return
    case 'kill':
      await world.kill()
      await restart(world)
      return
    case 'stop':
      await world.publisher.stop()
      await restart(world)
      return
    case 'overlap':
      // Another node takes the role while this one still believes that it has it.
      await restart(world)
      return
    case 'arrive':
      world.topics.arrive()
  }
}

async function restart(world: PublishWorld): Promise<void> {
  world.store.beforeWrite = () => undefined
  await world.start()
}

function heal(world: PublishWorld): void {
  world.topics.problem = undefined
  world.topics.failures.length = 0
  world.topics.arrive()
}

function problemOf(world: PublishWorld): string | undefined {
  const dead = new Set(world.seqs('shop.eu-west.dead-letter'))
  for (const table of topicSchema.tables) {
    const topic = `shop.eu-west.${table.name}`
    const wanted = world.changes.filter(({ tableId }) => tableId === table.id)
    const stored = new Set(world.seqs(topic))
    const missing = wanted.find(({ localSeq }) => !stored.has(localSeq) && !dead.has(localSeq))
    if (missing !== undefined) return `change ${missing.localSeq} is nowhere`
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const records = world.topics.partition(topic, partition)
      const problem = partitionProblem(records, dead)
      if (problem !== undefined) return `${topic}/${partition}: ${problem}`
    }
  }
  return undefined
}

/** What a consumer that dedupes finds wrong with a partition. */
function partitionProblem(
  records: readonly TopicRecord[],
  dead: ReadonlySet<number>,
): string | undefined {
  let last = 0
  let resolved = 0
  for (const record of records) {
    const { headers } = record
    const before = Number(headers['meridian-prev-seq'])
    // What is between is in the dead letters, or missing.
    const isWhole = before === last || dead.has(before)
    if (isChange(record)) {
      const seq = Number(headers['meridian-local-seq'])
      if (seq <= last) continue
      if (seq <= resolved) return `${seq} comes behind resolved ${resolved}`
      if (!isWhole) return `${seq} follows ${last}, and says ${before}`
      last = seq
    } else {
      const at = Number(headers['meridian-resolved'])
      if (at <= resolved) continue
      resolved = at
      if (before > last && !dead.has(before)) return `resolved ${at} says ${before}, not ${last}`
    }
  }
  return undefined
}

async function isFound(faults: PublishFaults): Promise<boolean> {
  const result = await fc.check(
    fc.asyncProperty(commands, async (history) => (await run(history, faults)) === undefined),
    { numRuns: 300, endOnFailure: true, seed: 42 },
  )
  return result.failed
}

describe('a publisher', () => {
  test('loses nothing, keeps the order of each row, and resolves what was sent', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (history) => {
        expect(await run(history)).toBeUndefined()
      }),
      { numRuns: 60 },
    )
  })

  test('fails this check when a resolved record does not wait for acknowledgements', async () => {
    expect(await isFound({ resolvedBeforeAck: true })).toBe(true)
  })

  test('fails this check when the position is kept before the acknowledgement', async () => {
    expect(await isFound({ positionBeforeAck: true })).toBe(true)
  })

  test('fails this check when a later part does not wait for an earlier one', async () => {
    expect(await isFound({ partsAtOnce: true })).toBe(true)
  })

  test('fails this check when a restart forgets what was sent last', async () => {
    expect(await isFound({ forgetsPrevious: true })).toBe(true)
  })
})
