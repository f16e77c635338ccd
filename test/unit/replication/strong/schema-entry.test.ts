/** Protocol rule 13: regions whose nodes are of two schemas evaluate one log alike. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MachineSupport } from '../../../../src/core/ports/machine-support.ts'
import type { ReadCheck, WriteOp } from '../../../../src/core/operations.ts'
import { readSql } from '../../../../src/sql/guarded/guarded-query.ts'
import type { SqlValue } from '../../../../src/core/values.ts'
import { createMemorySupport } from '../../../../src/drivers/commit-log/memory-support.ts'
import type { CompiledSchema } from '../../../../src/schema/compiled.ts'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import { activeSchemaOf, type ActiveSchema } from '../../../../replication/strong/active-schema.ts'
import { controlRecord } from '../../../../replication/strong/control.ts'
import { readPosition, selectPosition } from '../../../../replication/strong/log-batch.ts'
import { decodeRecord, encodeRecord } from '../../../../replication/strong/record.ts'
import type { Store } from '../../../../src/core/ports/store.ts'
import { leftBehind, sameAs, trimAll } from '../../../support/left-behind.ts'
import { SeedWorld } from '../../../support/reseed-world.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import {
  insert,
  put,
  RegionPool,
  rowsOf,
  schema as accountSchema,
  transaction,
  update,
  upsert,
  type Region,
} from '../../../support/strong-region.ts'
import {
  gates,
  newer,
  older,
  olderPasses,
  openSchemaNode,
  passes,
  sharedState,
  widened,
  withUnique,
} from '../../../support/two-schemas.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu']
const pool = new RegionPool()
let log: MemoryCommitLog
let support: MachineSupport

beforeEach(() => {
  log = new MemoryCommitLog()
  support = createMemorySupport(NAMES)
})
afterEach(() => pool.closeAll())

type OpenOptions = Parameters<typeof openSchemaNode>[3]

function openNode(region: string, schema: CompiledSchema, more: OpenOptions = {}): Promise<Region> {
  const versions = { region, regions: NAMES, support }
  return openSchemaNode(pool, log, schema, { versions, ...more })
}

/** The node's region goes on with another schema, as after a restart. */
async function restart(
  node: Region,
  region: string,
  schema: CompiledSchema,
  faults: StrongFaults = {},
): Promise<Region> {
  await node.engine.close()
  return openNode(region, schema, { store: node.store, wall: node.clock, faults })
}

const schemaOf = ({ engine }: Region): number | null => engine.status().schemaVersion

/** Which schemas the log has said, in order. */
function said(): number[] {
  return (log.entries.get('main') ?? [])
    .map(({ payload }) => decodeRecord(payload))
    .filter(({ kind, schemaVersion }) => kind === 'control' && schemaVersion > 0)
    .map(({ schemaVersion }) => schemaVersion)
}

/** Both regions at the schema before, and the log has said so. */
async function deployed(): Promise<[us: Region, eu: Region]> {
  const nodes = [await openNode('us', older), await openNode('eu', older)] as const
  await until(() => expect(said()).toContain(older.version))
  for (const { engine } of nodes) await engine.catchUp()
  return [...nodes]
}

function commit(
  { engine }: Region,
  op: WriteOp,
  timeoutMs?: number,
): Promise<Awaited<ReturnType<typeof engine.commit>>> {
  return engine.commit(transaction([op]), timeoutMs === undefined ? {} : { timeoutMs })
}

const narrow = (id: string, seat: string | null, uses: number, at: number | null): SqlValue[] => [
  id,
  seat,
  uses,
  at,
]

async function expectSame(nodes: readonly Region[]): Promise<void> {
  for (const { engine } of nodes) await engine.catchUp()
  const states = await Promise.all(nodes.map(({ store }) => sharedState(store)))
  expect(new Set(states).size).toBe(1)
}

