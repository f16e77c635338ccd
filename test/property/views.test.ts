import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ViewFaults } from '../../cdc/views/faults.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { viewSchema } from '../support/view-schema.ts'
import {
  ViewWorld,
  type Difference,
  type ViewWrite,
  type WriteFailure,
} from '../support/view-world.ts'

const TENANTS = ['a', 'b']

const tenant = fc.constantFrom(...TENANTS)
const nullable = <T extends SqlValue>(...values: readonly T[]): fc.Arbitrary<T | null> =>
  fc.option(fc.constantFrom(...values), { freq: 4 })
// Texts whose order in UTF-16 is not that in UTF-8, and that JSON escapes.
const name = nullable(
  '',
  'a',
  'A',
  'b',
  'é',
  '\u{1f600}',
  '\uffee',
  '"\\\u0001\u007f\u2028',
  'null',
)
const reals = nullable(0, 1, -0.5, 0.1, 0.2, 1e16, -1e16, 5e-324, 1.5e300, 7e-310)

const sale = fc
  .record({
    tenant,
    place: fc.constantFrom('', '"\u0001', 'x'),
    number: fc.constantFrom(0n, -1n, 2n ** 63n - 1n, 9007199254740993n),
    tag: fc.option(fc.constantFrom(new Uint8Array(), new Uint8Array([171, 0]))),
    name,
    paid: nullable(0, 1),
    at: nullable(0, 86_400_000, -1),
    amount: nullable(0, 1, 2, -3, 2 ** 40),
    total: nullable(0n, 1n, -(2n ** 54n) - 1n, 2n ** 55n + 1n),
    weight: reals,
    isDeleted: fc.constantFrom(true, false, false, false),
  })
  .map((s): ViewWrite => ({
    table: 'sales',
    tenant: s.tenant,
    key: [s.place, s.number],
    image: s.isDeleted
      ? null
      : [s.place, s.number, s.tag, s.name, s.paid, s.at, s.amount, s.total, s.weight],
  }))

/** Expiry in ms from 1,000,000 on, where the clock starts. */
const expiry = nullable(1_000_010, 1_000_020, 1_000_030, 1_000_500)
const id = fc.integer({ min: 0, max: 9 })

const alert = fc
  .record({ tenant, id, zone: name, level: nullable(0, 1, 2, 3), score: reals, expiry, kind: id })
  .map((a): ViewWrite => ({
    table: 'alerts',
    tenant: a.tenant,
    key: [a.id],
    image: a.kind < 2 ? null : [a.id, a.zone, a.level, a.score, a.expiry],
  }))

const plan = fc
  .record({ id: fc.constantFrom('p', 'q', 'r', 's'), name: fc.constantFrom('x', 'y'), price: id })
  .map((p): ViewWrite => ({
    table: 'plans',
    tenant: '',
    key: [p.id],
    image: p.price === 0 ? null : [p.id, p.name, p.price],
  }))

const cart = fc
  .record({ tenant, id, title: name, quantity: id, expiry, kind: id })
  .map((c): ViewWrite => ({
    table: 'carts',
    tenant: c.tenant,
    key: [c.id],
    image: c.kind < 3 ? null : [c.id, c.title, c.quantity, c.expiry],
  }))

type Command =
  | { readonly kind: 'write'; readonly writes: readonly ViewWrite[] }
  | { readonly kind: 'relay'; readonly count: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'sweep' | 'restart' | 'crash' | 'settle' | 'read' }
  | { readonly kind: 'fail'; readonly failure: WriteFailure }

const write = fc
  .oneof(
    fc.array(sale, { minLength: 1, maxLength: 6 }),
    fc.array(sale, { minLength: 1, maxLength: 6 }),
    fc.array(alert, { minLength: 1, maxLength: 6 }),
    fc.array(alert, { minLength: 1, maxLength: 6 }),
    fc.array(plan, { minLength: 1, maxLength: 3 }),
    fc.array(cart, { minLength: 1, maxLength: 5 }),
  )
  .map((writes): Command => ({ kind: 'write', writes }))

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: write },
  {
    weight: 4,
    arbitrary: fc.nat(9).map((count): Command => ({ kind: 'relay', count: count + 1 })),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(3, 10, 15).map((ms): Command => ({ kind: 'advance', ms })),
  },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('sweep', 'restart', 'crash', 'settle', 'read')
      .map((kind): Command => ({ kind })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('before', 'inside', 'after')
      .map((failure): Command => ({ kind: 'fail', failure })),
  },
)

