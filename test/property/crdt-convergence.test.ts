import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Change } from '../../src/core/change.ts'
import { isErrorCode } from '../../src/core/errors.ts'
import type { CellOp } from '../../src/core/operations.ts'
import type { SqlRow } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { EventualRegion, image, WallClock } from '../support/eventual-region.ts'
import { carts, COLUMN, pages } from '../support/eventual-schema.ts'

const REGIONS = ['us', 'eu', 'ap']
const SKEWS_MS = [0, 300, -300]

type Step =
  | {
      readonly kind: 'insert' | 'upsert'
      readonly at: number
      readonly key: string
      readonly ttlMs: number | null
    }
  | { readonly kind: 'delete' | 'sweep' | 'restart'; readonly at: number; readonly key: string }
  | { readonly kind: 'update'; readonly at: number; readonly key: string; readonly cell: Cell }
  | {
      readonly kind: 'pull' | 'repeat'
      readonly at: number
      readonly from: number
      readonly limit: number
    }
  | { readonly kind: 'wait'; readonly ms: number }

type Cell = readonly [keyof typeof COLUMN, CellOp]

const at = fc.nat({ max: 2 })
const key = fc.constantFrom('a', 'b', 'c')
const ttlMs = fc.option(fc.integer({ min: 1, max: 500 }))
const cell: fc.Arbitrary<Cell> = fc.oneof(
  fc
    .string({ maxLength: 3, unit: 'grapheme-ascii' })
    .map((value): Cell => ['title', { kind: 'set', value }]),
  fc.option(fc.nat()).map((value): Cell => ['amount', { kind: 'set', value }]),
  fc
    .integer({ min: -9, max: 9 })
    .map((by): Cell => ['quantity', { kind: 'increment', by, floor: null }]),
  fc
    .tuple(fc.constantFrom('add' as const, 'remove' as const), fc.constantFrom('x', 'y', 'z'))
    .map(([kind, element]): Cell => ['tags', { kind, elements: [element] }]),
  fc
    .constantFrom('', 'abc', 'axc', '🙂b')
    .map((text): Cell => ['notes', { kind: 'text', edits: [{ kind: 'replace', text }] }]),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('insert', 'upsert'), at, key, ttlMs }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('update' as const), at, key, cell }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('delete', 'sweep', 'restart'), at, key }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('pull', 'repeat'),
      at,
      from: at,
      limit: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 200 }) }),
  },
)

class Regions {
  readonly #clocks = SKEWS_MS.map((skewMs) => {
    const clock = new WallClock()
    clock.ms += skewMs
    return clock
  })
  readonly #table: CompiledTable
  regions: EventualRegion[] = []

  constructor(table: CompiledTable) {
    this.#table = table
  }

  async open(): Promise<void> {
    for (const [i, region] of REGIONS.entries()) {
      this.regions.push(await EventualRegion.open(region, this.#clocks[i]))
    }
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) {
      for (const clock of this.#clocks) clock.ms += one.kind === 'wait' ? one.ms : 1
      try {
        await this.#step(one)
      } catch (error) {
        if (!isErrorCode(error, 'NOT_FOUND', 'ALREADY_EXISTS')) throw error
      }
    }
  }

  async heal(): Promise<void> {
    for (const to of this.regions) {
      for (const from of this.regions) if (from !== to) await to.pull(from)
    }
  }

  async #step(one: Step): Promise<void> {
    if (one.kind === 'wait') return
    const region = this.regions[one.at] as EventualRegion
    switch (one.kind) {
      case 'insert':
      case 'upsert': {
        const expiresAt = one.ttlMs === null ? null : region.wallClock.ms + one.ttlMs
        const row = image(one.key, one.kind, {
          expiresAt,
          quantity: 1,
          tags: '["x"]',
          notes: 'abc',
        })
        await region.commit([{ kind: one.kind, table: this.#table.id, rows: [row] }])
        return
      }
      case 'update': {
        const [column, op] = one.cell
        await region.update(this.#table, one.key, { column: COLUMN[column], op })
        return
      }
      case 'delete':
        await region.delete(this.#table, one.key)
        return
      case 'sweep':
        await region.sweeper.sweep()
        return
      case 'restart':
        this.regions[one.at] = await region.restart()
        return
      case 'pull':
        if (one.from !== one.at)
          await region.pull(this.regions[one.from] as EventualRegion, one.limit)
        return
      case 'repeat':
        if (one.from !== one.at)
          await repeat(region, this.regions[one.from] as EventualRegion, one.limit)
    }
  }
}

/** Imports the beginning of what was imported already once more. */
async function repeat(to: EventualRegion, from: EventualRegion, limit: number): Promise<void> {
  const [row] = await to.read('SELECT seq FROM _positions WHERE source = ?', from.source)
  const seen = (await from.ownChanges()).filter(
    (change) => change.origin.seq <= Number(row?.[0] ?? 0),
  )
  if (seen.length > 0) await to.import(seen.slice(0, limit))
}

async function stored(region: EventualRegion, table: CompiledTable): Promise<readonly SqlRow[]> {
  const columns = [...table.physical.map((c) => c.name), '_visible', 'hex(_crdt)']
  return region.read(`SELECT ${columns.join(', ')} FROM ${table.physicalName} ORDER BY c1`)
}

/** The rows that a reader of the outbox ends up with; fails where a change does not follow on. */
function replay(changes: readonly Change[]): Map<string, unknown> {
  const rows = new Map<string, unknown>()
  for (const change of changes) {
    const id = change.key[0] as string
    expect(change.before).toEqual(rows.get(id) ?? null)
    if (change.after === null) rows.delete(id)
    else rows.set(id, change.after)
  }
  return rows
}

describe.each([
  ['deletes win', carts],
  ['updates win', pages],
])('where %s', (_, table) => {
  test('healed regions store the same rows, and each outbox replays to them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 50, size: 'max' }),
        async (steps) => {
          const world = new Regions(table)
          await world.open()
          await world.run(steps)
          await world.heal()
          const [first, ...others] = await Promise.all(world.regions.map((r) => stored(r, table)))
          for (const other of others) expect(other).toEqual(first)
          for (const region of world.regions) {
            const visible = (first ?? []).filter((row) => row.at(-2) === 1)
            const width = table.physical.length
            const expected = new Map(visible.map((row) => [row[0], row.slice(0, width)]))
            expect(replay(await region.changes())).toEqual(expected)
            await region.store.close()
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})
