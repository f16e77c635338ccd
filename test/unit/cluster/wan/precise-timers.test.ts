import { describe, expect, test } from 'vitest'
import { preciseTimers } from '../../../../src/cluster/wan/precise-timers.ts'

/** Time that stands still while timers are set, and then goes on. */
function haltedClock(): { readonly monotonicMs: () => number; readonly go: () => void } {
  let haltedAtMs: number | undefined = performance.now()
  return {
    monotonicMs: () => haltedAtMs ?? performance.now(),
    go: () => {
      haltedAtMs = undefined
    },
  }
}

describe('precise timers', () => {
  test('fire in the order in which they are due, never early', async () => {
    const clock = haltedClock()
    const timers = preciseTimers(clock)
    const startMs = clock.monotonicMs()
    const fired: { readonly delayMs: number; readonly afterMs: number }[] = []
    const delays = [7.3, 0.2, 30, 3.9, 7.1, 0, 12.5, 1.4]
    const all = delays.map(
      (delayMs) =>
        new Promise<void>((resolve) => {
          timers.after(delayMs, () => {
            fired.push({ delayMs, afterMs: performance.now() - startMs })
            resolve()
          })
        }),
    )
    clock.go()
    await Promise.all(all)
    expect(fired.map(({ delayMs }) => delayMs)).toEqual(delays.toSorted((a, b) => a - b))
    for (const { delayMs, afterMs } of fired) expect(afterMs).toBeGreaterThanOrEqual(delayMs)
  })

  test('those of one instant fire in the order in which they were set', async () => {
    const clock = haltedClock()
    const timers = preciseTimers(clock)
    const fired: number[] = []
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 50; i++) timers.after(3, () => fired.push(i))
      timers.after(5, resolve)
      clock.go()
    })
    expect(fired).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  test('one that was taken back does not fire, and one that is due sooner is not kept waiting', async () => {
    const clock = haltedClock()
    const timers = preciseTimers(clock)
    const fired: string[] = []
    const takeBack = timers.after(4, () => fired.push('taken back'))
    await new Promise<void>((resolve) => {
      timers.after(60_000, () => fired.push('late'))()
      timers.after(40, () => {
        fired.push('second')
        resolve()
      })
      timers.after(3, () => fired.push('first'))
      takeBack()
      clock.go()
    })
    expect(fired).toEqual(['first', 'second'])
  })
})
