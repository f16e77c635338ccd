/**
 * Stored values through a real engine: JSON images written by triggers and read here, bulk JSON
 * written here and read by SQL, and arithmetic that SQL and `evaluate.ts` must do alike.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../src/core/errors.ts'
import type { CellCondition, CellOp } from '../../src/core/operations.ts'
import { StatementFailed, type Store } from '../../src/core/ports/store.ts'
import { INT64_MAX, INT64_MIN, type SqlValue } from '../../src/core/values.ts'
import { applyCellOp, compareStored, conditionHolds } from '../../src/schema/evaluate.ts'
import {
  decodeImage,
  decodeKey,
  encodeImage,
  encodeKey,
  realToJson,
} from '../../src/schema/image.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { keyOfImage } from '../../src/schema/rows.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import { insertRows } from '../../src/sql/write-rows.ts'
import { compiled, openStore, random, tableNamed } from '../unit/schema/fixtures.ts'

const plain = tableNamed('plain')
const { MAX_SAFE_INTEGER } = Number

const bits = new DataView(new ArrayBuffer(8))

/** Elsewhere SQLite may lack extended precision: there the extremes lose a bit (image.ts). */
const isExact = (x: number): boolean =>
  process.platform === 'linux' || x === 0 || (Math.abs(x) > 1e-80 && Math.abs(x) < 1e100)

/** Any finite double by its bits: all exponents alike, subnormals among them. */
const double = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map((n) => {
    bits.setBigUint64(0, n)
    return bits.getFloat64(0)
  })
  .filter((x) => Number.isFinite(x) && x !== 0)
const anyReal = fc.oneof(
  double,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
  fc.integer({ min: -1e9, max: 1e9 }).map((n) => n / 100),
  fc.constantFrom(0, 5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, 0.1, 50.470167, 1e23),
)
const real = anyReal.filter(isExact)
const text = fc.string({ unit: 'binary' }).map((t) => t.replaceAll('\0', ''))
/** Texts that differ late, around where UTF-16 and UTF-8 order differently. */
const nearText = fc.string({
  unit: fc.constantFrom('a', 'é', '\ud7ff', '\ufb01', '\u{1f600}', '\u{10ffff}'),
  maxLength: 4,
})
const integer = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -9, max: 9 }))
const bigint = fc.oneof(
  fc.bigInt({ min: INT64_MIN, max: INT64_MAX }),
  fc.constantFrom(INT64_MIN, INT64_MAX, 0n),
)
const orNull = (arbitrary: fc.Arbitrary<SqlValue>): fc.Arbitrary<SqlValue> =>
  fc.option(arbitrary, { nil: null, freq: 6 })

const image = fc.tuple(
  text,
  orNull(integer),
  orNull(bigint),
  orNull(real),
  orNull(fc.constantFrom(0, 1)),
  orNull(fc.integer({ min: -8.64e15, max: 8.64e15 })),
  orNull(fc.uint8Array()),
  orNull(fc.jsonValue().map((v) => JSON.stringify(v))),
  orNull(text),
)

/** One store for all runs of a test: making one costs more than a run. */
async function preparedStore(): Promise<Store> {
  const store = await openStore()
  await prepareStore(store, compiled, { random })
  return store
}

