import { expect, test } from 'vitest'
import type { LoopOptions, LoopResult } from '../../../../benchmarks/measure/loop.ts'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'
import { SimulatedTime } from './simulated-time.ts'

type Options = Partial<LoopOptions> & Pick<LoopOptions, 'operation'>

function closedLoop(
  time: SimulatedTime,
  concurrency: number,
  options: Options,
): Promise<LoopResult> {
  const load = { loop: 'closed', concurrency } as const
  return runLoop({ load, warmupMs: 100, durationMs: 1000, time, ...options })
}

test('so many callers call again as soon as their call has ended', async () => {
  const time = new SimulatedTime(0)
  let running = 0
  let most = 0
  const operation = async (): Promise<undefined> => {
    most = Math.max(most, ++running)
    await time.arrival(10)
    running--
    return undefined
  }
  const found = await time.run(closedLoop(time, 4, { operation }))
  expect(most).toBe(4)
  expect(found).toMatchObject({ loop: 'closed', concurrency: 4, attempted: 400, succeeded: 400 })
  expect(found.rateOpsPerSecond).toBeCloseTo(400, 5)
  expect(found.p50Ms).toBeCloseTo(10, 1)
  expect(found.generator).toEqual({ lateP95Ms: null, lateP50Ms: null, isLate: false })
  expect(found.callsMade).toBe(440)
})

test('calls that began within the duration are waited for, and the rate counts that time', async () => {
  const time = new SimulatedTime(0)
  const operation = async (): Promise<undefined> => (await time.arrival(700), undefined)
  const found = await time.run(closedLoop(time, 1, { operation, warmupMs: 0 }))
  expect(found).toMatchObject({ attempted: 2, succeeded: 2, durationMs: 1400 })
  expect(found.rateOpsPerSecond).toBeCloseTo(2000 / 1400, 5)
})

test('a caller whose call never ends is given up, counted as failed', async () => {
  const time = new SimulatedTime(0)
  const operation = async (index: number): Promise<undefined> => {
    if (index === 50) await new Promise(() => undefined)
    await time.arrival(10)
    return undefined
  }
  const found = await time.run(closedLoop(time, 2, { operation, drainMs: 300 }))
  expect(found).toMatchObject({ failed: 1, errors: { NO_ANSWER: 1 }, durationMs: 1000 })
  expect(found.attempted).toBe(found.succeeded + 1)
})

test('calls that need no turn of the event loop leave turns to others', async () => {
  const time = new SimulatedTime(0.01)
  let passed = 0
  const others = async (): Promise<void> => {
    for (; passed < 50; passed++) await time.arrival(10)
  }
  const operation = async (): Promise<undefined> => (time.compute(0.2), undefined)
  void others()
  const found = await time.run(closedLoop(time, 3, { operation }))
  // They had their turns while it ran, not once it was over.
  expect(passed).toBe(50)
  expect(found.attempted).toBe(found.succeeded)
  expect(found.attempted).toBeGreaterThan(3000)
})

test('a signal ends it while calls hang', async () => {
  const time = new SimulatedTime()
  const abort = new AbortController()
  const operation = async (): Promise<undefined> => {
    await new Promise(() => undefined)
    return undefined
  }
  const run = closedLoop(time, 2, { operation, signal: abort.signal })
  void time.arrival(50).then(() => abort.abort())
  const startMs = time.nowMs()
  await expect(time.run(run)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(time.nowMs() - startMs).toBeLessThan(60)
})