/** Writes that a TTL decides about: a row that has expired is in the way, or is not. */
async function writeExpired(node: Region): Promise<unknown[]> {
  const results: unknown[] = []
  for (const op of [
    insert(olderPasses, narrow('a', '1', 0, 1)),
    insert(olderPasses, narrow('a', null, 1, null)),
    insert(olderPasses, narrow('b', '1', 2, null)),
    update(olderPasses, 'a', { uses: put(7) }),
  ]) {
    const result = await commit(node, op).catch((error: { code: string }) => error)
    results.push('code' in result ? result.code : result.updated)
  }
  return results
}

describe('a table that gains a TTL', () => {
  it('has the same rows in a node of the schema before and in one of the schema with it', async () => {
    const [us, old] = await deployed()
    const eu = await restart(old, 'eu', newer)
    const results = await writeExpired(us)
    expect(results).toEqual([[], 'ALREADY_EXISTS', 'CONSTRAINT_VIOLATED', [narrow('a', '1', 7, 1)]])
    await expectSame([us, eu])
    expect((await rowsOf(eu.store, olderPasses)).map(String)).toEqual([
      ',a,1,7,1,000000000006.0000',
    ])
  })

  it('must fail: a node that goes by its own schema has other rows', async () => {
    const [us, old] = await deployed()
    const eu = await restart(old, 'eu', newer, { activeSchemaIgnored: true })
    await writeExpired(us)
    await expect(expectSame([us, eu])).rejects.toThrow('expected 2 to be 1')
  })

  it('expires rows from the entry on, which comes when all regions have it', async () => {
    const [oldUs, oldEu] = await deployed()
    const eu = await restart(oldEu, 'eu', newer)
    await writeExpired(oldUs)
    expect(eu.engine.expiryNowMs(passes)).toBe(Number.MIN_SAFE_INTEGER)
    expect(said()).toEqual([older.version])
    const us = await restart(oldUs, 'us', newer)
    await until(() => expect([us, eu].map(schemaOf)).toEqual([newer.version, newer.version]))
    await eu.engine.sweep()
    await us.engine.catchUp()
    expect(await rowsOf(us.store, passes)).toEqual([])
    expect(eu.engine.expiryNowMs(passes)).toBe(eu.engine.logTimeMs())
    await expectSame([us, eu])
  })
})

