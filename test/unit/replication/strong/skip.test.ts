/** A record that stops its group everywhere is passed over at an operator's word (S34, rule 25). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SkipCall } from '../../../../replication/strong/skip-record.ts'
import { controlRecord } from '../../../../replication/strong/control.ts'
import type { StrongFaults } from '../../../../replication/strong/faults.ts'
import { encodeRecord } from '../../../../replication/strong/record.ts'
import { asMeridianError, type MeridianError } from '../../../../src/core/errors.ts'
import type { Store } from '../../../../src/core/ports/store.ts'
import { sameAs } from '../../../support/left-behind.ts'
import type { MemoryStore } from '../../../support/memory-store.ts'
import { EAGER, SeedWorld, type SeedRegion } from '../../../support/reseed-world.ts'
import {
  account,
  accounts,
  insert,
  openMemoryStore,
  rowsOf,
  transaction,
} from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu', 'ap'] as const
const NOW: SkipCall = { isDryRun: false, without: [] }
let world: SeedWorld

beforeEach(() => {
  world = new SeedWorld(NAMES)
})
afterEach(() => world.closeAll())

/** Its store refuses this account. */
async function poison(store: Store): Promise<void> {
  const sql = `CREATE TRIGGER poison BEFORE INSERT ON ${accounts.physicalName}
    WHEN new.c${accounts.primaryKey[0]?.id} = 'poison' BEGIN SELECT RAISE(FAIL, 'poison'); END`
  await store.write([{ sql, args: [] }])
}

async function openAll(
  poisoned: readonly string[] = NAMES,
  faults: StrongFaults = {},
): Promise<SeedRegion[]> {
  const regions: SeedRegion[] = []
  for (const name of NAMES) {
    const store = await openMemoryStore()
    if (poisoned.includes(name)) await poison(store)
    regions.push(await world.open(name, { store, faults, digests: EAGER }))
  }
  return regions
}

const bad = transaction([insert(accounts, account('poison'))], { idempotencyKey: 'bad' })

/** Writes what is refused, and waits until these regions have stopped at it; their applied index. */
async function stopAll(from: SeedRegion, stopped: readonly SeedRegion[]): Promise<number> {
  await from.engine.commit(transaction([insert(accounts, account('before'))]))
  const refused = from.engine.commit(bad, { timeoutMs: 2_000 }).then(
    () => undefined,
    (error: unknown) => asMeridianError(error),
  )
  for (const { engine } of stopped) {
    await until(() => expect(engine.status().error).not.toBeNull())
  }
  const error = await refused
  if (stopped.includes(from)) expect(error).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
  else expect(error).toBeUndefined()
  return Math.min(...stopped.map(({ engine }) => engine.applied()))
}

const skip = (region: SeedRegion, index: number, call = NOW): Promise<unknown> =>
  region.engine.operated().skip(index, call)

async function refusalOf(promise: Promise<unknown>): Promise<MeridianError> {
  return promise.then(
    () => Promise.reject(new Error('It was taken.')),
    (error: unknown) => asMeridianError(error),
  )
}

const keysIn = async ({ store }: SeedRegion): Promise<unknown[]> =>
  (await rowsOf(store, accounts)).map((row) => row[1])

/** Appends a `SKIP` as no operator may. */
function append(index: number, id = 'skip'): Promise<number> {
  const record = controlRecord({ type: 'skip', index }, 0)
  return world.log.append('main', id, encodeRecord(record))
}

describe('a record that every store refuses', () => {
  it('is shown, skipped, and the group goes on everywhere alike', async () => {
    const [us, eu, ap] = (await openAll()) as [SeedRegion, SeedRegion, SeedRegion]
    const at = (await stopAll(us, [us, eu, ap])) + 1
    const look = await eu.engine.operated().skip(at, { ...NOW, isDryRun: true })
    expect(look).toMatchObject({ group: 'main', index: at, skippedAt: null })
    expect(look.record).toMatchObject({
      kind: 'commands',
      commands: [{ txId: bad.txId, operations: ['insert accounts'] }],
    })
    expect(look.regions.map(({ region, refusal }) => [region, refusal])).toEqual(
      expect.arrayContaining([...NAMES].map((name) => [name, null])),
    )
    expect(look.regions.map(({ why }) => why)).toEqual(
      NAMES.map(() => expect.stringMatching(/poison/)),
    )
    expect(await skip(eu, at)).toMatchObject({ skippedAt: at + 1 })
    for (const region of [us, eu, ap]) {
      await until(() => expect(region.engine.status().error).toBeNull())
      expect(region.resumed()).toBe(1)
    }
    await ap.engine.commit(transaction([insert(accounts, account('after'))]))
    await sameAs(eu, us)
    await sameAs(ap, us)
    expect(await keysIn(us)).toEqual(['after', 'before'])
    // Without a reseed, and without an alarm.
    for (const { told, divergences } of [us, eu, ap]) expect([told, divergences]).toEqual([[], []])
  })

  it('refuses the write that it held, in every region, for ever', async () => {
    const [us, eu, ap] = (await openAll()) as [SeedRegion, SeedRegion, SeedRegion]
    const at = (await stopAll(us, [us, eu, ap])) + 1
    await skip(us, at)
    for (const { engine } of [us, eu, ap]) {
      await until(() => expect(engine.applied()).toBeGreaterThan(at))
      const error = await refusalOf(engine.commit(bad))
      expect(error).toMatchObject({ code: 'CANCELLED', retry: 'never' })
      expect(error.message).toMatch(/had no effect/)
    }
  })

  it('is skipped by a region that comes later, or starts again', async () => {
    const [us, eu, ap] = (await openAll()) as [SeedRegion, SeedRegion, SeedRegion]
    await ap.close()
    const at = (await stopAll(us, [us, eu])) + 1
    await eu.close()
    expect(await refusalOf(skip(us, at))).toMatchObject({
      code: 'CONDITION_FAILED',
      details: { regions: ['eu', 'ap'] },
    })
    await skip(us, at, { isDryRun: false, without: ['eu', 'ap'] })
    await until(() => expect(us.engine.applied()).toBeGreaterThan(at))
    for (const { name, store } of [ap, eu]) {
      const again = await world.open(name, { store, digests: EAGER })
      await sameAs(again, us)
      expect([again.told, again.resumed()]).toEqual([[], 1])
    }
  })

  it('two of them, one after the other', async () => {
    const all = await openAll()
    const [us] = all as [SeedRegion]
    const first = (await stopAll(us, all)) + 1
    await skip(us, first)
    for (const { engine } of all) await until(() => expect(engine.status().error).toBeNull())
    const again = us.engine.commit(transaction([insert(accounts, account('poison'))]))
    await refusalOf(again)
    for (const { engine } of all) await until(() => expect(engine.status().error).not.toBeNull())
    await skip(us, us.engine.applied() + 1)
    for (const { engine } of all) await until(() => expect(engine.status().error).toBeNull())
    for (const region of all) await sameAs(region, us)
    expect(us.engine.operated().peerState().skipped).toEqual([first, expect.any(Number)])
  })

  it('that cannot be decoded is skipped as well', async () => {
    const all = await openAll()
    const [us] = all as [SeedRegion]
    const at = await world.log.append('main', 'garbage', Uint8Array.of(1, 0xc1))
    for (const { engine } of all) await until(() => expect(engine.status().error).not.toBeNull())
    expect(await us.engine.operated().skip(at, { ...NOW, isDryRun: true })).toMatchObject({
      record: { id: 'garbage', kind: null, commands: null },
    })
    await skip(us, at)
    for (const region of all) await sameAs(region, us)
  })
})