const commands = fc.array(command, { minLength: 1, maxLength: 120, size: 'max' })

/** Runs a history; what differs from a recompute after any settling ends it. */
async function run(
  history: readonly Command[],
  faults: ViewFaults = {},
): Promise<readonly Difference[]> {
  const world = await ViewWorld.open({
    schema: viewSchema,
    tenants: TENANTS,
    reserveRows: 2,
    faults,
  })
  try {
    for (const one of history) {
      const differences = await apply(world, one)
      if (differences.length > 0) return differences
    }
    return await settle(world)
  } finally {
    await world.close()
  }
}

async function apply(world: ViewWorld, one: Command): Promise<readonly Difference[]> {
  switch (one.kind) {
    case 'write':
      await world.write(one.writes)
      return []
    case 'relay':
      await world.relay(one.count)
      return []
    case 'advance':
      world.nowMs += one.ms
      return []
    case 'sweep':
      await world.sweep()
      return []
    case 'restart':
      await world.restart()
      return []
    case 'crash':
      await world.crash()
      return []
    case 'fail':
      world.failing.failure = one.failure
      return []
    case 'read':
      // A stale read: expiry is taken out of what the views hold so far.
      await world.views.waitApplied(0, 1000).catch(requireInjected)
      return []
    case 'settle':
      return settle(world)
  }
}

/** Expiry may meet the injected failure: the reader gets it, and asks again. */
function settle(world: ViewWorld): Promise<readonly Difference[]> {
  return world.settle().catch((error: unknown) => {
    requireInjected(error)
    return world.settle()
  })
}

function requireInjected(error: unknown): void {
  if (!(error instanceof MeridianError && error.code === 'STORE_UNAVAILABLE')) throw error
}

/** Whether the checker notices a fault. */
async function isFound(faults: ViewFaults): Promise<boolean> {
  const result = await fc.check(
    fc.asyncProperty(commands, async (history) => (await run(history, faults)).length === 0),
    { numRuns: 500, endOnFailure: true, seed: 42 },
  )
  return result.failed
}

describe('views', () => {
  test('equal a recompute after any writes, expiry, sweeps, restarts, crashes, cuts and failed writes', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (history) => {
        expect(await run(history)).toEqual([])
      }),
      { numRuns: 100 },
    )
  })

  test('must fail: a position that is committed apart from the rows', async () => {
    expect(await isFound({ positionApart: true })).toBe(true)
  })

  test('must fail: a position that moves before the rows are written', async () => {
    expect(await isFound({ movesBeforeWrite: true })).toBe(true)
  })

  test('must fail: a sweep that takes out what its expiry took out before', async () => {
    expect(await isFound({ sweepRetractsAgain: true })).toBe(true)
  })

  test('must fail: a row that is there once instead of twice, which EXCEPT both ways misses', async () => {
    const world = await ViewWorld.open({ schema: viewSchema, tenants: TENANTS })
    const row = (place: string): ViewWrite => ({
      table: 'sales',
      tenant: 'a',
      key: [place, 1n],
      image: [place, 1n, null, 'twin', 1, null, 5, null, null],
    })
    await world.write([row('x'), row('y')])
    expect(await world.settle()).toEqual([])
    const paid = `v${world.view('paid').id}`
    await world.store.write([{ sql: `DELETE FROM ${paid} WHERE c1 = 'y'`, args: [] }])
    const actual = `SELECT c4, c7 FROM ${paid}`
    const expected = 'SELECT c4, c7 FROM t1 WHERE c5 = 1'
    const except = `SELECT count(*) FROM
      (SELECT * FROM (${actual} EXCEPT ${expected}) UNION ALL SELECT * FROM (${expected} EXCEPT ${actual}))`
    expect(await world.value(except)).toBe(0)
    const differences = await world.differences()
    await world.close()
    expect(differences.map(({ view }) => view)).toEqual(['paid'])
  })
})
