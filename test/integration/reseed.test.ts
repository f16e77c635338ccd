/** A region that the log left behind, as its users see it: rows, sessions and views (S21 to S27). */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openFileCommitLog } from '../../src/drivers/commit-log/file-commit-log.ts'
import type { SharedCommitLog } from '../../src/drivers/commit-log/file-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { ReseedNodes, type Db } from '../support/reseed-nodes.ts'
import { tempFolder } from '../conformance/support/temp-folder.ts'
import { until } from '../support/until.ts'

const [US, EU, AP] = ['us-east', 'eu-west', 'ap-south'] as const
const PLANS = 300
let log: SharedCommitLog
let nodes: ReseedNodes

beforeEach(async () => {
  const path = join(tempFolder(), 'log.db')
  log = await openFileCommitLog({ path, timers: systemRuntime.timers })
  nodes = new ReseedNodes({ commitLog: () => log.handle() })
  for (const region of [US, EU, AP]) await nodes.open(region)
})

afterEach(async () => {
  await nodes.closeAll()
  await log.close()
})

const plan = (i: number): { id: string; name: string; kind: string; price: number } => ({
  id: `p${i}`,
  name: `name ${i}`,
  kind: `k${i % 3}`,
  price: i,
})

async function fill(db: Db): Promise<void> {
  await db.plans.insertMany(Array.from({ length: PLANS }, (_, i) => plan(i)))
  await db.tenants.create({ id: 'acme', home: AP })
}

/** Changes while a region is away; the log keeps none of them but the last. */
async function goOn(db: Db): Promise<void> {
  for (let i = 0; i < PLANS; i += 10) await db.plans.delete(`p${i}`)
  await db.transaction('strong', async (tx) => {
    tx.plans.update('p1', { name: 'another' })
    tx.plans.update('p2', { name: 'name 1', price: 1_000 })
  })
  await db.tenants.create({ id: 'bolt', home: US })
  await db.tenants.create({ id: 'core', home: EU })
  for (const group of ['main', 'system']) await log.trim(group, Number.MAX_SAFE_INTEGER)
}

/** All rows in order; views over them must be what they make. */
async function allPlans(db: Db, consistency: 'strong' | 'session' = 'strong'): Promise<unknown[]> {
  const { rows } = await db.plans.list({ limit: 1_000, consistency })
  return [...rows]
}

async function expectRecomputed(db: Db): Promise<void> {
  const { rows: plans } = await db.plans.list({ limit: 1_000 })
  const kinds = [...new Set(plans.map(({ kind }) => kind))].toSorted()
  expect(await db.view('kinds').list()).toEqual(
    kinds.map((kind) => {
      const members = plans.filter((one) => one.kind === kind)
      const total = members.reduce((sum, { price }) => sum + price, 0)
      return { kind, plans: members.length, total }
    }),
  )
  const dear = plans.filter(({ price }) => price > 50).map(({ id, name }) => ({ id, name }))
  expect(await db.view('dear').list()).toEqual(dear)
}

it('is equal to the others when it is back; sessions and views hold what they promise', async () => {
  const us = await nodes.connect(US)
  await fill(us)
  const ap = await nodes.connect(AP)
  await until(async () => expect(await allPlans(ap)).toHaveLength(PLANS))
  await nodes.close(AP)
  await goOn(us)
  const expected = await allPlans(us)
  const token = await us.session().export()
  await nodes.open(AP)
  const again = await nodes.connect(AP)
  // A session that has seen the new rows is never shown the old ones, nor half of them.
  const session = await again.importSession(token)
  const shown: unknown[][] = []
  await until(async () => {
    const { rows } = await again.plans.list({ limit: 1_000, session, deadlineMs: 500 })
    shown.push([...rows])
  })
  for (const rows of shown) expect(rows).toEqual(expected)
  expect(await allPlans(again)).toEqual(expected)
  const told = [`${AP} main whole`, `${AP} system whole`]
  await until(() => expect(nodes.told).toEqual(expect.arrayContaining(told)))
  expect(nodes.failures).toEqual([])
  await until(() => expectRecomputed(again))
  // Its directory and its log go on.
  await again.plans.insert({ id: 'new', name: 'new', kind: 'k9', price: 9 })
  await again.tenant('acme').orders.insert({ id: 'o', amount: 1 })
  await again.tenant('bolt').orders.insert({ id: 'o', amount: 2 })
  expect(await allPlans(us)).toEqual(await allPlans(again))
  await until(() => expectRecomputed(again))
})

it('waits for a peer, refuses meanwhile, and says so in its status', async () => {
  const us = await nodes.connect(US)
  await fill(us)
  await nodes.close(AP)
  await goOn(us)
  for (const other of [US, EU]) nodes.network.partition(AP, other)
  const node = await nodes.open(AP)
  const main = (): unknown => node.status().logGroups.find(({ group }) => group === 'main')
  await until(() => expect(main()).toMatchObject({ reseeding: { from: expect.any(String) } }))
  const ap = await nodes.connect(AP)
  const refused = { code: 'LOG_UNAVAILABLE', retry: 'safe' }
  for (const consistency of ['strong', 'session', 'stale'] as const) {
    await expect(ap.plans.list({ consistency, deadlineMs: 1_000 })).rejects.toMatchObject(refused)
  }
  await expect(ap.view('kinds').list({ deadlineMs: 1_000 })).rejects.toMatchObject(refused)
  // The client tries a write again for as long as it may.
  const write = ap.plans.delete('p1', { deadlineMs: 1_000 })
  await expect(write).rejects.toMatchObject({ retry: 'safe' })
  nodes.network.healAll()
  await until(async () => expect(await allPlans(ap)).toEqual(await allPlans(us)))
  expect(main()).toMatchObject({ reseeding: null })
})

it('that is new joins a log that was trimmed', async () => {
  const us = await nodes.connect(US)
  await nodes.close(AP)
  await rm(join(nodes.folder, AP), { recursive: true })
  await fill(us)
  await goOn(us)
  await nodes.open(AP)
  const ap = await nodes.connect(AP)
  await until(async () => expect(await allPlans(ap)).toEqual(await allPlans(us)))
  await until(() => expectRecomputed(ap))
})
