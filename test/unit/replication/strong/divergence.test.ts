/** A copy that is not what it should be is found, reported and seeded again (S32, S33). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import type { Statement, Store } from '../../../../src/core/ports/store.ts'
import { change, createTenant, fill, idOf, sameAs } from '../../../support/left-behind.ts'
import {
  EAGER,
  SeedWorld,
  type SeedOptions,
  type SeedRegion,
} from '../../../support/reseed-world.ts'
import {
  account,
  accounts,
  insert,
  openMemoryStore,
  put,
  transaction,
  update,
} from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu', 'ap']
const QUIET = { compareEveryMs: 60_000 }
const ROWS_ONLY = { compareEveryMs: 20, verifyEveryMs: 20, maxPageRows: 4, share: 1 }
let world: SeedWorld

beforeEach(() => {
  world = new SeedWorld(NAMES)
})
afterEach(() => world.closeAll())

async function openAll(
  options: SeedOptions = { digests: EAGER },
): Promise<Record<'us' | 'eu' | 'ap', SeedRegion>> {
  const us = await world.open('us', options)
  const eu = await world.open('eu', options)
  return { us, eu, ap: await world.open('ap', options) }
}

/** Changes stored bytes behind the back of whoever wrote them. */
const plant = (store: Pick<Store, 'write'>, sql: string): Promise<unknown> =>
  store.write([{ sql, args: [] } satisfies Statement])

const FLIP = `UPDATE ${accounts.physicalName} SET c${accounts.columnByName.get('balance')?.id} = 1
  WHERE c${accounts.primaryKey[0]?.id} = '${idOf(4)}'`

const PLANTED: readonly (readonly [string, string])[] = [
  ['a changed value', FLIP],
  ['a row too few', `DELETE FROM ${accounts.physicalName} WHERE rowid = 3`],
  ['another version', `UPDATE ${accounts.physicalName} SET _ver = '9' WHERE rowid = 2`],
  ['a lost outcome', 'DELETE FROM _strong_outcomes WHERE log_index = 5'],
]

async function withoutTriggers(store: Store): Promise<void> {
  // The outbox of the planted change is no part of the group's state.
  await plant(store, 'UPDATE _tx SET capture = 0')
}

describe('a store in which something was changed', () => {
  it.each(PLANTED)('is found by its rows and seeded again: %s', async (_name, sql) => {
    const { us, eu, ap } = await openAll()
    await fill(us)
    await sameAs(ap, us)
    await withoutTriggers(ap.store)
    await plant(ap.store, sql)
    await until(() => expect(ap.told).toContain('main whole'))
    await sameAs(ap, us)
    await sameAs(eu, us)
    expect(ap.divergences[0]).toMatchObject({ code: 'LOG_FOREIGN', details: { diverged: true } })
    expect(ap.engine.status().digests.divergences).toBeGreaterThan(0)
    for (const { failures, told } of [us, eu]) expect([failures, told]).toEqual([[], []])
    expect(ap.failures).toEqual([])
  })

  it('is found in the directory, too', async () => {
    const { us, ap } = await openAll()
    await fill(us)
    await sameAs(ap, us)
    await plant(ap.store, "UPDATE _tenants SET home = 'eu'")
    await until(() => expect(ap.told).toContain('system whole'))
    await sameAs(ap, us)
    await createTenant(us.system, 'later')
    await sameAs(ap, us)
  })

  it('is found by the others once a record has touched it, without reading all rows', async () => {
    const us = await world.open('us', { digests: EAGER })
    await world.open('eu', { digests: EAGER })
    const store = await openMemoryStore()
    const quiet = await world.open('ap', { store, digests: QUIET })
    await fill(us)
    await sameAs(quiet, us)
    await withoutTriggers(store)
    await plant(store, FLIP)
    await us.engine.commit(transaction([update(accounts, idOf(4), { balance: put(7) })]))
    await quiet.engine.catchUp()
    await quiet.close()
    const digests = { compareEveryMs: 20, verifyEveryMs: 1e9 }
    const ap = await world.open('ap', { store, digests })
    await until(() => expect(ap.told).toContain('main whole'))
    expect(ap.divergences[0]?.details['peers']).toEqual(expect.arrayContaining(['us', 'eu']))
    expect(ap.divergences[0]?.details['parts']).toEqual([accounts.physicalName])
    await sameAs(ap, us)
  })

  it('serves no reads until it is whole again, and says why', async () => {
    const us = await world.open('us', { digests: EAGER })
    await world.open('eu', { digests: EAGER })
    let mayPass = false
    const ap = await world.open('ap', {
      digests: EAGER,
      onMessage: async (_peer, count) => {
        // The first message of a channel is an answer or an offer; parts wait.
        if (count > 1) await until(() => expect(mayPass).toBe(true))
        return true
      },
    })
    await fill(us)
    await sameAs(ap, us)
    await withoutTriggers(ap.store)
    await plant(ap.store, FLIP)
    await until(() => expect(ap.engine.status().reseeding).toBeDefined())
    expect(() => ap.engine.seal()).toThrow(/are not what the log made of them/)
    await expect(ap.engine.readIndex()).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
    expect(ap.engine.status().reseeding?.why).toMatch(/are not what the log made of them/)
    mayPass = true
    await sameAs(ap, us)
  })

  it('begins with a reseed when its node is started again meanwhile', async () => {
    const us = await world.open('us', { digests: EAGER })
    await world.open('eu', { digests: EAGER })
    const store = await openMemoryStore()
    const ap = await world.open('ap', {
      store,
      digests: EAGER,
      onMessage: (_peer, count) => count < 2,
    })
    await fill(us)
    await sameAs(ap, us)
    await withoutTriggers(store)
    await plant(store, FLIP)
    await until(() => expect(ap.engine.status().reseeding).toBeDefined())
    await until(async () => {
      const [marker] = await store.read([
        { sql: "SELECT 1 FROM _meta WHERE key = 'reseed:main'", args: [] },
      ])
      expect(marker?.rows).toHaveLength(1)
    })
    await ap.close()
    const again = await world.open('ap', { store, digests: QUIET })
    await until(() => expect(again.told).toContain('main whole'))
    await sameAs(again, us)
  })

  it('must fail: differences that nobody minds', async () => {
    const faults: StrongFaults = { divergenceIgnored: true }
    const { us, ap } = await openAll({ faults, digests: EAGER })
    await fill(us)
    await sameAs(ap, us)
    await withoutTriggers(ap.store)
    await plant(ap.store, FLIP)
    await us.engine.commit(transaction([update(accounts, idOf(4), { balance: put(7) })]))
    // It looks many times.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(ap.told).toEqual([])
  })
})