describe('a column that is new', () => {
  const wide = (id: string, valid: number, note: string | null): SqlValue[] => [
    ...narrow(id, null, 0, null),
    valid,
    note,
  ]

  it('may be left at its default before all regions have it', async () => {
    const [us, old] = await deployed()
    const eu = await restart(old, 'eu', newer)
    await commit(eu, insert(passes, wide('a', 1, null)))
    const { updated } = await commit(eu, update(passes, 'a', { uses: put(3) }))
    expect(updated).toEqual([['a', null, 3, null, 1, null]])
    await expectSame([us, eu])
    expect(us.failures).toEqual([])
  })

  it.each([
    ['an insert', insert(passes, wide('b', 0, null))],
    ['an upsert', upsert(passes, wide('a', 1, null))],
    ['an update', update(passes, 'a', { note: put('new') })],
    [
      'a condition',
      update(passes, 'a', { uses: put(1) }, [{ column: 'valid', op: '=', value: 1 }]),
    ],
    ['a new table', insert(gates, ['a', 'code'])],
  ])('%s that uses it waits for the last region', async (_what, op) => {
    const [us, old] = await deployed()
    await commit(us, insert(olderPasses, narrow('a', null, 0, null)))
    const eu = await restart(old, 'eu', newer)
    await expect(commit(eu, op)).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      retry: 'safe',
      details: { behind: ['us'], active: older.version, needed: newer.version },
    })
    expect(us.failures).toEqual([])
    const upgraded = restart(us, 'us', newer)
    await until(async () => void (await commit(eu, op)))
    await expectSame([await upgraded, eu])
  })

  const sqlRead = (sql: string): ReadCheck => ({ ...readSql(newer, '', sql, []), digest: 'other' })
  const columnRead = (column: number): ReadCheck => ({
    ...{ table: passes.id, key: ['a'], columns: [column], digest: 'other' },
  })
  const rangeRead = (column: number): ReadCheck => ({
    table: passes.id,
    range: { where: [], orderBy: [{ column, descending: true }], limit: 1, after: null },
    digest: 'other',
  })

  it.each([
    ['columns', columnRead(2), columnRead(4)],
    ['a range', rangeRead(2), rangeRead(4)],
    ['SQL', sqlRead('SELECT uses FROM passes'), sqlRead('SELECT valid FROM passes')],
    ['SQL of a new table', sqlRead('SELECT id FROM passes'), sqlRead('SELECT id FROM gates')],
  ])('read by %s waits too, and what both schemas have does not', async (_what, known, ahead) => {
    const [us, old] = await deployed()
    const eu = await restart(old, 'eu', newer)
    const reading = (read: ReadCheck): Promise<unknown> =>
      eu.engine.commit(transaction([], { reads: [read] }))
    await expect(reading(known)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(reading(ahead)).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      details: { behind: ['us'] },
    })
    await expectSame([us, eu])
    await restart(us, 'us', newer)
    await until(() => expect(reading(ahead)).rejects.toMatchObject({ code: 'CONFLICT' }))
  })

  it('keeps what was written with it where the writer is of the schema before', async () => {
    const [oldUs, oldEu] = await deployed()
    const [us, eu] = [await restart(oldUs, 'us', newer), await restart(oldEu, 'eu', newer)]
    await commit(us, insert(passes, wide('a', 0, 'kept')))
    await commit(eu, upsert(olderPasses, narrow('a', 'x', 5, null)))
    await us.engine.catchUp()
    expect((await rowsOf(us.store, passes)).map((row) => row.slice(1, 7))).toEqual([
      ['a', 'x', 5n, null, 0n, 'kept'],
    ])
    await expectSame([us, eu])
  })
})

describe('a new unique column', () => {
  it('is refused by the store before the node starts: what is unique never changes', async () => {
    const us = await openSchemaNode(pool, log, older)
    const opened = openSchemaNode(pool, log, withUnique, { store: us.store })
    await expect(opened).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      details: {
        differences: expect.arrayContaining([expect.stringContaining('is new, and is unique')]),
      },
    })
  })

  it('of a new table holds from the entry on', async () => {
    const [oldUs, oldEu] = await deployed()
    const nodes = [await restart(oldUs, 'us', newer), await restart(oldEu, 'eu', newer)] as const
    await commit(nodes[0], insert(gates, ['a', 'code']))
    await expect(commit(nodes[1], insert(gates, ['b', 'code']))).rejects.toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
    })
    await expectSame(nodes)
  })
})

describe('a node of the schema before', () => {
  const stopped = expect.objectContaining({
    code: 'SCHEMA_INCOMPATIBLE',
    message: expect.stringMatching(/Start this (node|region) with the schema/),
  })

  it('stops at the entry, with everything before it applied, and goes on as the others', async () => {
    const [us, old] = await deployed()
    await support.report('schema:main', 'us', newer.version)
    await us.engine.close()
    const eu = await restart(old, 'eu', newer)
    await until(() => expect(schemaOf(eu)).toBe(newer.version))
    const back = await openNode('us', older, { store: us.store })
    await until(() => expect(back.failures).toEqual([stopped]))
    expect(back.engine.applied()).toBe(eu.engine.applied() - 1)
    await expectSame([await restart(back, 'us', newer), eu])
  })

  it('stops before it follows a log whose entry it had applied when it was newer', async () => {
    const [oldUs, oldEu] = await deployed()
    const nodes = [await restart(oldUs, 'us', widened), await restart(oldEu, 'eu', widened)]
    await until(() => expect(nodes.map(schemaOf)).toEqual([widened.version, widened.version]))
    const back = await restart(nodes[0] as Region, 'us', older)
    expect(back.failures).toEqual([stopped])
    await expect(commit(back, insert(olderPasses, narrow('a', null, 0, null)))).rejects.toEqual(
      stopped,
    )
  })

  it('must fail: a log that changes its schema without asking stops it', async () => {
    const [us, old] = await deployed()
    await restart(old, 'eu', newer, { raiseWithoutAsking: true })
    await until(() => expect(us.failures).toEqual([stopped]))
  })
})

