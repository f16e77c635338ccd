/** A region that the log has left behind is seeded from a peer (S21 to S26). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import {
  createSnapshotServer,
  type OfferedGroup,
} from '../../../../replication/strong/snapshot-server.ts'
import type { SnapshotStream } from '../../../../replication/strong/snapshot-source.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { createTenantCommand } from '../../../../src/tenancy/directory-commands.ts'
import { tenantKey } from '../../../../src/tenancy/tenant-key.ts'
import type { MemoryStore } from '../../../support/memory-store.ts'
import { groupState, SeedWorld, type SeedRegion } from '../../../support/reseed-world.ts'
import {
  account,
  accounts,
  insert,
  openMemoryStore,
  put,
  remove,
  rowsOf,
  schema,
  transaction,
  update,
  upsert,
} from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu', 'ap']
const ROWS = 20
const RESEEDING = { code: 'LOG_UNAVAILABLE', retry: 'safe' }
const idOf = (i: number): string => `a${String(i).padStart(2, '0')}`
let world: SeedWorld

beforeEach(() => {
  world = new SeedWorld(NAMES)
})
afterEach(() => world.closeAll())

/** Rows, a tenant, and outcomes of both. */
async function fill({ engine, system }: SeedRegion): Promise<void> {
  for (let i = 0; i < ROWS; i++) {
    await engine.commit(transaction([insert(accounts, account(idOf(i), { email: `e${i}` }))]))
  }
  for (const name of ['x', 'y']) await createTenant(system, name)
}

async function createTenant(system: SeedRegion['system'], name: string): Promise<void> {
  const tenant = { tenantKey: tenantKey(name), home: 'us', tenantClass: 'default' }
  await system.propose(createTenantCommand(tenant, `t-${name}`, system.applied()))
}

/** What `us` and `eu` do while `ap` is away: every kind of change, unique values handed on. */
async function change({ engine, system }: SeedRegion): Promise<void> {
  const commit = (...ops: Parameters<typeof transaction>[0]): Promise<unknown> =>
    engine.commit(transaction(ops))
  await commit(remove(accounts, idOf(3)), remove(accounts, idOf(19)))
  await commit(update(accounts, idOf(1), { email: put('free') }))
  await commit(update(accounts, idOf(15), { email: put('e1') }))
  await commit(
    update(accounts, idOf(5), { email: put('swap') }),
    update(accounts, idOf(6), { email: put('e5') }),
    update(accounts, idOf(5), { email: put('e6') }),
  )
  await commit(insert(accounts, account('a005', { email: 'e3', note: Uint8Array.of(1, 0, 255) })))
  await commit(upsert(accounts, account(idOf(8), { ratio: 0.1, total: 2n ** 62n, balance: -7 })))
  await createTenant(system, 'z')
}

async function trimAll(): Promise<void> {
  for (const group of ['main', 'system']) await world.log.trim(group, Number.MAX_SAFE_INTEGER)
}

/** `ap` was there for the first half, and the log has gone on without it. */
async function leftBehind(): Promise<{ us: SeedRegion; eu: SeedRegion; store: MemoryStore }> {
  const us = await world.open('us')
  const eu = await world.open('eu')
  const store = await openMemoryStore()
  const ap = await world.open('ap', { store })
  await fill(us)
  await ap.engine.catchUp()
  await ap.system.catchUp()
  await ap.close()
  await change(eu)
  await us.engine.catchUp()
  await trimAll()
  return { us, eu, store }
}

async function caughtUp(region: SeedRegion): Promise<void> {
  await until(async () => {
    await region.engine.catchUp()
    await region.system.catchUp()
  })
}

