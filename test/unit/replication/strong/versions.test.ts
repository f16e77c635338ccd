/** Protocol rule 13: regions whose nodes are of two versions follow one log. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RangeGuard } from '../../../../src/core/operations.ts'
import type { MachineSupport } from '../../../../src/core/ports/machine-support.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import { createMemorySupport } from '../../../../src/drivers/commit-log/memory-support.ts'
import { rangeDigest } from '../../../../src/session/range-digest.ts'
import { CONTROL_VERSION, controlRecord } from '../../../../replication/strong/control.ts'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import { decodeRecord, encodeRecord } from '../../../../replication/strong/record.ts'
import { leftBehind, sameAs, trimAll } from '../../../support/left-behind.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import { SeedWorld } from '../../../support/reseed-world.ts'
import {
  account,
  accounts,
  insert,
  openMemoryStore,
  RegionPool,
  replicatedState,
  transaction,
  type Region,
} from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu', 'ap']

const pool = new RegionPool()
let log: MemoryCommitLog
let support: MachineSupport

beforeEach(() => {
  log = new MemoryCommitLog()
  support = createMemorySupport(NAMES)
})
afterEach(() => pool.closeAll())

type OpenOptions = Parameters<typeof pool.open>[1]

/** A node of a region, of this version or of one before it. */
function openNode(
  region: string,
  faults: StrongFaults = {},
  more: OpenOptions = {},
): Promise<Region> {
  return pool.open(log, { faults, versions: { region, regions: NAMES, support }, ...more })
}

/** Reads a range that holds nothing: it needs version 2, and conflicts with nobody. */
const NOTHING: RangeGuard = {
  table: accounts.id,
  range: {
    where: [{ column: 0, op: '=', values: ['nobody'] }],
    orderBy: [],
    limit: 1,
    after: null,
  },
  digest: rangeDigest(accounts, []),
}

let made = 0

function plain({ engine }: Region): Promise<unknown> {
  made += 1
  return engine.commit(transaction([insert(accounts, account(`r${made}`))]))
}

function ranged({ engine }: Pick<Region, 'engine'>, timeoutMs?: number): Promise<unknown> {
  made += 1
  const call = timeoutMs === undefined ? {} : { timeoutMs }
  return engine.commit(
    transaction([insert(accounts, account(`r${made}`))], { reads: [NOTHING] }),
    call,
  )
}

const activeOf = ({ engine }: Pick<Region, 'engine'>): number => engine.status().machineVersion

async function rise(regions: readonly Region[]): Promise<void> {
  await until(() => expect(regions.map(activeOf)).toEqual(regions.map(() => CONTROL_VERSION)))
}

/** What the log's records need, in order; but for those that say the schema. */
function needs(): number[] {
  return (log.entries.get('main') ?? [])
    .map(({ payload }) => decodeRecord(payload))
    .filter(({ kind, schemaVersion }) => kind !== 'control' || schemaVersion === 0)
    .map(({ machineVersion }) => machineVersion)
}

async function expectEqual(regions: readonly Region[]): Promise<void> {
  for (const { engine } of regions) await engine.catchUp()
  const states = await Promise.all(regions.map(({ store }) => replicatedState(store)))
  expect(new Set(states).size).toBe(1)
}

