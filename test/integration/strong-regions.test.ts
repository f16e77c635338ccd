/** Three regions of strong tables on their real drivers: files, and the delays between them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { delayCommitLog } from '../../src/drivers/commit-log/delayed-commit-log.ts'
import {
  openFileCommitLog,
  type SharedCommitLog,
} from '../../src/drivers/commit-log/file-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { defaultConfig } from '../../src/config/parse-config.ts'
import { oneWayMs, scaleTopology } from '../../src/config/topology.ts'
import {
  account,
  accounts,
  increment,
  insert,
  layTables,
  openRegion,
  read,
  replicatedState,
  rowsOf,
  transaction,
  update,
  versionOf,
  type Region,
} from '../support/strong-region.ts'
import type { TransactionRequest } from '../../src/core/operations.ts'

const { regions, topology, commitLog } = defaultConfig()
const scaled = scaleTopology(topology, 0.1)
let folder: string
let log: SharedCommitLog
let opened: Region[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-strong-'))
  log = await openFileCommitLog({ path: join(folder, 'log.db'), timers: systemRuntime.timers })
  opened = await Promise.all(regions.map(openAt))
})

afterEach(async () => {
  for (const { engine, store } of opened) {
    await engine.close()
    await store.close()
  }
  await log.close()
  await rm(folder, { recursive: true })
})

async function openAt(region: string): Promise<Region> {
  const path = join(folder, `${region}.db`)
  const store = await openFileStore({ path, timers: systemRuntime.timers })
  await layTables(store)
  const far = delayCommitLog(log.handle(), {
    region,
    leader: commitLog.leader,
    members: regions,
    oneWayDelayMs: (from, to) => oneWayMs(scaled, from, to),
    timers: systemRuntime.timers,
  })
  return openRegion(far, { store })
}

/** Reads a balance with a strong read and adds to it, running again after each conflict. */
async function addReading(region: Region, by: number): Promise<number> {
  for (let runs = 1; ; runs++) {
    await region.engine.catchUp()
    const version = await versionOf(region.store, accounts, 'shared')
    const balance = Number((await rowsOf(region.store, accounts))[0]?.[3])
    const request = transaction(
      [update(accounts, 'shared', { balance: { kind: 'set', value: balance + by } })],
      {
        reads: [read(accounts, 'shared', version)],
        basis: region.engine.applied(),
      },
    )
    const done = await region.engine.commit(request).then(
      () => true,
      (error: { code?: string }) => {
        if (error.code !== 'CONFLICT') throw error
        return false
      },
    )
    if (done) return runs
  }
}

it('three regions that read and write one row lose no update and agree to the byte', async () => {
  await opened[0]?.engine.commit(transaction([insert(accounts, account('shared'))]))
  const work = opened.map(async (region) => {
    let runs = 0
    for (let i = 0; i < 10; i++) runs += await addReading(region, 1)
    return runs
  })
  const runs = (await Promise.all(work)).reduce((sum, n) => sum + n, 0)
  for (const { engine } of opened) await engine.catchUp()
  const states = await Promise.all(opened.map(({ store }) => replicatedState(store)))
  expect(new Set(states).size).toBe(1)
  expect((await rowsOf((opened[0] as Region).store, accounts))[0]?.[3]).toBe(30n)
  // Otherwise nothing was concurrent.
  expect(runs).toBeGreaterThan(30)
})

it('a region that goes away in the middle of a load comes back with every acknowledged write', async () => {
  await opened[0]?.engine.commit(transaction([insert(accounts, account('shared'))]))
  const adding = transaction([update(accounts, 'shared', { balance: increment(1) })])
  const requests: TransactionRequest[] = Array.from({ length: 60 }, (_, i) => {
    return { ...adding, txId: `add${i}`, idempotencyKey: `add${i}` }
  })
  const running = requests.map((request, i) =>
    (opened[i % 3] as Region).engine.commit(request).then(
      () => true,
      () => false,
    ),
  )
  const leaving = opened[2] as Region
  await leaving.engine.close()
  await leaving.store.close()
  const acknowledged = (await Promise.all(running)).filter(Boolean).length
  opened[2] = await openAt(regions[2] as string)
  // Whoever got no answer asks again, through the region that came back.
  for (const request of requests) await opened[2].engine.commit(request)
  for (const { engine } of opened) await engine.catchUp()
  const states = await Promise.all(opened.map(({ store }) => replicatedState(store)))
  expect(new Set(states).size).toBe(1)
  expect((await rowsOf(opened[2].store, accounts))[0]?.[3]).toBe(60n)
  expect(acknowledged).toBeLessThan(60)
})
