import { expect, test } from 'vitest'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'

const { clock, random, timers } = systemRuntime

test('a timer never fires before its delay has passed', async () => {
  const early: number[] = []
  const delays = Array.from({ length: 300 }, (_, i) => (i % 97) * 0.37)
  await Promise.all(
    delays.map(async (delayMs, i) => {
      await new Promise((resolve) => setTimeout(resolve, i % 13))
      const startMs = clock.monotonicMs()
      await new Promise<void>((resolve) => {
        timers.after(delayMs, resolve)
      })
      const aheadMs = delayMs - (clock.monotonicMs() - startMs)
      if (aheadMs > 0) early.push(aheadMs)
    }),
  )
  expect(early).toEqual([])
})

test('a cancelled timer does not fire, and cancelling twice is harmless', async () => {
  let fired = 0
  const cancel = timers.after(2, () => fired++)
  cancel()
  cancel()
  const done = timers.after(1, () => fired++)
  await new Promise((resolve) => setTimeout(resolve, 15))
  done()
  expect(fired).toBe(1)
})

test('a delay beyond 2^31 ms does not fire at once', async () => {
  let hasFired = false
  const cancel = timers.after(2 ** 31 + 5, () => {
    hasFired = true
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(hasFired).toBe(false)
  cancel()
})

test('defer runs after the microtasks of the turn', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    timers.defer(() => {
      order.push('deferred')
      resolve()
    })
    queueMicrotask(() => order.push('microtask'))
    order.push('now')
  })
  expect(order).toEqual(['now', 'microtask', 'deferred'])
})

test('monotonic and boot time never go back', () => {
  for (const read of [() => clock.monotonicMs(), () => clock.bootMs()]) {
    let last = read()
    for (let i = 0; i < 10_000; i++) {
      const next = read()
      expect(next).toBeGreaterThanOrEqual(last)
      last = next
    }
  }
})

test('random bytes have their length, own their memory and do not repeat', () => {
  const seen = new Set<string>()
  for (const length of [0, 1, 4, 10, 32, 1024, 1025, 5000]) {
    const bytes = random.bytes(length)
    expect(bytes.length).toBe(length)
    expect(bytes.buffer.byteLength).toBe(length)
  }
  for (let i = 0; i < 5000; i++) seen.add(random.bytes(10).join())
  expect(seen.size).toBe(5000)
})

test('random fractions lie in [0, 1) and spread', () => {
  const tenths = new Set<number>()
  for (let i = 0; i < 1000; i++) {
    const fraction = random.fraction()
    expect(fraction).toBeGreaterThanOrEqual(0)
    expect(fraction).toBeLessThan(1)
    tenths.add(Math.floor(fraction * 10))
  }
  expect(tenths.size).toBe(10)
})
