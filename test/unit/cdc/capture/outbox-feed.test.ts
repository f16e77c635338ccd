import { describe, expect, test } from 'vitest'
import type { Statement, Store } from '../../../../src/core/ports/store.ts'
import {
  commitWrites,
  NOTES,
  ORDERS,
  PLANS,
  type TestWrite,
} from '../../../support/stream-schema.ts'
import { openTestStore, type FeedStore } from '../../../support/test-store.ts'

function orders(...ids: readonly string[]): TestWrite[] {
  return ids.map((id) => ({ table: ORDERS, tenant: 'acme', id, body: `body of ${id}` }))
}

/** Counts the reads of a store. */
function counting(store: Store): { store: Store; reads: () => number } {
  let reads = 0
  const counted: Store = {
    write: (statements) => store.write(statements),
    read: (statements: readonly Statement[]) => {
      reads++
      return store.read(statements)
    },
    query: (statement) => store.query(statement),
    onCommit: (listener) => store.onCommit(listener),
    close: () => store.close(),
  }
  return { store: counted, reads: () => reads }
}

async function prune(target: FeedStore, upTo: number): Promise<void> {
  await target.store.write([{ sql: 'DELETE FROM _outbox WHERE seq <= ?', args: [upTo] }])
}

describe('outbox feed', () => {
  test('gives every change of every mode in order, its transaction numbered', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a', 'b'))
    await commitWrites(target, [{ table: NOTES, tenant: 'acme', id: 'n', body: 'x' }])
    await commitWrites(target, [{ table: PLANS, tenant: '', id: 'p', body: 'x' }])
    await commitWrites(target, [{ table: ORDERS, tenant: 'acme', id: 'a', body: null }])
    const changes = await target.feed().read(0, 100)
    expect(changes.map((c) => [c.localSeq, c.index, c.size, c.op, c.tableId])).toEqual([
      [1, 0, 2, 'insert', ORDERS.id],
      [2, 1, 2, 'insert', ORDERS.id],
      [3, 0, 1, 'update', NOTES.id],
      [4, 0, 1, 'insert', PLANS.id],
      [5, 0, 1, 'delete', ORDERS.id],
    ])
    const [first, , note, plan, gone] = changes
    expect(first?.origin).toEqual({ source: target.source, epoch: 1, seq: 1 })
    expect(first?.after).toEqual(['a', 'body of a', 9])
    expect(note?.delta).toEqual(new Uint8Array([1, 2, 3]))
    expect(plan?.origin.source).toBe('log:main')
    expect(gone?.before).toEqual(['a', 'body of a', 9])
    expect(gone?.after).toBeNull()
    expect(gone?.key).toEqual(['a'])
  })

  test('asks the store once per commit where its end is, and is never behind a commit', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a'))
    const { store, reads } = counting(target.store)
    const feed = target.feed({ store })
    expect(await feed.read(0, 100)).toHaveLength(1)
    for (let i = 0; i < 10; i++) expect(await feed.read(1, 100)).toEqual([])
    for (let i = 0; i < 10; i++) expect(await feed.end()).toBe(1)
    expect(reads()).toBe(1)
    await commitWrites(target, orders('b'))
    expect(await feed.end()).toBe(2)
    expect(await feed.end()).toBe(2)
    expect(reads()).toBe(2)
    expect(await feed.read(1, 100)).toHaveLength(1)
    expect(await feed.read(2, 100)).toEqual([])
    expect(reads()).toBe(3)
    await expect(feed.read(3, 100)).rejects.toMatchObject({ code: 'POSITION_LOST' })
  })

  test('does not take an end for known that was read while a commit was under way', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a'))
    const { store } = counting(target.store)
    let meanwhile = async (): Promise<void> => undefined
    const slow: Store = {
      ...store,
      async read(statements) {
        const results = await store.read(statements)
        await meanwhile()
        return results
      },
    }
    const feed = target.feed({ store: slow })
    await feed.read(0, 100)
    meanwhile = async () => {
      meanwhile = async () => undefined
      await commitWrites(target, orders('b'))
    }
    const again = target.feed({ store: slow })
    expect(await again.end()).toBe(1)
    expect(await again.end()).toBe(2)
    expect(await again.read(1, 100)).toHaveLength(1)
  })

  test('never cuts a transaction, from the store and from the tail alike', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a', 'b', 'c'))
    await commitWrites(target, orders('d', 'e'))
    const seqs = async (feed: ReturnType<FeedStore['feed']>): Promise<unknown> =>
      (await feed.read(0, 2)).map((c) => c.localSeq)
    const feed = target.feed()
    expect(await seqs(feed)).toEqual([1, 2, 3])
    expect(await seqs(feed)).toEqual([1, 2, 3])
    // A feed whose tail is ahead reads the store for a reader behind.
    const ahead = target.feed()
    await ahead.read(3, 10)
    expect(await seqs(ahead)).toEqual([1, 2, 3])
  })

  test('numbers a transaction right for a reader that stopped within it', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('z'))
    await commitWrites(target, orders('a', 'b', 'c'))
    const changes = await target.feed().read(3, 10)
    expect(changes.map((c) => [c.localSeq, c.index, c.size])).toEqual([[4, 2, 3]])
  })

  test('reads the store once a commit, however many readers follow', async () => {
    const target = await openTestStore()
    const { store, reads } = counting(target.store)
    const feed = target.feed({ store })
    for (let at = 0; at < 5; at++) {
      await commitWrites(target, orders(`o${at}`))
      const read = await Promise.all([1, 2, 3].map(() => feed.read(at, 100)))
      expect(read.map((changes) => changes.length)).toEqual([1, 1, 1])
    }
    expect(reads()).toBe(5)
    expect((await feed.read(0, 100)).length).toBe(5)
    expect(reads()).toBe(5)
  })

  test('the tail is bounded: what fell out comes from the store', async () => {
    const target = await openTestStore()
    for (const bounds of [{ tailChanges: 2 }, { tailBytes: 1 }]) {
      const feed = target.feed(bounds)
      await commitWrites(target, orders('a', 'b', 'c'))
      const end = await feed.end()
      expect((await feed.read(0, 100)).length).toBe(end)
      expect((await feed.read(0, 100)).length).toBe(end)
      expect((await feed.read(end, 100)).length).toBe(0)
    }
  })

  test('a reader that a commit woke sees that commit', async () => {
    const target = await openTestStore()
    const feed = target.feed()
    let at = 0
    const seen: number[] = []
    feed.onChange(() => {
      void feed.read(at, 100).then((changes) => {
        at = changes.at(-1)?.localSeq ?? at
        seen.push(at)
      })
    })
    for (let i = 1; i <= 20; i++) {
      await commitWrites(target, orders(`o${i}`))
      await new Promise((resolve) => setImmediate(resolve))
      expect(seen.at(-1)).toBe(i)
    }
  })

  test('says that changes were pruned instead of skipping them', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a', 'b', 'c'))
    await prune(target, 2)
    await expect(target.feed().read(0, 10)).rejects.toMatchObject({ code: 'LOG_COMPACTED' })
    expect((await target.feed().read(2, 10)).map((c) => c.localSeq)).toEqual([3])
    await prune(target, 3)
    await expect(target.feed().read(2, 10)).rejects.toMatchObject({ code: 'LOG_COMPACTED' })
    expect(await target.feed().read(3, 10)).toEqual([])
    expect(await target.feed().end()).toBe(3)
  })

  test('a hole is an error, and so is a position beyond the end', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a', 'b', 'c'))
    await target.store.write([{ sql: 'DELETE FROM _outbox WHERE seq = 2', args: [] }])
    await expect(target.feed().read(0, 10)).rejects.toMatchObject({ code: 'LOG_GAP' })
    await expect(target.feed().read(4, 10)).rejects.toMatchObject({ code: 'POSITION_LOST' })
  })

  test('a rolled-back transaction leaves no hole', async () => {
    const target = await openTestStore()
    await commitWrites(target, orders('a'))
    const failing = commitWrites(target, [
      ...orders('b'),
      { table: ORDERS, tenant: null as unknown as string, id: 'c', body: 'x' },
    ])
    await expect(failing).rejects.toThrow('NOT NULL')
    await commitWrites(target, orders('d'))
    expect((await target.feed().read(0, 10)).map((c) => c.localSeq)).toEqual([1, 2])
  })
})
