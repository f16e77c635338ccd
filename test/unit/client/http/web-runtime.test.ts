import { expect, it, vi } from 'vitest'
import { webRuntime } from '../../../../src/client/http/web-runtime.ts'

const { clock, random, timers } = webRuntime

it('tells the time in milliseconds', () => {
  expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(1_000)
  expect(clock.monotonicMs()).toBeLessThanOrEqual(clock.monotonicMs())
  expect(clock.bootMs()).toBeGreaterThan(0)
})

it('gives random bytes in any number, and fractions below 1', () => {
  const bytes = random.bytes(150_000)
  expect(bytes).toHaveLength(150_000)
  // A stretch that was forgotten would be all zeros.
  for (const at of [0, 65_536, 131_072, 149_900]) {
    expect(bytes.subarray(at, at + 100).some((byte) => byte !== 0)).toBe(true)
  }
  const fractions = Array.from({ length: 1_000 }, () => random.fraction())
  expect(fractions.every((one) => one >= 0 && one < 1)).toBe(true)
  expect(new Set(fractions).size).toBeGreaterThan(900)
})

it('calls back after the delay, however long, unless it is cancelled', () => {
  vi.useFakeTimers()
  try {
    const called: string[] = []
    timers.after(10, () => called.push('short'))
    timers.after(2 ** 31 + 5_000, () => called.push('long'))
    timers.after(20, () => called.push('cancelled'))()
    timers.defer(() => called.push('deferred'))
    vi.advanceTimersByTime(9)
    expect(called).toEqual(['deferred'])
    vi.advanceTimersByTime(1)
    expect(called).toEqual(['deferred', 'short'])
    vi.advanceTimersByTime(2 ** 31 + 4_989)
    expect(called).toEqual(['deferred', 'short'])
    vi.advanceTimersByTime(1)
    expect(called).toEqual(['deferred', 'short', 'long'])
  } finally {
    vi.useRealTimers()
  }
})
