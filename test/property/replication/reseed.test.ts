/**
 * Random histories of three regions on a log that is trimmed at random: writes through any of them,
 * regions that go and come, stores that fail and channels that break in the middle of a seeding.
 * In the end all hold the same. A failing seed runs again exactly up to the order in which promises
 * settle.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTenantCommand } from '../../../src/tenancy/directory-commands.ts'
import { tenantKey } from '../../../src/tenancy/tenant-key.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { groupState, SeedWorld, type SeedRegion } from '../../support/reseed-world.ts'
import {
  account,
  accounts,
  openMemoryStore,
  remove,
  transaction,
  upsert,
} from '../../support/strong-region.ts'
import { until } from '../../support/until.ts'

const NAMES = ['us', 'eu', 'ap']
const KEYS = 12

type Step =
  | { readonly kind: 'write' | 'delete'; readonly region: number; readonly key: number }
  | { readonly kind: 'tenant'; readonly region: number; readonly key: number }
  | { readonly kind: 'trim'; readonly keep: number }
  | { readonly kind: 'leave' | 'return'; readonly region: number; readonly breaks: number }

const region = fc.nat({ max: 2 })
const key = fc.nat({ max: KEYS - 1 })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), region, key }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), region, key }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('tenant' as const), region, key }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim' as const), keep: fc.nat(3) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('leave' as const, 'return' as const),
        region,
        // After so many messages or writes of a seeding something breaks; 0: nothing.
        breaks: fc.nat({ max: 6 }),
      }),
    },
  ),
  { minLength: 10, maxLength: 40 },
)

/** Runs a history; resolves to how many seedings completed. */
async function run(history: readonly Step[], faults: StrongFaults = {}): Promise<number> {
  const world = new SeedWorld(NAMES)
  const stores: MemoryStore[] = []
  const regions: (SeedRegion | undefined)[] = []
  let seedings = 0
  try {
    for (const [i, name] of NAMES.entries()) {
      const store = await openMemoryStore()
      stores[i] = store
      regions[i] = await world.open(name, { store, faults })
    }
    const close = async (i: number): Promise<void> => {
      const one = regions[i]
      regions[i] = undefined
      seedings += one?.told.filter((line) => line.endsWith('whole')).length ?? 0
      await one?.close()
    }
    for (const [at, step] of history.entries()) {
      const open = regions.filter((one) => one !== undefined)
      await play(step, at, { world, stores, regions, open, close, faults })
    }
    for (const [i, name] of NAMES.entries()) {
      ;(stores[i] as MemoryStore).beforeWrite = () => undefined
      await close(i)
      regions[i] = await world.open(name, { store: stores[i] as MemoryStore, faults })
    }
    const all = regions as SeedRegion[]
    for (const one of all) await settled(one)
    const [first, ...others] = await Promise.all(all.map((one) => groupState(one.store)))
    for (const other of others) expect(other).toBe(first)
    for (const one of all) expect(one.failures).toEqual([])
    for (const i of [0, 1, 2]) await close(i)
    return seedings
  } finally {
    await world.closeAll()
  }
}

interface Playing {
  readonly world: SeedWorld
  readonly stores: readonly MemoryStore[]
  readonly regions: (SeedRegion | undefined)[]
  readonly open: readonly SeedRegion[]
  readonly close: (region: number) => Promise<void>
  readonly faults: StrongFaults
}

async function play(step: Step, at: number, playing: Playing): Promise<void> {
  const { world, stores, regions, open, close, faults } = playing
  switch (step.kind) {
    case 'write':
    case 'delete':
    case 'tenant':
      return write(step, at, regions[step.region])
    case 'trim': {
      // As far as somebody has it: what nobody has cannot be had again.
      const ends = open.map((one) => one.engine.applied())
      const systemEnds = open.map((one) => one.system.applied())
      await world.log.trim('main', Math.max(1, ...ends) - step.keep)
      await world.log.trim('system', Math.max(1, ...systemEnds) - step.keep)
      return
    }
    case 'leave':
      // Somebody stays, who has all.
      if (open.length > 1 && regions[step.region] !== undefined) {
        const stays = open.find((one) => one !== regions[step.region]) as SeedRegion
        await settled(stays)
        await close(step.region)
      }
      return
    case 'return': {
      if (regions[step.region] !== undefined) return
      const store = stores[step.region] as MemoryStore
      let left = step.breaks
      store.beforeWrite = () => {
        const one = regions[step.region]
        const seeding = one?.engine.status().reseeding ?? one?.system.status().reseeding
        if (seeding !== undefined && step.breaks > 3 && --left === 0) {
          throw new Error('the disk failed')
        }
      }
      regions[step.region] = await world.open(NAMES[step.region] as string, {
        store,
        faults,
        onMessage: () => step.breaks === 0 || step.breaks > 3 || --left !== 0,
      })
    }
  }
}

async function write(
  step: Extract<Step, { key: number }>,
  at: number,
  through: SeedRegion | undefined,
): Promise<void> {
  const id = `k${step.key}`
  // Unique values wander between rows.
  const ops =
    step.kind === 'write'
      ? [upsert(accounts, account(id, { balance: at, email: `e${(step.key + at) % KEYS}` }))]
      : [remove(accounts, id)]
  const tenant = { tenantKey: tenantKey(`t${at}`), home: 'us', tenantClass: 'default' }
  const writing =
    step.kind === 'tenant'
      ? through?.system.propose(createTenantCommand(tenant, `t${at}`, through.system.applied()))
      : through?.engine.commit(transaction(ops, { basis: through.engine.applied() }))
  // Refused while its region is being seeded, or by a constraint: in every region alike.
  await writing?.catch(() => undefined)
}

async function settled(one: SeedRegion): Promise<void> {
  await until(async () => {
    await one.engine.catchUp()
    await one.system.catchUp()
  }, 60_000)
}

describe('regions that the log leaves behind', () => {
  it('hold the same in the end, whatever broke while they were seeded', async () => {
    let seedings = 0
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        seedings += await run(history)
      }),
      { numRuns: 40 },
    )
    expect(seedings).toBeGreaterThan(5)
  })

  it('must fail: rows that a snapshot does not have stay', async () => {
    await expect(
      fc.assert(
        fc.asyncProperty(steps, async (history) => {
          await run(history, { keepAbsentRows: true })
        }),
        { numRuns: 200, endOnFailure: true },
      ),
    ).rejects.toThrow(/Property failed/)
  })
})
