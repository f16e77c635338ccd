/**
 * Random transactions on a log whose schema changes at one index, applied by nodes of the schema before
 * and of the one behind it, upgraded at any index, and cut into batches at random: wherever two of
 * them are at one index they hold the same, byte for byte (protocol rule 13).
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { activeSchemaOf } from '../../../replication/strong/active-schema.ts'
import { controlRecord } from '../../../replication/strong/control.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { encodeRecord } from '../../../replication/strong/record.ts'
import {
  encodeTransaction,
  type TransactionCommand,
} from '../../../replication/strong/transaction-codec.ts'
import type { CellCondition, CellOp, ReadCheck, WriteOp } from '../../../src/core/operations.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import type { Store } from '../../../src/core/ports/store.ts'
import type { SqlValue } from '../../../src/core/values.ts'
import type { CompiledSchema } from '../../../src/schema/compiled.ts'
import { columnDigest } from '../../../src/session/column-digest.ts'
import { MemoryCommitLog } from '../../support/memory-commit-log.ts'
import { RegionPool, rowsOf, type Region } from '../../support/strong-region.ts'
import {
  gates,
  newer,
  older,
  openSchemaNode,
  passes,
  sharedState,
} from '../../support/two-schemas.ts'

const pool = new RegionPool()
afterEach(() => pool.closeAll())

const ids = fc.constantFrom('a', 'b', 'c')
const seats = fc.constantFrom('1', '2', null)
const uses = fc.integer({ min: 0, max: 2 })
/** The log runs from 0 to about 50 ms. */
const instants = fc.option(fc.integer({ min: 0, max: 50 }))

/** Of either schema: as wide as the one before, or with the columns behind it. */
const image: fc.Arbitrary<SqlValue[]> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(ids, seats, uses, instants) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      ...[ids, seats, uses, instants],
      fc.constantFrom(0, 1),
      fc.constantFrom('n', null),
    ),
  },
)

const change = fc.oneof(
  uses.map((value) => ({ column: 2, op: { kind: 'set', value } as CellOp })),
  instants.map((value) => ({ column: 3, op: { kind: 'set', value } as CellOp })),
  seats.map((value) => ({ column: 1, op: { kind: 'set', value } as CellOp })),
  fc.constantFrom(0, 1).map((value) => ({ column: 4, op: { kind: 'set', value } as CellOp })),
)

/** Also of the column that only the schema behind has. */
const condition: fc.Arbitrary<CellCondition> = fc.record({
  column: fc.constantFrom(2, 4),
  op: fc.constantFrom('=' as const, '!=' as const),
  value: fc.constantFrom(0, 1, null),
})

