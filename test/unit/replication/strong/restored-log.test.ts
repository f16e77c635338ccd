/** A commit log that was restored or replaced: noticed, never applied (S20). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'
import type { MemoryStore } from '../../../support/memory-store.ts'
import {
  account,
  accounts,
  insert,
  openMemoryStore,
  RegionPool,
  replicatedState,
  transaction,
} from '../../../support/strong-region.ts'

const pool = new RegionPool()
const open: RegionPool['open'] = (...args) => pool.open(...args)
let log: MemoryCommitLog

beforeEach(() => {
  log = new MemoryCommitLog()
})
afterEach(() => pool.closeAll())

describe('a log that is not the one that was followed', () => {
  const lost = expect.objectContaining({ code: 'POSITION_LOST', retry: 'never' })

  /** A region that has applied two records and is closed, and the log as it was after one. */
  async function restored(): Promise<{ store: MemoryStore; shorter: MemoryCommitLog }> {
    const store = await openMemoryStore()
    const a = await open(log, { store })
    for (const id of ['x', 'y']) await a.engine.commit(transaction([insert(accounts, account(id))]))
    await a.engine.close()
    const shorter = new MemoryCommitLog()
    shorter.entries.set('main', (log.entries.get('main') ?? []).slice(0, 1))
    return { store, shorter }
  }

  it('is noticed while it is shorter, by whoever asks for an index', async () => {
    const { store, shorter } = await restored()
    const again = await open(shorter, { store })
    await expect(again.engine.catchUp()).rejects.toEqual(lost)
    expect(again.failures).toEqual([lost])
  })

  it('is noticed when it has outgrown the region meanwhile, and nothing of it is applied', async () => {
    const { store, shorter } = await restored()
    const b = await open(shorter)
    for (const id of ['v', 'w']) await b.engine.commit(transaction([insert(accounts, account(id))]))
    const before = await replicatedState(store)
    const again = await open(shorter, { store })
    await expect(again.engine.catchUp()).rejects.toEqual(lost)
    expect(again.failures).toEqual([lost])
    expect(await replicatedState(store)).toBe(before)
  })

  it('is not looked for where a node that kept no ids moved the position', async () => {
    const { store } = await restored()
    await store.write([{ sql: "DELETE FROM _meta WHERE key = 'log:main'", args: [] }])
    const again = await open(log, { store })
    await again.engine.commit(transaction([insert(accounts, account('z'))]))
    expect(again.failures).toEqual([])
  })
})
