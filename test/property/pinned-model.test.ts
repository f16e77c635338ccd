/** The pinned engine, whose SQL computes in the store, against a model that computes in JavaScript. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RowImage } from '../../src/core/change.ts'
import { MeridianError, type ErrorCode } from '../../src/core/errors.ts'
import type { CellChange, CellCondition, ReadCheck, WriteOp } from '../../src/core/operations.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { pinnedVersion } from '../../src/core/version.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { applyCellOp, conditionHolds } from '../../src/schema/evaluate.ts'
import { hasWideColumns, keyOf, rowColumns, rowReader } from '../../src/sql/select.ts'
import { openPinnedRegion, request, type PinnedRegion } from '../support/pinned-region.ts'
import { imageOf, rowsOf, shopTable } from '../support/shop.ts'

interface ModelRow {
  readonly image: RowImage
  /** Of the transaction that wrote it, by number; the engine's version is known once it answers. */
  readonly writer: number
}
type Rows = Map<string, ModelRow>
type State = Map<CompiledTable, Rows>

const stock = shopTable('stock')
const alerts = shopTable('alerts')

/** Refuses with the code that the engine should give. */
function refuse(code: ErrorCode): never {
  throw new MeridianError(code, 'refused by the model')
}

/** One transaction on a copy of the state: what `src/schema/evaluate.ts` and the rules say. */
class Model {
  readonly state: State
  readonly updated: RowImage[] = []
  readonly #nowMs: number
  readonly #number: number

  constructor(state: State, nowMs: number, number: number) {
    this.state = new Map(Array.from(state, ([table, rows]) => [table, new Map(rows)]))
    this.#nowMs = nowMs
    this.#number = number
  }

  run(op: WriteOp): void {
    const table = op.table === stock.id ? stock : alerts
    if ('rows' in op) {
      for (const image of op.rows) this.#put(table, op.kind, image)
      return
    }
    const row = this.live(table, op.key)
    if (op.kind === 'delete') {
      if (row === undefined) return
      this.#require(row, op.conditions)
      this.#rows(table).delete(idOf(op.key))
      return
    }
    if (row === undefined) refuse('NOT_FOUND')
    this.#require(row, op.conditions)
    const image = [...row.image]
    for (const { column, op: cell } of op.cells) {
      image[column] = applyCellOp(table, column, image[column] ?? null, cell)
    }
    this.#write(table, image)
    this.updated.push(image)
  }

  live(table: CompiledTable, key: readonly SqlValue[]): ModelRow | undefined {
    const row = this.#rows(table).get(idOf(key))
    return row !== undefined && !this.#isExpired(table, row) ? row : undefined
  }

  #put(table: CompiledTable, kind: 'insert' | 'upsert', image: RowImage): void {
    const existing = this.live(table, keyOf(table, image))
    if (existing !== undefined && kind === 'insert') refuse('ALREADY_EXISTS')
    this.#write(table, image)
  }

  #write(table: CompiledTable, image: RowImage): void {
    const id = idOf(keyOf(table, image))
    const unique = table === stock ? 2 : 1
    for (const [other, row] of this.#rows(table)) {
      const held = row.image[unique] ?? null
      if (other === id || held === null || held !== image[unique]) continue
      if (!this.#isExpired(table, row)) refuse('CONSTRAINT_VIOLATED')
      this.#rows(table).delete(other)
    }
    this.#rows(table).set(id, { image, writer: this.#number })
  }

  #require(row: ModelRow, conditions: readonly CellCondition[]): void {
    if (conditions.every((c) => conditionHolds(row.image[c.column] ?? null, c))) return
    refuse('CONDITION_FAILED')
  }

  #isExpired(table: CompiledTable, row: ModelRow): boolean {
    const instant = table === alerts ? (row.image[3] ?? null) : null
    return instant !== null && Number(instant) <= this.#nowMs
  }

  #rows(table: CompiledTable): Rows {
    return this.state.get(table) as Rows
  }
}

function idOf(key: readonly SqlValue[]): string {
  return key.map(String).join('\n')
}