describe('a skip that would not be true everywhere', () => {
  it('is refused where a region has applied the record, which is what the others are seeded from', async () => {
    const [us, eu, ap] = (await openAll(['us', 'ap'])) as [SeedRegion, SeedRegion, SeedRegion]
    const at = (await stopAll(eu, [us, ap])) + 1
    const error = await refusalOf(skip(us, at))
    expect(error).toMatchObject({ code: 'CONDITION_FAILED', details: { regions: ['eu'] } })
    expect(error.message).toMatch(/has applied the record/)
    for (const { store } of [us, ap]) {
      await store.write([{ sql: 'DROP TRIGGER poison', args: [] }])
    }
    for (const { engine } of [us, ap]) engine.operated().orderReseed(['eu'])
    await sameAs(us, eu)
    await sameAs(ap, eu)
    expect(await keysIn(us)).toContain('poison')
  })

  it.each([
    ['no such record', 99, 'NOT_FOUND'],
    ['a record that is applied', 1, 'CONDITION_FAILED'],
    ['no index', 0, 'NOT_FOUND'],
  ])('is refused: %s', async (_name, index, code) => {
    const [us] = (await openAll()) as [SeedRegion]
    await us.engine.commit(transaction([insert(accounts, account('x'))]))
    expect(await refusalOf(skip(us, index))).toMatchObject({ code })
    expect(await world.log.readIndex('main')).toBe(1)
  })

  it('has no effect where it names a record behind it, or one that was skipped before', async () => {
    const [us, eu, ap] = (await openAll()) as [SeedRegion, SeedRegion, SeedRegion]
    const at = (await stopAll(us, [us, eu, ap])) + 1
    await append(at + 50, 'early')
    await skip(us, at)
    await append(at, 'again')
    for (const region of [us, eu, ap]) await sameAs(region, us)
    await us.engine.commit(transaction([insert(accounts, account('fine'))]))
    for (const region of [us, eu, ap]) {
      await sameAs(region, us)
      expect(region.told).toEqual([])
    }
  })

  it('appended all the same: who has applied the record is wrong, and seeded again', async () => {
    const [us, eu, ap] = (await openAll(['us', 'ap'])) as [SeedRegion, SeedRegion, SeedRegion]
    const at = (await stopAll(eu, [us, ap])) + 1
    await append(at)
    await until(() => expect(eu.told).toContain('main whole'))
    for (const region of [eu, ap]) await sameAs(region, us)
    expect(await keysIn(eu)).not.toContain('poison')
    await eu.engine.commit(transaction([insert(accounts, account('after'))]))
    for (const region of [us, ap]) await sameAs(region, eu)
  })

  it('must fail: a region keeps what it applied of it', async () => {
    const quiet = { compareEveryMs: 60_000 }
    const store: MemoryStore = await openMemoryStore()
    const eu = await world.open('eu', { store, faults: { skipIgnored: true }, digests: quiet })
    const refusing = await openMemoryStore()
    await poison(refusing)
    const us = await world.open('us', { store: refusing, digests: quiet })
    const at = (await stopAll(eu, [us])) + 1
    await append(at)
    await until(() => expect(us.engine.applied()).toBeGreaterThan(at))
    await eu.engine.catchUp()
    expect(await keysIn(eu)).toContain('poison')
    expect(await keysIn(us)).not.toContain('poison')
    // The digests see it: of the same record, they are not equal.
    const [a, b] = [us, eu].map(({ engine }) => engine.operated().peerState().digests.at(-1))
    expect(a?.index).toBe(b?.index)
    expect(a?.parts).not.toEqual(b?.parts)
  })
})