describe('two regions that are not equal', () => {
  it('both say so and go on; the one whose rows are not its log’s is seeded again', async () => {
    world = new SeedWorld(['us', 'eu'])
    const us = await world.open('us', { digests: EAGER })
    const eu = await world.open('eu', { digests: EAGER })
    await fill(us)
    await sameAs(eu, us)
    await withoutTriggers(eu.store)
    await plant(eu.store, FLIP)
    await until(() => expect(eu.told).toContain('main whole'))
    await sameAs(eu, us)
    expect(us.told).toEqual([])
  })

  it('of which each is what its log made of it: an operator says who is wrong', async () => {
    world = new SeedWorld(['us', 'eu'])
    const us = await world.open('us', { digests: EAGER })
    const store = await openMemoryStore()
    const before = await world.open('eu', { store, digests: QUIET })
    await fill(us)
    await sameAs(before, us)
    await before.close()
    await withoutTriggers(store)
    await plant(store, FLIP)
    // Its digests are lost with it: what they are now is taken for right.
    await plant(store, "DELETE FROM _meta WHERE key LIKE 'digest:%'")
    const eu = await world.open('eu', { store, digests: ROWS_ONLY })
    for (const region of [us, eu]) {
      await until(() => expect(region.engine.status().digests.differs).not.toBeNull())
      expect(region.engine.status().digests.differs).toMatchObject({ isMajorityHere: false })
      expect(region.divergences[0]?.message).toMatch(/no majority of the regions/)
      expect(region.told).toEqual([])
    }
    eu.engine.operated().orderReseed(['us'])
    await until(() => expect(eu.told).toContain('main whole'))
    await sameAs(eu, us)
    await until(() => expect(us.engine.status().digests.differs).toBeNull())
    expect(us.divergences.at(-1)).toBeNull()
  })
})

describe('a load', () => {
  it('makes no alarm, while rows are read again and again', async () => {
    const { us, eu, ap } = await openAll({
      digests: { compareEveryMs: 5, verifyEveryMs: 0, maxPageRows: 3, share: 1 },
    })
    await fill(us)
    await change(eu)
    for (let round = 0; round < 30; round++) {
      await Promise.all(
        [us, eu, ap].map(({ engine, name }) =>
          engine.commit(transaction([insert(accounts, account(`${name}${round}`))])),
        ),
      )
    }
    for (const { engine } of [us, eu, ap]) {
      await until(() => expect(engine.status().digests.agreedIndex).not.toBeNull())
      await until(() => expect(engine.status().digests.verifiedIndex).not.toBeNull())
    }
    for (const region of [us, eu, ap]) expect([region.divergences, region.told]).toEqual([[], []])
  })
})