const START_MS = 1_000_000
const serial = fc.constantFrom(null, 's1', 's2', 's3')
const small = fc.integer({ min: -3, max: 3 })
const stockKey = fc.tuple(fc.constantFrom('p', 'q'), fc.constantFrom(1n, 2n ** 53n + 1n))
const alertKey = fc.tuple(fc.integer({ min: 1, max: 4 }))
const big = fc.constantFrom(0n, 1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 62n)
const worth = fc.constantFrom(0, -0.1, 50.470167, 1e308, 5e-324)
const count = fc.oneof(small, fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER))
const expiresMs = fc.option(fc.integer({ min: 0, max: 30 }))

const stockImage = fc
  .tuple(stockKey, serial, count, worth, big)
  .map(([[place, item], s, c, w, b]) =>
    imageOf('stock', { place, item, serial: s, count: c, worth: w, big: b }),
  )
const alertImage = fc
  .tuple(alertKey, serial, fc.option(small), expiresMs)
  .map(([[id], code, level, ms]) =>
    imageOf('alerts', { id, code, level, expiresAt: ms === null ? null : new Date(START_MS + ms) }),
  )

type CellOpOf = fc.Arbitrary<CellChange['op']>
const increment = (by: fc.Arbitrary<number | bigint>): CellOpOf =>
  fc.record({ kind: fc.constant('increment'), by, floor: fc.option(by) }) as CellOpOf
const minOrMax = (value: fc.Arbitrary<SqlValue>): CellOpOf =>
  fc.record({ kind: fc.constantFrom('min', 'max'), value }) as CellOpOf
const set = (value: fc.Arbitrary<SqlValue>): CellOpOf =>
  fc.record({ kind: fc.constant('set'), value }) as CellOpOf
const at = (column: number, ...ops: CellOpOf[]): fc.Arbitrary<CellChange> =>
  fc.oneof(...ops).map((op) => ({ column, op }))
const distinct = (cell: fc.Arbitrary<CellChange>): fc.Arbitrary<CellChange[]> =>
  fc.uniqueArray(cell, { maxLength: 3, selector: (c) => c.column })

const stockCells = distinct(
  fc.oneof(
    at(2, set(serial), minOrMax(fc.constantFrom('s1', 's2', '\u{1f600}', '\uffee'))),
    at(3, set(count), increment(count), minOrMax(count)),
    at(4, set(worth), increment(worth), minOrMax(worth)),
    at(5, set(big), increment(big), minOrMax(big)),
  ),
)
const alertCells = distinct(
  fc.oneof(
    at(1, set(serial)),
    at(2, set(fc.option(small)), increment(small), minOrMax(small)),
    at(
      3,
      set(expiresMs.map((ms) => (ms === null ? null : START_MS + ms))),
      minOrMax(fc.constant(START_MS + 20)),
    ),
  ),
)
const comparison = fc.constantFrom('=', '!=', '<', '<=', '>', '>=')
const conditionOn = (column: number, value: fc.Arbitrary<SqlValue>): fc.Arbitrary<CellCondition> =>
  fc.record({ column: fc.constant(column), op: comparison, value }) as fc.Arbitrary<CellCondition>
const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 2 })