describe('a deployment of one version', () => {
  it('rises by itself, in every region alike', async () => {
    const regions = await Promise.all(NAMES.map((name) => openNode(name)))
    await rise(regions)
    await plain(regions[0] as Region)
    await expectEqual(regions)
  })

  it('lets its first command wait for regions that start later', async () => {
    const us = await openNode('us')
    const committed = ranged(us)
    const others = [await openNode('eu'), await openNode('ap')]
    await committed
    expect(needs()[0]).toBe(CONTROL_VERSION)
    await expectEqual([us, ...others])
  })

  it('is at the version of its log after a restart', async () => {
    const store = await openMemoryStore()
    const versions = { region: 'us', regions: ['us'], support }
    const first = await pool.open(log, { store, versions })
    await rise([first])
    await first.engine.close()
    const again = await pool.open(log, { store, versions })
    expect(activeOf(again)).toBe(CONTROL_VERSION)
    await ranged(again)
    expect(needs()).toEqual([CONTROL_VERSION, 2])
  })

  it('may raise the log more than once: it is idempotent', async () => {
    const us = await pool.open(log)
    for (const id of ['one', 'two']) {
      await log.append('main', id, encodeRecord(controlRecord(RAISED, 0)))
    }
    await us.engine.catchUp()
    expect(activeOf(us)).toBe(CONTROL_VERSION)
    await ranged(us)
    expect(needs()).toEqual([CONTROL_VERSION, CONTROL_VERSION, 2])
  })
})

const RAISED = { type: 'machine-version', version: CONTROL_VERSION } as const

describe.each([1, 2])('a rolling upgrade from version %i', (machineVersion) => {
  it.each([[NAMES], [NAMES.toReversed()], [['eu', 'us', 'ap']]])(
    'in the order %j: nothing new reaches an old node',
    async (order) => {
      const nodes = new Map<string, Region>()
      for (const name of NAMES) nodes.set(name, await openNode(name, { machineVersion }))
      for (const [i, name] of order.entries()) {
        const behind = order.slice(i)
        for (const node of nodes.values()) {
          await plain(node)
          await expect(ranged(node, 10_000)).rejects.toMatchObject({
            code: 'SCHEMA_INCOMPATIBLE',
            retry: 'safe',
            details: { behind: NAMES.filter((of) => behind.includes(of)), active: 1 },
          })
        }
        expect(Math.max(...needs())).toBe(1)
        const old = nodes.get(name) as Region
        await old.engine.close()
        nodes.set(name, await openNode(name, {}, { store: old.store }))
      }
      const upgraded = [...nodes.values()]
      await rise(upgraded)
      for (const node of upgraded) await ranged(node)
      await expectEqual(upgraded)
      expect(upgraded.flatMap(({ failures }) => failures)).toEqual([])
    },
  )
})

describe('a region of which nothing was ever heard', () => {
  it('may be starting: it is waited for as long as the call allows', async () => {
    const us = await openNode('us')
    await expect(ranged(us, 300)).rejects.toMatchObject({
      code: 'SCHEMA_INCOMPATIBLE',
      retry: 'safe',
      details: { behind: ['eu', 'ap'] },
    })
    expect(needs()).toEqual([])
  })

  it('keeps a call of before from being sent, and the next one goes through', async () => {
    const us = await openNode('us')
    await openNode('eu')
    // A node of a release that reports nothing.
    const ap = await pool.open(log, { faults: { machineVersion: 2 } })
    await expect(ranged(us, 300)).rejects.toMatchObject({ details: { behind: ['ap'] } })
    await ap.engine.close()
    await openNode('ap', {}, { store: ap.store })
    await ranged(us)
    expect(ap.failures).toEqual([])
  })
})

describe('reports that cannot be had', () => {
  it('end a call in time, unsent, and what needs no more than the log has goes on', async () => {
    const away = new MeridianError('LOG_UNAVAILABLE', 'Away.')
    const fails = (): Promise<never> => Promise.reject(away)
    support = { report: fails, reported: fails }
    const us = await openNode('us')
    await expect(ranged(us, 300)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      retry: 'safe',
      cause: away,
    })
    await plain(us)
    expect(needs()).toEqual([1])
  })

  it('that hang end a call in time too', async () => {
    const hangs = (): Promise<never> => new Promise(() => undefined)
    support = { report: hangs, reported: hangs }
    const us = await openNode('us')
    await expect(ranged(us, 100)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      retry: 'safe',
    })
    const waiting = ranged(us)
    await us.engine.close()
    await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('that were lost are made again', async () => {
    const lost = createMemorySupport(NAMES)
    support = lost
    const us = await openNode('us')
    await until(async () => expect([...(await lost.reported('main')).keys()]).toEqual(['us']))
    await lost.report('main', 'us', 1)
    await until(async () => expect((await lost.reported('main')).get('us')).toBe(CONTROL_VERSION))
    expect(us.failures).toEqual([])
  })
})

