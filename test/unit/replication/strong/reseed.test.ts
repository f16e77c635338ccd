/** A region that the log has left behind is seeded from a peer (S21 to S26). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import {
  caughtUp,
  change,
  createTenant,
  fill,
  idOf,
  leftBehind,
  ROWS,
  sameAs,
  trimAll,
} from '../../../support/left-behind.ts'
import type { MemoryStore } from '../../../support/memory-store.ts'
import { SeedWorld, type SeedRegion } from '../../../support/reseed-world.ts'
import {
  account,
  accounts,
  insert,
  remove,
  rowsOf,
  transaction,
  upsert,
} from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu', 'ap']
const RESEEDING = { code: 'LOG_UNAVAILABLE', retry: 'safe' }
let world: SeedWorld

beforeEach(() => {
  world = new SeedWorld(NAMES)
})
afterEach(() => world.closeAll())

/** Changes of the store's outbox with this cause: operation and key. */
async function repairs(store: MemoryStore): Promise<string[]> {
  const [result] = await store.read([
    { sql: 'SELECT op, key, origin_source FROM _outbox WHERE cause = 5 ORDER BY seq', args: [] },
  ])
  return (result?.rows ?? []).map(([op, key, origin]) => {
    expect(origin).toBeNull()
    return `${['insert', 'update', 'delete'][Number(op)]} ${String(key)}`
  })
}

describe('a region that was away longer than the log is kept', () => {
  it('is seeded from a peer, and equal to it: rows, versions, outcomes, directory, position', async () => {
    const { us, store } = await leftBehind(world)
    const ap = await world.open('ap', { store })
    await sameAs(ap, us)
    expect(ap.failures).toEqual([])
    expect(ap.told).toEqual(
      expect.arrayContaining(['main us', 'main whole', 'system us', 'system whole']),
    )
    expect(ap.engine.status()).toMatchObject({ group: 'main', reseeding: undefined })
  })

  it('writes what differs and nothing else, each as a repair', async () => {
    const { us, store } = await leftBehind(world)
    const ap = await world.open('ap', { store })
    await sameAs(ap, us)
    const touched = new Set((await repairs(store)).map((line) => line.split(' ')[1] ?? ''))
    const changed = ['a005', ...[1, 3, 5, 6, 8, 15, 19].map(idOf)].map((id) => `["${id}"]`)
    expect(touched).toEqual(new Set(changed))
    expect(await repairs(store)).toContain(`delete ["${idOf(19)}"]`)
  })

  it('goes on with the log: its writes and those of others are seen', async () => {
    const { us, store } = await leftBehind(world)
    const ap = await world.open('ap', { store })
    await caughtUp(ap)
    await ap.engine.commit(transaction([insert(accounts, account('mine'))]))
    await us.engine.commit(transaction([remove(accounts, idOf(0))]))
    await sameAs(ap, us)
    expect((await rowsOf(store, accounts)).map((row) => row[1])).toContain('mine')
  })

  it('remembers outcomes from before: a retry has its first answer (rule 12)', async () => {
    const { us, store } = await leftBehind(world)
    const request = transaction([insert(accounts, account('once'))], {
      basis: us.engine.applied(),
    })
    const first = await us.engine.commit(request)
    await trimAll(world)
    const ap = await world.open('ap', { store })
    await caughtUp(ap)
    expect(await ap.engine.commit(request)).toMatchObject({ txId: first.txId })
    await sameAs(ap, us)
  })

  it('does not lose what happens while it is being seeded', async () => {
    const { us, eu, store } = await leftBehind(world)
    let made = 0
    const ap = await world.open('ap', {
      store,
      onMessage: async (_peer, count) => {
        if (made > 60) return true
        // Behind, at and before where the seeding is.
        const id = idOf((count * 7) % ROWS)
        const email = `m${made++}`
        await eu.engine.commit(transaction([upsert(accounts, account(id, { email }))]))
        await us.engine.commit(transaction([remove(accounts, idOf((count * 3) % ROWS))]))
        await createTenant(us.system, `during${made}`)
        await us.engine.catchUp()
        return true
      },
    })
    await sameAs(ap, us)
    expect(made).toBeGreaterThan(5)
  })

  it('refuses reads and writes meanwhile, with errors that are safe to repeat', async () => {
    const { us, store } = await leftBehind(world)
    let isHeld = true
    const ap = await world.open('ap', {
      store,
      onMessage: async (_peer, count) => {
        if (count > 3) await until(() => expect(isHeld).toBe(false))
        return true
      },
    })
    const unseal = us.engine.seal()
    await until(() => expect(ap.engine.status().reseeding?.parts).toBeGreaterThan(0))
    const refused = expect.objectContaining({
      ...RESEEDING,
      details: { group: 'main', reseedingFrom: 'us' },
    })
    await expect(ap.engine.readIndex()).rejects.toEqual(refused)
    await expect(ap.engine.waitApplied(1)).rejects.toEqual(refused)
    await expect(ap.engine.commit(transaction([remove(accounts, 'x')]))).rejects.toEqual(refused)
    expect(() => ap.engine.seal()).toThrow(refused)
    await ap.engine.sweep()
    isHeld = false
    await sameAs(ap, us)
    ap.engine.seal()()
    unseal()
  })

  it('says of a read across a seeding that it is of no one moment', async () => {
    const us = await world.open('us')
    let isSlow = false
    const ap = await world.open('ap', {
      beforeEntries: () => until(() => expect(isSlow).toBe(false)),
    })
    await fill(us)
    await caughtUp(ap)
    const early = ap.engine.seal()
    isSlow = true
    for (const i of [0, 1, 2]) {
      await us.engine.commit(transaction([remove(accounts, idOf(i))]))
      await trimAll(world)
    }
    early()
    isSlow = false
    await until(() => expect(ap.told).toContain('main whole'))
    expect(early).toThrow(expect.objectContaining(RESEEDING))
    await sameAs(ap, us)
  })

  it('asks the next peer when one breaks off, is away, or is being seeded itself', async () => {
    const { us, eu, store } = await leftBehind(world)
    const ap = await world.open('ap', {
      store,
      onMessage: (peer, count) => peer !== 'us' || count < 5,
    })
    await sameAs(ap, eu)
    expect(ap.told).toContain('main eu')
    await ap.close()
    await change(eu).catch(noop)
    await us.close()
    await trimAll(world)
    world.network.partition('ap', 'eu')
    const again = await world.open('ap', { store })
    await until(() => {
      const failures = again.engine.status().reseeding?.failures ?? {}
      expect(Object.keys(failures).toSorted()).toEqual(['eu', 'us'])
    })
    await expect(again.engine.readIndex()).rejects.toThrow(/So far: us: .*eu: /)
    world.network.heal('ap', 'eu')
    await sameAs(again, eu)
  })

  it('is whole or not seeded after a crash at any part: it begins again', async () => {
    const { us, store } = await leftBehind(world)
    for (let writes = 1; ; writes++) {
      let left = writes
      store.beforeWrite = () => {
        if (left-- <= 0) throw new Error('the process ended')
      }
      const ap = await world.open('ap', { store, onMessage: () => left > 0 })
      await until(() => expect(left <= 0 || ap.engine.status().reseeding === undefined).toBe(true))
      const isWhole = ap.engine.status().reseeding === undefined
      await ap.close()
      if (isWhole && left > 0) break
    }
    store.beforeWrite = () => undefined
    await sameAs(await world.open('ap', { store }), us)
  })
})