describe('an entry', () => {
  const say = (schema: CompiledSchema, id: string): Promise<number> => {
    const control = { type: 'schema', schema: activeSchemaOf(schema, 'main') } as const
    return log.append('main', id, encodeRecord(controlRecord(control, 0)))
  }

  it('of an older schema, or the same once more, changes nothing', async () => {
    const us = await openSchemaNode(pool, log, newer)
    await say(newer, 'one')
    await say(older, 'two')
    await say(newer, 'three')
    await us.engine.catchUp()
    expect(schemaOf(us)).toBe(newer.version)
    await commit(us, insert(gates, ['a', 'code']))
  })

  it('of other tables under the same version stops the group before it', async () => {
    const us = await openSchemaNode(pool, log, newer)
    await say({ ...older, version: newer.version }, 'forked')
    await until(() =>
      expect(us.failures).toEqual([expect.objectContaining({ code: 'SCHEMA_INCOMPATIBLE' })]),
    )
    expect(us.engine.applied()).toBe(0)
  })

  it('is what a log begins without: the first node goes by its own schema at once', async () => {
    const us = await openNode('us', newer)
    await commit(us, insert(gates, ['a', 'code']))
    expect(said()).toEqual([])
    const eu = await openNode('eu', newer)
    await until(() => expect(said()).toContain(newer.version))
    await expectSame([us, eu])
  })

  it('is known to a node after a restart, also where it has nobody to ask', async () => {
    await say(older, 'first')
    const us = await openSchemaNode(pool, log, older)
    await us.engine.catchUp()
    await us.engine.close()
    const again = await openSchemaNode(pool, log, newer, { store: us.store })
    await until(() => expect(schemaOf(again)).toBe(newer.version))
    expect(again.failures).toEqual([])
  })
})

describe('digests', () => {
  it('follow rows that are written before the log has all of their columns', async () => {
    const [us, old] = await deployed()
    await old.engine.close()
    const digests = { compareEveryMs: 10, verifyEveryMs: 20, share: 1 }
    const eu = await openNode('eu', newer, { store: old.store, digests })
    const verified = async (): Promise<void> => {
      const index = eu.engine.applied()
      await until(() => expect(eu.engine.status().digests.verifiedIndex).toBe(index))
    }
    await verified()
    await writeExpired(us)
    await eu.engine.catchUp()
    await verified()
    expect(eu.engine.status().digests.divergences).toBe(0)
    expect(eu.failures).toEqual([])
  })
})

describe('a region that is seeded', () => {
  it('has the active schema of its peer', async () => {
    const world = new SeedWorld(['us', 'eu', 'ap'])
    try {
      const { us, store } = await leftBehind(world)
      const schema: ActiveSchema = activeSchemaOf(accountSchema, 'main')
      const record = encodeRecord(controlRecord({ type: 'schema', schema }, 0))
      await world.log.append('main', 'said', record)
      await us.engine.catchUp()
      await trimAll(world)
      const ap = await world.open('ap', { store })
      await sameAs(ap, us)
      const keptBy = async ({ store: of }: { store: Store }): Promise<unknown> => {
        const [result] = await of.read([selectPosition('main')])
        return readPosition(result).schema
      }
      expect(await keptBy(us)).toEqual(schema)
      expect(await keptBy(ap)).toEqual(schema)
    } finally {
      await world.closeAll()
    }
  })
})