const op: fc.Arbitrary<WriteOp> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom('insert' as const, 'upsert' as const), image)
      .map(([kind, row]): WriteOp => ({ kind, table: passes.id, rows: [row] })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(ids, fc.array(change, { maxLength: 2 }), fc.array(condition, { maxLength: 1 }))
      .map(([id, cells, conditions]): WriteOp => ({
        kind: 'update',
        table: passes.id,
        key: [id],
        cells,
        conditions,
      })),
  },
  {
    weight: 1,
    arbitrary: ids.map((id): WriteOp => ({
      kind: 'delete',
      table: passes.id,
      key: [id],
      conditions: [],
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(ids, ids)
      .map((row): WriteOp => ({ kind: 'insert', table: gates.id, rows: [[...row]] })),
  },
)

/** Columns of both schemas that a transaction may have read. */
const read: fc.Arbitrary<ReadCheck> = fc
  .tuple(ids, fc.constantFrom([2], [4], [2, 4]), uses)
  .map(([id, columns, value]) => ({
    table: passes.id,
    key: [id],
    columns,
    digest: columnDigest(passes, columns, [id, null, value, null, 1, null]),
  }))

interface Piece {
  readonly nowMs: number
  readonly commands: readonly TransactionCommand[] | 'tick'
}

const commands = fc.array(
  fc.tuple(
    fc.array(op, { maxLength: 2 }),
    fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(read, { maxLength: 1 })),
    fc.integer({ min: 0, max: 40 }),
  ),
  { minLength: 1, maxLength: 3 },
)

const pieces: fc.Arbitrary<Piece[]> = fc
  .array(
    fc.oneof({ weight: 5, arbitrary: commands }, { weight: 1, arbitrary: fc.constant('tick') }),
    { minLength: 2, maxLength: 14 },
  )
  .map((all) =>
    all.map((of, i) => ({
      nowMs: i * 4,
      commands:
        typeof of === 'string'
          ? 'tick'
          : of.map(([ops, reads, key]) => ({
              txId: `tx${key}`,
              dedupeId: `dedupe${key}`,
              contentHash: `content${JSON.stringify([ops, reads]).length}`,
              basis: 0,
              tenant: '',
              reads,
              ops,
            })),
    })),
  )

/** The log says the schema before with its first record, and the one behind at `at`. */
function entriesOf(records: readonly Piece[], at: number): LogEntry[] {
  const payloads = records.map(({ nowMs, commands: of }, i) =>
    encodeRecord({
      machineVersion: of !== 'tick' && of.some(({ reads }) => reads.length > 0) ? 3 : 1,
      schemaVersion: i < at ? older.version : newer.version,
      nowMs,
      kind: of === 'tick' ? 'tick' : 'commands',
      commands: of === 'tick' ? [] : of.map(encodeTransaction),
    }),
  )
  payloads.splice(at, 0, saying(newer))
  payloads.unshift(saying(older))
  return payloads.map((payload, i) => ({ index: i + 1, id: `record${i + 1}`, payload }))
}

function saying(schema: CompiledSchema): Uint8Array {
  const said = activeSchemaOf(schema, 'main')
  return encodeRecord(controlRecord({ type: 'schema', schema: said }, 0))
}

/** A node of a schema over a store, once it has applied these entries. */
async function applied(
  schema: CompiledSchema,
  entries: readonly LogEntry[],
  sizes: readonly number[],
  more: { readonly store?: Store; readonly faults?: StrongFaults } = {},
): Promise<Region> {
  let piece = 0
  const log = new MemoryCommitLog(() => sizes[piece++ % sizes.length] as number)
  log.entries.set('main', [...entries])
  const region = await openSchemaNode(pool, log, schema, {
    limits: { maxRecordsPerBatch: Math.max(...sizes) },
    ...more,
  })
  await region.engine.waitApplied(entries.length)
  await region.engine.close()
  expect(region.failures).toEqual([])
  return region
}

/** All of it, with the columns that only the schema behind has. */
async function wholeState({ store }: Region): Promise<string> {
  const rows = await Promise.all([rowsOf(store, passes), rowsOf(store, gates)])
  return `${await sharedState(store)} ${rows.flat().map(String).join('\n')}`
}

interface Upgrade {
  readonly records: readonly Piece[]
  /** Before which record the schema changes. */
  readonly at: number
  /** Up to where one region is applied by a node of the schema before. */
  readonly upgradedAt: number
  readonly sizes: readonly number[]
}

const upgrade: fc.Arbitrary<Upgrade> = pieces.chain((records) =>
  fc.nat({ max: records.length }).chain((at) =>
    fc.record({
      records: fc.constant(records),
      at: fc.constant(at),
      upgradedAt: fc.integer({ min: 1, max: at + 1 }),
      sizes: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
    }),
  ),
)

async function checkUpgrade(
  { records, at, upgradedAt, sizes }: Upgrade,
  faults: StrongFaults = {},
): Promise<void> {
  const entries = entriesOf(records, at)
  const first = entries.slice(0, upgradedAt)
  const late = await applied(older, first, sizes)
  const early = await applied(newer, first, [1], { faults })
  expect(await sharedState(early.store)).toBe(await sharedState(late.store))
  const upgraded = await applied(newer, entries, [entries.length], { store: late.store, faults })
  const before = await applied(newer, entries, sizes, { store: early.store, faults })
  const fresh = await applied(newer, entries, sizes.toReversed(), { faults })
  const state = await wholeState(upgraded)
  expect(await wholeState(before)).toBe(state)
  expect(await wholeState(fresh)).toBe(state)
}

describe('a schema that changes at one index', () => {
  it('makes the same in nodes of both, whenever each is upgraded', async () => {
    await fc.assert(
      fc.asyncProperty(upgrade, (one) => checkUpgrade(one)),
      { numRuns: 120 },
    )
  })

  it('must fail: nodes that go by their own schema', async () => {
    const result = await fc.check(
      fc.asyncProperty(upgrade, (one) => checkUpgrade(one, { activeSchemaIgnored: true })),
      { numRuns: 120, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })
})