describe('a node that is older than its log', () => {
  const stopped = expect.objectContaining({
    code: 'SCHEMA_INCOMPATIBLE',
    message: expect.stringMatching(/Start this (node|region) with/),
  })

  it('stops at the record, with nothing of it or behind it applied', async () => {
    const us = await pool.open(log)
    await plain(us)
    await ranged(us)
    const old = await openNode('ap', { machineVersion: 2 })
    await until(() => expect(old.failures).toEqual([stopped]))
    expect(old.engine.applied()).toBe(1)
    await expect(plain(old)).rejects.toEqual(stopped)
  })

  it('stops before it follows a log whose record it had applied when it was newer', async () => {
    const us = await pool.open(log)
    await ranged(us)
    await us.engine.close()
    const old = await openNode('us', { machineVersion: 2 }, { store: us.store })
    expect(old.failures).toEqual([stopped])
    await expect(plain(old)).rejects.toEqual(stopped)
    await expect(old.engine.readIndex()).resolves.toBe(2)
  })

  it('must fail: a log that rises without asking stops the regions that are older', async () => {
    const old = await openNode('ap', { machineVersion: 2 })
    await openNode('eu')
    const us = await openNode('us', { raiseWithoutAsking: true })
    await ranged(us)
    await until(() => expect(old.failures).toEqual([stopped]))
  })
})

describe('a region that is seeded', () => {
  let world: SeedWorld
  beforeEach(() => {
    world = new SeedWorld(NAMES)
  })
  afterEach(() => world.closeAll())

  it('has the version of its peer, and an older node is not seeded at all', async () => {
    const { us, store } = await leftBehind(world)
    await ranged(us)
    await trimAll(world)
    const old = await world.open('ap', { store, faults: { machineVersion: 2 } })
    const why = (): unknown => old.engine.status().reseeding?.failures
    await until(() =>
      expect(why()).toMatchObject({
        us: expect.stringMatching(/risen/),
        eu: expect.stringMatching(/risen/),
      }),
    )
    expect(activeOf(old)).toBe(1)
    await old.close()
    const ap = await world.open('ap', { store })
    await sameAs(ap, us)
    expect(activeOf(ap)).toBe(CONTROL_VERSION)
    await ranged(ap)
    expect(ap.failures).toEqual([])
  })

  it('is not seeded by a snapshot during which the log rose beyond its node', async () => {
    const { us, store } = await leftBehind(world)
    let hasRisen = false
    const old = await world.open('ap', {
      store,
      faults: { machineVersion: 2 },
      onMessage: async (_peer, count) => {
        if (count === 3 && !hasRisen) await ranged(us)
        hasRisen ||= count === 3
        return true
      },
    })
    await until(() =>
      expect(old.engine.status().reseeding?.failures['us']).toMatch(/risen to version 3/),
    )
    expect(old.engine.status().reseeding).toBeDefined()
  })
})

describe('a control record', () => {
  it.each([
    [
      'of a version that this node has not',
      { ...controlRecord({ type: 'machine-version', version: 9 }, 0), machineVersion: 3 },
      'SCHEMA_INCOMPATIBLE',
    ],
    ['without a control', { ...controlRecord(RAISED, 0), commands: [] }, 'PROTOCOL_MALFORMED'],
  ])('%s stops the group', async (_what, record, code) => {
    const us = await pool.open(log)
    await log.append('main', 'strange', encodeRecord(record))
    await until(() => expect(us.failures).toEqual([expect.objectContaining({ code })]))
    expect(us.engine.applied()).toBe(0)
  })
})