async function sameAs(region: SeedRegion, other: SeedRegion): Promise<void> {
  await caughtUp(other)
  await caughtUp(region)
  expect(await groupState(region.store)).toBe(await groupState(other.store))
}

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
    const { us, store } = await leftBehind()
    const ap = await world.open('ap', { store })
    await sameAs(ap, us)
    expect(ap.failures).toEqual([])
    expect(ap.told).toEqual(
      expect.arrayContaining(['main us', 'main whole', 'system us', 'system whole']),
    )
    expect(ap.engine.status()).toMatchObject({ group: 'main', reseeding: undefined })
  })

  it('writes what differs and nothing else, each as a repair', async () => {
    const { us, store } = await leftBehind()
    const ap = await world.open('ap', { store })
    await sameAs(ap, us)
    const touched = new Set((await repairs(store)).map((line) => line.split(' ')[1] ?? ''))
    const changed = ['a005', ...[1, 3, 5, 6, 8, 15, 19].map(idOf)].map((id) => `["${id}"]`)
    expect(touched).toEqual(new Set(changed))
    expect(await repairs(store)).toContain(`delete ["${idOf(19)}"]`)
  })

  it('goes on with the log: its writes and those of others are seen', async () => {
    const { us, store } = await leftBehind()
    const ap = await world.open('ap', { store })
    await caughtUp(ap)
    await ap.engine.commit(transaction([insert(accounts, account('mine'))]))
    await us.engine.commit(transaction([remove(accounts, idOf(0))]))
    await sameAs(ap, us)
    expect((await rowsOf(store, accounts)).map((row) => row[1])).toContain('mine')
  })

  it('remembers outcomes from before: a retry has its first answer (rule 12)', async () => {
    const { us, store } = await leftBehind()
    const request = transaction([insert(accounts, account('once'))], {
      basis: us.engine.applied(),
    })
    const first = await us.engine.commit(request)
    await trimAll()
    const ap = await world.open('ap', { store })
    await caughtUp(ap)
    expect(await ap.engine.commit(request)).toMatchObject({ txId: first.txId })
    await sameAs(ap, us)
  })

  it('does not lose what happens while it is being seeded', async () => {
    const { us, eu, store } = await leftBehind()
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
    const { us, store } = await leftBehind()
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
      await trimAll()
    }
    early()
    isSlow = false
    await until(() => expect(ap.told).toContain('main whole'))
    expect(early).toThrow(expect.objectContaining(RESEEDING))
    await sameAs(ap, us)
  })

  it('asks the next peer when one breaks off, is away, or is being seeded itself', async () => {
    const { us, eu, store } = await leftBehind()
    const ap = await world.open('ap', {
      store,
      onMessage: (peer, count) => peer !== 'us' || count < 5,
    })
    await sameAs(ap, eu)
    expect(ap.told).toContain('main eu')
    await ap.close()
    await change(eu).catch(noop)
    await us.close()
    await trimAll()
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
    const { us, store } = await leftBehind()
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
    const { us } = await leftBehind()
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

describe('a peer that does not fit', () => {
  it('is not taken: one of another region set, or behind this region', async () => {
    const { us, store } = await leftBehind()
    const ap = await world.open('ap', { store, seeding: { region: 'mars' } })
    await until(() =>
      expect(ap.engine.status().reseeding?.failures['us']).toMatch(/mars may not be seeded/),
    )
    await ap.close()
    await sameAs(await world.open('ap', { store }), us)
  })
})

describe('a peer of another version', () => {
  const whole = {
    group: 'main',
    machineVersion: 1,
    schema,
    applied: () => 1_000,
    requireWhole: noop,
    async *snapshot(): SnapshotStream {
      // Nothing of it may be asked for.
    },
  }

  async function refusalOf(offer: Partial<OfferedGroup>): Promise<string | undefined> {
    const { us, store } = await leftBehind()
    await us.close()
    world.network.partition('ap', 'eu')
    const server = createSnapshotServer({
      source: 'us.9',
      regions: NAMES,
      groups: [{ ...whole, ...offer }],
      runtime: systemRuntime,
    })
    const stop = world.network.listen('us', {
      onRequest: () => Promise.reject(new Error('no requests')),
      onChannel: (channel, _service, caller) => server.accept(channel, caller),
    })
    const before = await groupState(store)
    const ap = await world.open('ap', { store })
    const why = (): string | undefined => ap.engine.status().reseeding?.failures['us']
    await until(() => expect(why()).toBeDefined())
    expect(await groupState(store)).toBe(before)
    stop()
    server.stop()
    return why()
  }

  it('is not taken, and the log is not trimmed: a position beyond the end of the log', async () => {
    expect(await refusalOf({ applied: () => 1e12 })).toMatch(/beyond the end of the log/)
    expect([...(await world.retention.reported('main')).values()]).toEqual([])
  })

  it('is not taken, and nothing is written: a newer state machine', async () => {
    expect(await refusalOf({ machineVersion: 2 })).toMatch(/state machine 2; this node has/)
  })

  it('is not taken: another schema, newer or of the same number', async () => {
    const { version } = schema
    expect(await refusalOf({ schema: { version: version + 1, fingerprint: 'x' } })).toMatch(
      /schema/,
    )
    await world.closeAll()
    world = new SeedWorld(NAMES)
    expect(await refusalOf({ schema: { version, fingerprint: 'x' } })).toMatch(/schema/)
  })

  it('is not taken: one that is behind this region', async () => {
    expect(await refusalOf({ applied: () => 1 })).toMatch(/peer is at 1, this region at/)
  })
})

describe('with a rule broken', () => {
  async function seededWith(faults: StrongFaults): Promise<{ us: SeedRegion; ap: SeedRegion }> {
    const { us, store } = await leftBehind()
    const ap = await world.open('ap', { store, faults })
    await caughtUp(ap)
    return { us, ap }
  }

  it('must fail: rows that the snapshot does not have stay', async () => {
    const { us, ap } = await seededWith({ keepAbsentRows: true })
    await expect(sameAs(ap, us)).rejects.toThrow(/to be/)
  })

  it('must fail: the position is set before the last part, and a crash leaves half a copy', async () => {
    const { us, store } = await leftBehind()
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
    const { us, eu, store } = await leftBehind()
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
