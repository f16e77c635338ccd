/** A region that the log has left behind, and how it is told that it is whole again. */
import { expect } from 'vitest'
import { createTenantCommand } from '../../src/tenancy/directory-commands.ts'
import { tenantKey } from '../../src/tenancy/tenant-key.ts'
import type { MemoryStore } from './memory-store.ts'
import { groupState, type SeedRegion, type SeedWorld } from './reseed-world.ts'
import {
  account,
  accounts,
  insert,
  openMemoryStore,
  put,
  remove,
  transaction,
  update,
  upsert,
} from './strong-region.ts'
import { until } from './until.ts'

/** The rows that `fill` writes. */
export const ROWS = 20
/** The key of row i. */
export const idOf = (i: number): string => `a${String(i).padStart(2, '0')}`

/** Rows, a tenant, and outcomes of both. */
export async function fill({ engine, system }: SeedRegion): Promise<void> {
  for (let i = 0; i < ROWS; i++) {
    await engine.commit(transaction([insert(accounts, account(idOf(i), { email: `e${i}` }))]))
  }
  for (const name of ['x', 'y']) await createTenant(system, name)
}

/** A tenant at home in `us`. */
export async function createTenant(system: SeedRegion['system'], name: string): Promise<void> {
  const tenant = { tenantKey: tenantKey(name), home: 'us', tenantClass: 'default' }
  await system.propose(createTenantCommand(tenant, `t-${name}`, system.applied()))
}

/** What `us` and `eu` do while `ap` is away: every kind of change, unique values handed on. */
export async function change({ engine, system }: SeedRegion): Promise<void> {
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

/** Whatever nobody needs goes from the log. */
export async function trimAll(world: SeedWorld): Promise<void> {
  for (const group of ['main', 'system']) await world.log.trim(group, Number.MAX_SAFE_INTEGER)
}

/** `ap` was there for the first half, and the log has gone on without it. */
export async function leftBehind(
  world: SeedWorld,
): Promise<{ us: SeedRegion; eu: SeedRegion; store: MemoryStore }> {
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
  await trimAll(world)
  return { us, eu, store }
}

/** The region has applied all that the log has. */
export async function caughtUp(region: SeedRegion): Promise<void> {
  await until(async () => {
    await region.engine.catchUp()
    await region.system.catchUp()
  })
}

/** Once both have caught up, the rows of one are those of the other. */
export async function sameAs(region: SeedRegion, other: SeedRegion): Promise<void> {
  await caughtUp(other)
  await caughtUp(region)
  expect(await groupState(region.store)).toBe(await groupState(other.store))
}
