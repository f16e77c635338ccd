import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeDelta, encodeDelta } from '../../crdt/codec.ts'
import { merge } from '../../crdt/merge.ts'
import type { RowState } from '../../crdt/state.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { falseAlarms, history, violations, World, type Step } from '../support/crdt-history.ts'
import type { CrdtFaults } from '../support/crdt-replicas.ts'
import { carts, pages } from '../support/eventual-schema.ts'

const RUNS = 400

type Three = [RowState, RowState, RowState]

function healed(table: CompiledTable, steps: readonly Step[], faults: CrdtFaults = {}): World {
  const world = new World(table, faults)
  world.run(steps)
  world.heal()
  return world
}

function isFound(faults: CrdtFaults, table = carts): boolean {
  const result = fc.check(
    fc.property(history, (steps) => violations(healed(table, steps, faults)).length === 0),
    { numRuns: 3_000, endOnFailure: true, seed: 42 },
  )
  return result.failed
}

describe.each([
  ['deletes win', carts],
  ['updates win', pages],
])('rows where %s', (_, table) => {
  test('healed replicas agree, counters are the sum of their increments, no value vanishes', () => {
    fc.assert(
      fc.property(history, (steps) => {
        expect(violations(healed(table, steps))).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  test('no certain conflict names a value whose overwriter knew it', () => {
    fc.assert(
      fc.property(history, (steps) => {
        expect(falseAlarms(healed(table, steps))).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  test('merge is commutative, associative and idempotent', () => {
    const policy = table.onConcurrentDelete
    fc.assert(
      fc.property(history, fc.tuple(fc.nat(), fc.nat(), fc.nat()), (steps, picks) => {
        const world = new World(table)
        world.run(steps)
        const states = [
          ...world.replicas.map((r) => r.row('a')),
          ...world.logs.surviving().flatMap((e) => (e.key === 'a' ? [decodeDelta(e.delta)] : [])),
        ]
        const [a, b, c] = picks.map((n) => states[n % states.length] as RowState) as Three
        const join = (x: RowState, y: RowState): RowState => merge(x, y, policy)
        expect(plain(join(a, b))).toEqual(plain(join(b, a)))
        expect(plain(join(join(a, b), c))).toEqual(plain(join(a, join(b, c))))
        expect(plain(join(join(a, b), b))).toEqual(plain(join(a, b)))
      }),
      { numRuns: RUNS },
    )
  })

  test('a state survives its bytes, and equal states have equal bytes', () => {
    fc.assert(
      fc.property(history, (steps) => {
        for (const { rows } of healed(table, steps).replicas) {
          for (const row of rows.values()) {
            const bytes = encodeDelta(row)
            expect(encodeDelta(decodeDelta(bytes))).toEqual(bytes)
            expect(plain(decodeDelta(bytes))).toEqual(plain(row))
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('the checks notice', () => {
  const faults: [string, CrdtFaults][] = [
    ['a register that wins by arrival', { arrivalWins: true }],
    ['a restored store under its old incarnation', { keepIncarnation: true }],
    ['a clock that starts anew under an old incarnation', { resetClock: true }],
    ['a clock that does not hear', { deafClock: true }],
    ['removes that are forgotten', { forgetRemoves: true }],
  ]
  test.each(faults)('%s', (_, fault) => {
    expect(isFound(fault)).toBe(true)
  })

  test('deletes that do not say what they had seen', () => {
    expect(isFound({ blindDeletes: true }, pages)).toBe(true)
  })
})

/** Without the bytes of texts: Yjs may write one document in several ways. */
function plain(row: RowState): unknown {
  const texts = [...row.texts].map(([id, cell]) => [id, cell.stamp])
  return { ...row, texts: new Map(texts as [number, unknown][]) }
}
