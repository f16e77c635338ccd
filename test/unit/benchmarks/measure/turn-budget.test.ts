import { expect, test } from 'vitest'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'
import { TurnBudget } from '../../../../benchmarks/measure/turn-budget.ts'
import { SimulatedTime } from './simulated-time.ts'

/** Turns for `durationMs`, and waits a millisecond where it may not. Returns the time of the turns. */
async function spend(time: SimulatedTime, budget: TurnBudget, durationMs: number): Promise<number> {
  const endMs = time.nowMs() + durationMs
  let spentMs = 0
  while (time.nowMs() < endMs) {
    const startMs = time.nowMs()
    if (await budget.turn()) spentMs += time.nowMs() - startMs
    else await time.arrival(1)
  }
  return spentMs
}

test('turns take a tenth of the time, and 20 ms', async () => {
  const time = new SimulatedTime(0.02)
  const spentMs = await time.run(spend(time, new TurnBudget(time), 10_000))
  expect(spentMs).toBeGreaterThan(980)
  expect(spentMs).toBeLessThanOrEqual(1021)
})

test('what was not spent is saved up to 20 ms', async () => {
  const time = new SimulatedTime(0.02)
  const budget = new TurnBudget(time)
  await time.run(time.arrival(3_600_000))
  const spentMs = await time.run(spend(time, budget, 100))
  expect(spentMs).toBeGreaterThan(20)
  expect(spentMs).toBeLessThanOrEqual(31)
})

test('turns of several loops at once are counted once', async () => {
  const time = new SimulatedTime(0.02)
  const budget = new TurnBudget(time)
  const spent = await time.run(
    Promise.all([spend(time, budget, 10_000), spend(time, budget, 10_000)]),
  )
  for (const one of spent) expect(one).toBeGreaterThan(900)
})

test('a long turn did something else: little of it counts', async () => {
  const time = new SimulatedTime(5)
  const budget = new TurnBudget(time)
  expect(await time.run(spend(time, budget, 1000))).toBe(1000)
})

test('a loop whose calls are due too often for turns begins them by timers, late by a millisecond', async () => {
  const time = new SimulatedTime(0.02)
  const operation = async (): Promise<undefined> => (await time.arrival(3), undefined)
  const load = { loop: 'open', rateOpsPerSecond: 400 } as const
  const found = await time.run(
    runLoop({ operation, load, warmupMs: 0, durationMs: 10_000, seed: 5, time }),
  )
  expect(time.turns * time.turnMs).toBeLessThan(0.11 * 10_000 + 20)
  expect(found.generator.isLate).toBe(false)
  expect(found.generator.lateP95Ms).toBeGreaterThan(0.3)
  expect(found.generator.lateP95Ms).toBeLessThanOrEqual(1.1)
  // Late beginnings are part of the latency: it counts from when calls were due.
  expect(found.p95Ms).toBeGreaterThan(3.3)
})
