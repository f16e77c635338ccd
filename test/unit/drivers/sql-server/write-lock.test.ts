import { expect, test } from 'vitest'
import { WriteLock, type LockHolder } from '../../../../src/drivers/sql-server/write-lock.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'

class Holder implements LockHolder {
  evictions = 0
  evict(): void {
    this.evictions++
  }
}

function setUp(): { runtime: ManualRuntime; lock: WriteLock; holders: [Holder, Holder, Holder] } {
  const runtime = new ManualRuntime()
  return {
    runtime,
    lock: new WriteLock(runtime, 5_000),
    holders: [new Holder(), new Holder(), new Holder()],
  }
}

test('writers take their turns in the order in which they asked', async () => {
  const { lock, holders } = setUp()
  const [a, b, c] = holders
  const order: string[] = []
  await lock.acquire(a)
  const second = lock.acquire(b).then(() => order.push('b'))
  const third = lock.acquire(c).then(() => order.push('c'))
  await turns()
  expect(order).toEqual([])
  lock.leave(a)
  await second
  expect(lock.isHeldBy(b)).toBe(true)
  lock.leave(b)
  await third
  expect(order).toEqual(['b', 'c'])
})

test('whoever has the lock has it at once when asking again', async () => {
  const { lock, holders } = setUp()
  await lock.acquire(holders[0])
  await lock.acquire(holders[0])
  lock.leave(holders[0])
  await lock.acquire(holders[1])
  expect(lock.isHeldBy(holders[1])).toBe(true)
})

test('a holder keeps the lock as long as nobody waits', async () => {
  const { runtime, lock, holders } = setUp()
  await lock.acquire(holders[0])
  await runtime.advance(60_000)
  expect(holders[0].evictions).toBe(0)
  expect(lock.isHeldBy(holders[0])).toBe(true)
})

test('an old holder is evicted as soon as another waits', async () => {
  const { runtime, lock, holders } = setUp()
  await lock.acquire(holders[0])
  await runtime.advance(60_000)
  const waiting = lock.acquire(holders[1])
  await runtime.advance(0)
  await waiting
  expect(holders[0].evictions).toBe(1)
  expect(lock.isHeldBy(holders[1])).toBe(true)
})

test('a holder has its full time, whenever the other began to wait', async () => {
  const { runtime, lock, holders } = setUp()
  await lock.acquire(holders[0])
  await runtime.advance(3_000)
  const waiting = lock.acquire(holders[1])
  await runtime.advance(1_999)
  expect(holders[0].evictions).toBe(0)
  await runtime.advance(1)
  await waiting
  expect(holders[0].evictions).toBe(1)
})

test('the time counts anew for the next holder', async () => {
  const { runtime, lock, holders } = setUp()
  const [a, b, c] = holders
  await lock.acquire(a)
  const second = lock.acquire(b)
  const third = lock.acquire(c)
  await runtime.advance(4_000)
  lock.leave(a)
  await second
  await runtime.advance(4_999)
  expect(b.evictions).toBe(0)
  await runtime.advance(1)
  await third
  expect([a.evictions, b.evictions, c.evictions]).toEqual([0, 1, 0])
})

test('whoever leaves the queue is told, and passed over', async () => {
  const { lock, holders } = setUp()
  const [a, b, c] = holders
  await lock.acquire(a)
  const second = lock.acquire(b)
  const third = lock.acquire(c)
  lock.leave(b)
  await expect(second).rejects.toMatchObject({ code: 'SQLITE_INTERRUPT' })
  lock.leave(a)
  await third
  expect(lock.isHeldBy(c)).toBe(true)
})