function opsOn(
  table: CompiledTable,
  image: fc.Arbitrary<RowImage>,
  key: fc.Arbitrary<readonly SqlValue[]>,
  cells: fc.Arbitrary<CellChange[]>,
  condition: fc.Arbitrary<CellCondition>,
): fc.Arbitrary<WriteOp> {
  const id = fc.constant(table.id)
  return fc.oneof(
    fc.record({
      kind: fc.constantFrom('insert', 'upsert'),
      table: id,
      rows: fc.array(image, { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('update'), table: id, key, cells, conditions: few(condition) }),
    fc.record({ kind: fc.constant('delete'), table: id, key, conditions: few(condition) }),
  ) as fc.Arbitrary<WriteOp>
}

const op = fc.oneof(
  opsOn(
    stock,
    stockImage,
    stockKey,
    stockCells,
    fc.oneof(
      conditionOn(2, serial),
      conditionOn(3, count),
      conditionOn(4, worth),
      conditionOn(5, big),
    ),
  ),
  opsOn(
    alerts,
    alertImage,
    alertKey,
    alertCells,
    fc.oneof(conditionOn(1, serial), conditionOn(2, fc.option(small))),
  ),
)
const step = fc.record({
  ops: fc.array(op, { minLength: 1, maxLength: 4 }),
  read: fc.option(fc.tuple(alertKey, fc.boolean())),
  advanceMs: fc.integer({ min: 0, max: 6 }),
})

async function storedImages(
  region: PinnedRegion,
  table: CompiledTable,
): Promise<Map<string, unknown>> {
  const sql = `SELECT ${rowColumns(table, 'r')} FROM ${table.physicalName} r WHERE tenant = 'a'`
  const rows = await rowsOf(region.store, { sql, args: [], bigints: hasWideColumns(table) })
  return new Map(rows.map(rowReader(table)).map((row) => [idOf(keyOf(table, row.image)), row]))
}

/** The outbox tells the whole story: each change starts where the one before it ended. */
async function replay(region: PinnedRegion, table: CompiledTable): Promise<Map<string, unknown>> {
  const rows = new Map<string, { image: RowImage; version: string }>()
  for (const change of await region.changes()) {
    if (change.tableId !== table.id) continue
    const id = idOf(change.key)
    expect(change.before).toEqual(rows.get(id)?.image ?? null)
    if (change.after === null) rows.delete(id)
    else rows.set(id, { image: change.after, version: change.version })
  }
  return rows
}

test('rows, errors and changes of random transactions are those of the model', async () => {
  const codes = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const region = await openPinnedRegion()
      let state: State = new Map([
        [stock, new Map()],
        [alerts, new Map()],
      ])
      const versions = new Map<number, string>()
      for (const [number, { ops, read, advanceMs }] of steps.entries()) {
        region.wall.nowMs += advanceMs
        const model = new Model(state, region.wall.nowMs, number)
        const reads: ReadCheck[] = []
        let expected: ErrorCode | 'ok' = 'ok'
        if (read !== null) {
          const [key, isStale] = read
          const seen = versions.get(model.live(alerts, key)?.writer ?? -1) ?? null
          reads.push({ table: alerts.id, key, version: isStale ? pinnedVersion(9, 'f') : seen })
          if (isStale) expected = 'CONFLICT'
        }
        try {
          if (expected === 'ok') for (const o of ops) model.run(o)
        } catch (error) {
          expected = (error as MeridianError).code
        }
        const result = await region.engine
          .commit(request(ops, { reads, issuedAtMs: region.wall.nowMs }))
          .catch((error: unknown) => error)
        const actual = result instanceof Error ? ((result as MeridianError).code ?? result) : 'ok'
        expect(actual).toEqual(expected)
        codes.set(expected, (codes.get(expected) ?? 0) + 1)
        if (expected === 'ok') {
          const { updated, hlc } = result as { updated: RowImage[]; hlc: string }
          expect(updated).toEqual(model.updated)
          versions.set(number, pinnedVersion(1, hlc))
          state = model.state
        }
        for (const [table, rows] of state) {
          const wanted = new Map(
            Array.from(rows, ([id, { image, writer }]) => [
              id,
              { image, version: versions.get(writer) },
            ]),
          )
          const stored = await storedImages(region, table)
          expect(stored).toEqual(wanted)
        }
      }
      for (const table of [stock, alerts]) {
        expect(await replay(region, table)).toEqual(await storedImages(region, table))
      }
      await region.store.close()
    }),
    { numRuns: Number(process.env['RUNS'] ?? 300) },
  )
  // A test that never meets a refusal would prove little.
  for (const code of [
    'ok',
    'ALREADY_EXISTS',
    'NOT_FOUND',
    'CONFLICT',
    'CONSTRAINT_VIOLATED',
    'CONDITION_FAILED',
  ]) {
    expect(codes.get(code), code).toBeGreaterThan(5)
  }
})