describe('a region that is new', () => {
  it('is seeded from a peer of a log that was trimmed', async () => {
    const { us } = await leftBehind(world)
    const ap = await world.open('ap')
    await sameAs(ap, us)
    expect(await repairs(ap.store as MemoryStore)).toHaveLength(ROWS - 1)
  })

  it('replays a log that is all there', async () => {
    const us = await world.open('us')
    await fill(us)
    const ap = await world.open('ap')
    await sameAs(ap, us)
    expect(ap.told).toEqual([])
  })
})

describe('with a rule broken', () => {
  async function seededWith(faults: StrongFaults): Promise<{ us: SeedRegion; ap: SeedRegion }> {
    const { us, store } = await leftBehind(world)
    const ap = await world.open('ap', { store, faults })
    await caughtUp(ap)
    return { us, ap }
  }

  it('must fail: rows that the snapshot does not have stay', async () => {
    const { us, ap } = await seededWith({ keepAbsentRows: true })
    await expect(sameAs(ap, us)).rejects.toThrow(/to be/)
  })

  it('must fail: the position is set before the last part, and a crash leaves half a copy', async () => {
    const { us, store } = await leftBehind(world)
    let parts = 0
    const ap = await world.open('ap', {
      store,
      faults: { positionBeforeEnd: true },
      onMessage: (_peer, count) => ++parts < 100 && count < 4,
    })
    await until(() => expect(ap.engine.status().reseeding?.failures).toHaveProperty('us'))
    await ap.close()
    // Nothing says that the copy is not whole.
    const again = await world.open('ap', { store, faults: { positionBeforeEnd: true } })
    await caughtUp(again)
    expect(again.told.filter((line) => line.startsWith('main'))).toEqual([])
    await expect(sameAs(again, us)).rejects.toThrow(/to be/)
  })
})

describe('the log while a region is being seeded', () => {
  /** How often `ap` was seeded with a trimmer that trims all that nobody needs after each message. */
  async function seedings(faults: StrongFaults): Promise<number> {
    const { us, eu, store } = await leftBehind(world)
    let trims = 0
    const ap = await world.open('ap', {
      store,
      faults,
      onMessage: async () => {
        if (trims++ > 200) return true
        await us.engine.commit(transaction([upsert(accounts, account('hot', { balance: trims }))]))
        await caughtUp(eu)
        await world.retention.report('main', 'us', us.engine.applied() + 1)
        await world.retention.report('main', 'eu', us.engine.applied() + 1)
        await trimBehindSlowest()
        return true
      },
    })
    await until(async () => expect(ap.engine.status().reseeding).toBeUndefined())
    await us.engine.commit(transaction([upsert(accounts, account('hot', { balance: -1 }))]))
    await world.retention.report('main', 'us', us.engine.applied() + 1)
    await sameAs(ap, us)
    return ap.told.filter((line) => line === 'main whole').length
  }

  async function trimBehindSlowest(): Promise<void> {
    const reported = await world.retention.reported('main')
    // One record stays behind the slowest, its last; `ap` counts once it has reported.
    await world.log.trim('main', Math.min(...reported.values()) - 1)
  }

  it('is held where it will go on, so that one seeding is enough (rule 9)', async () => {
    expect(await seedings({})).toBe(1)
  })

  it('must fail: a log that is not held is trimmed under the region again', async () => {
    expect(await seedings({ skipRetentionHold: true })).toBeGreaterThan(1)
  })
})

function noop(): void {
  // Whether it took effect is not what is looked at.
}
