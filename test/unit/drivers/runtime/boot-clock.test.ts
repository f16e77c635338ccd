import { expect, test } from 'vitest'
import { createBootClock } from '../../../../src/drivers/runtime/boot-clock.ts'

/** A machine whose time passes and which can be suspended. */
function machine(): {
  readonly bootMs: () => number
  readonly pass: (ms: number) => void
  readonly suspend: (ms: number) => void
  readonly setWall: (ms: number) => void
  readonly uptimeReads: () => number
} {
  let [wall, monotonic, uptime, reads] = [1_700_000_000_000, 5000, 9000, 0]
  const bootMs = createBootClock({
    wallMs: () => wall,
    monotonicMs: () => monotonic,
    uptimeMs: () => {
      reads++
      return Math.floor(uptime / 10) * 10
    },
  })
  return {
    bootMs,
    pass: (ms) => {
      wall += ms
      monotonic += ms
      uptime += ms
    },
    suspend: (ms) => {
      wall += ms
      uptime += ms
    },
    setWall: (ms) => {
      wall += ms
    },
    uptimeReads: () => reads,
  }
}

test('counts what passes while the machine runs, without asking for the uptime each time', () => {
  const { bootMs, pass, uptimeReads } = machine()
  const start = bootMs()
  for (let i = 0; i < 500; i++) {
    pass(1)
    expect(bootMs() - start).toBe(i + 1)
  }
  expect(uptimeReads()).toBe(1)
})

test('counts a suspension at the first reading after it', () => {
  const { bootMs, pass, suspend } = machine()
  const start = bootMs()
  pass(100)
  suspend(30_000)
  pass(1)
  expect(bootMs() - start).toBeGreaterThanOrEqual(30_101 - 10)
  expect(bootMs() - start).toBeLessThanOrEqual(30_101 + 10)
  suspend(200)
  expect(bootMs() - start).toBeGreaterThanOrEqual(30_301 - 20)
})

test('does not take a step of the wall clock for a suspension', () => {
  const { bootMs, pass, setWall } = machine()
  const start = bootMs()
  for (const step of [3_600_000, -7_200_000, 50]) {
    setWall(step)
    pass(7)
    bootMs()
  }
  expect(bootMs() - start).toBe(21)
})

test('finds a suspension within a second even where the wall clock hides it', () => {
  const { bootMs, pass, suspend, setWall } = machine()
  const start = bootMs()
  suspend(5000)
  setWall(-5000)
  pass(1000)
  expect(bootMs() - start).toBeGreaterThanOrEqual(6000 - 10)
})