describe('row images', () => {
  it('come back exactly from triggers, from tables filled in bulk, and from their own JSON', async () => {
    const store = await preparedStore()
    let clock = 0
    const rows = fc.uniqueArray(image, { selector: (row) => row[0], minLength: 2, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(rows, async (images) => {
        const hlc = (++clock).toString(16).padStart(16, '0')
        const written = images.map((row) => ({
          tenant: 'acme',
          image: row,
          version: hlc,
          epoch: 1,
        }))
        await store.write([
          { sql: 'DELETE FROM t1', args: [] },
          { sql: 'DELETE FROM _outbox', args: [] },
          beginContext({
            txId: hlc,
            hlc,
            epoch: 1,
            cause: 'user',
            schemaVersion: 1,
            capture: true,
            origin: null,
          }),
          insertRows(plain, written),
        ])
        const columns = plain.physical.map((c) => c.name).join(', ')
        const [outbox, table] = await store.read([
          { sql: 'SELECT key, after FROM _outbox ORDER BY key', args: [] },
          { sql: `SELECT ${columns} FROM t1`, args: [], bigints: true },
        ])
        const byKey = (a: readonly SqlValue[], b: readonly SqlValue[]): number =>
          compareStored(a[0] ?? null, b[0] ?? null)
        const expected = images.toSorted(byKey)
        const captured = (outbox?.rows ?? []).map((row) => decodeImage(plain, String(row[1])))
        expect(captured.toSorted(byKey)).toStrictEqual(expected)
        expect(outbox?.rows.map((row) => decodeKey(plain, String(row[0])))).toStrictEqual(
          outbox?.rows.map((row) => keyOfImage(plain, decodeImage(plain, String(row[1])))),
        )
        const stored = (table?.rows ?? []).map((row) => row.map(asImageCell))
        expect(stored.toSorted(byKey)).toStrictEqual(expected)
        for (const row of images) {
          expect(decodeImage(plain, encodeImage(plain, row))).toStrictEqual(row)
          expect(decodeKey(plain, encodeKey(plain, [row[0]]))).toStrictEqual([row[0]])
        }
      }),
      { numRuns: 300 },
    )
  })

  /** Reads with `bigints` give every integer as bigint; images hold narrow ones as numbers. */
  function asImageCell(value: SqlValue, index: number): SqlValue {
    const isNarrow = typeof value === 'bigint' && plain.physical[index]?.wide === false
    return isNarrow ? Number(value) : value
  }
})

describe('reals', () => {
  const roundTrip = `SELECT CAST(value AS REAL), printf('%!.17g', CAST(value AS REAL)) FROM json_each(?)`

  it('are exact both ways with 17 digits', async () => {
    const store = await openStore()
    const many = fc.array(real, { minLength: 1000, maxLength: 1000 })
    await fc.assert(
      fc.asyncProperty(many, async (values) => {
        const args = [JSON.stringify(values.map(realToJson))]
        const [result] = await store.read([{ sql: roundTrip, args }])
        expect(result?.rows.map((row) => row[0])).toStrictEqual(values)
        expect(result?.rows.map((row) => Number(row[1]))).toStrictEqual(values)
      }),
      { numRuns: 100 },
    )
  })

  it('would not be with the shortest digits, which JSON writes', async () => {
    const store = await openStore()
    const value = 50.470167
    const [result] = await store.read([{ sql: roundTrip, args: [JSON.stringify([String(value)])] }])
    expect(result?.rows[0]?.[0]).not.toBe(value)
  })
})

describe('operations', () => {
  const numeric = fc.oneof(
    fc.record({
      column: fc.constant(1),
      current: orNull(integer),
      by: integer,
      floor: orNull(integer),
    }),
    fc.record({
      column: fc.constant(2),
      current: orNull(bigint),
      by: bigint,
      floor: orNull(bigint),
    }),
    fc.record({ column: fc.constant(3), current: orNull(real), by: real, floor: orNull(real) }),
  )

  /** What SQL makes of it, as the pinned engine asks: guards first, then the update. */
  async function inSql(
    store: Store,
    column: number,
    current: SqlValue,
    op: CellOp,
  ): Promise<unknown> {
    const c = plain.physical[column]?.name ?? ''
    const seed = [
      { sql: 'DELETE FROM t1', args: [] },
      {
        sql: `INSERT INTO t1 (tenant, c1, ${c}, _ver, _epoch) VALUES ('', 'k', ?, '', 0)`,
        args: [current],
      },
    ]
    await store.write(seed)
    const guard =
      op.kind === 'increment' && op.floor !== null
        ? [
            {
              sql: `INSERT INTO _guard SELECT 1 FROM t1 WHERE coalesce(${c}, 0) + ? < ?`,
              args: [op.by, op.floor],
            },
          ]
        : []
    const update =
      op.kind === 'increment'
        ? { sql: `UPDATE t1 SET ${c} = coalesce(${c}, 0) + ?`, args: [op.by] }
        : {
            sql: `UPDATE t1 SET ${c} = ${op.kind}(coalesce(${c}, ?1), ?1)`,
            args: [(op as Extract<CellOp, { kind: 'max' }>).value],
          }
    try {
      await store.write([...guard, update])
    } catch (error) {
      if (!(error instanceof StatementFailed)) throw error
      return error.statementIndex < guard.length ? 'CONDITION_FAILED' : 'CONSTRAINT_VIOLATED'
    }
    const [result] = await store.read([{ sql: `SELECT ${c} FROM t1`, args: [], bigints: true }])
    const value = result?.rows[0]?.[0] ?? null
    return typeof value === 'bigint' && plain.physical[column]?.wide === false
      ? Number(value)
      : value
  }

  function here(column: number, current: SqlValue, op: CellOp): unknown {
    try {
      return applyCellOp(plain, column, current, op)
    } catch (error) {
      if (error instanceof MeridianError) return error.code
      throw error
    }
  }

  it('increment as SQL does', async () => {
    const store = await preparedStore()
    await fc.assert(
      fc.asyncProperty(numeric, async ({ column, current, by, floor }) => {
        const op = { kind: 'increment', by, floor } as CellOp
        expect(here(column, current, op)).toStrictEqual(await inSql(store, column, current, op))
      }),
      {
        numRuns: 500,
        examples: [[{ column: 2, current: INT64_MIN, by: -1n, floor: INT64_MIN }]],
      },
    )
  })

  it('refuse the ends of the ranges as SQL does', async () => {
    const store = await preparedStore()
    const cases: [number, SqlValue, number | bigint][] = [
      [1, MAX_SAFE_INTEGER, 1],
      [1, -MAX_SAFE_INTEGER, -1],
      [1, MAX_SAFE_INTEGER - 1, 1],
      [2, INT64_MAX, 1n],
      [2, INT64_MIN, -1n],
      [2, INT64_MIN + 1n, -1n],
      [3, 1.7e308, 1e308],
      [3, -1.7e308, -1e308],
    ]
    for (const [column, current, by] of cases) {
      const op: CellOp = { kind: 'increment', by, floor: null }
      expect(here(column, current, op)).toStrictEqual(await inSql(store, column, current, op))
    }
  })

  it('keep the larger and the smaller as SQL does', async () => {
    const store = await preparedStore()
    const cell = fc.oneof(
      fc.record({ column: fc.constant(1), current: orNull(integer), value: integer }),
      fc.record({ column: fc.constant(2), current: orNull(bigint), value: bigint }),
      fc.record({ column: fc.constant(3), current: orNull(real), value: real }),
      fc.record({ column: fc.constant(8), current: orNull(nearText), value: nearText }),
    )
    const kind = fc.constantFrom<'max' | 'min'>('max', 'min')
    await fc.assert(
      fc.asyncProperty(cell, kind, async ({ column, current, value }, kind) => {
        const op: CellOp = { kind, value }
        expect(here(column, current, op)).toStrictEqual(await inSql(store, column, current, op))
      }),
      { numRuns: 500 },
    )
  })
})

describe('conditions', () => {
  it('hold as SQL holds them', async () => {
    const store = await preparedStore()
    const pair = fc.oneof(
      fc.tuple(orNull(integer), orNull(integer)),
      fc.tuple(orNull(bigint), orNull(bigint)),
      fc.tuple(orNull(real), orNull(real)),
      fc.tuple(orNull(nearText), orNull(nearText)),
      fc.tuple(orNull(fc.uint8Array({ maxLength: 3 })), orNull(fc.uint8Array({ maxLength: 3 }))),
    )
    const op = fc.constantFrom<CellCondition['op']>('=', '!=', '<', '<=', '>', '>=')
    await fc.assert(
      fc.asyncProperty(pair, op, async ([current, value], op) => {
        const operator = op === '=' ? 'IS' : op === '!=' ? 'IS NOT' : op
        const [result] = await store.read([
          { sql: `SELECT coalesce(? ${operator} ?, 0)`, args: [current, value] },
        ])
        expect(conditionHolds(current, { column: 0, op, value })).toBe(result?.rows[0]?.[0] === 1)
      }),
      { numRuns: 1000 },
    )
  })
})
