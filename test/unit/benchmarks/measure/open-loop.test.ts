import { expect, test } from 'vitest'
import { NO_ANSWER } from '../../../../benchmarks/measure/calls.ts'
import type { LoopOptions, LoopResult } from '../../../../benchmarks/measure/loop.ts'
import { NOT_MADE } from '../../../../benchmarks/measure/open-loop.ts'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'
import { SimulatedTime } from './simulated-time.ts'

type Options = Partial<LoopOptions> & Pick<LoopOptions, 'operation'>

/** A hundred calls a second for ten seconds, after one of warm-up. */
function openLoop(time: SimulatedTime, options: Options): Promise<LoopResult> {
  return runLoop({
    load: { loop: 'open', rateOpsPerSecond: 100 },
    warmupMs: 1000,
    durationMs: 10_000,
    seed: 7,
    time,
    ...options,
  })
}

/** A system that answers in 1 ms, and stands still for half a second from `stallAtMs` on. */
function stallingSystem(time: SimulatedTime, stallAtMs: number): () => Promise<undefined> {
  const startMs = time.nowMs()
  return async () => {
    const atMs = time.nowMs() - startMs
    const isStalled = stallAtMs <= atMs && atMs < stallAtMs + 500
    await time.arrival(isStalled ? stallAtMs + 500 - atMs + 1 : 1)
    return undefined
  }
}

test('a pause of the system is met by every call that was due in it', async () => {
  const time = new SimulatedTime()
  const found = await time.run(openLoop(time, { operation: stallingSystem(time, 5000) }))
  expect(found).toMatchObject({ attempted: 1000, succeeded: 1000, failed: 0, n: 1000 })
  // Fifty of a thousand calls were due in it, evenly: the tenth longest waited for 400 ms.
  expect(found.p99Ms).toBeGreaterThan(390)
  expect(found.p99Ms).toBeLessThan(415)
  expect(found.p50Ms).toBeLessThan(1.2)
  expect(found.concurrency).toBeGreaterThanOrEqual(49)
})

test('the same pause is hidden from p99 by a closed loop, which waits it out with one call', async () => {
  const time = new SimulatedTime()
  const found = await time.run(
    openLoop(time, {
      operation: stallingSystem(time, 5000),
      load: { loop: 'closed', concurrency: 1 },
    }),
  )
  expect(found.p99Ms).toBeLessThan(1.2)
})

test('latency counts from when a call was due, not from when the caller got to it', async () => {
  const time = new SimulatedTime()
  // The system computes in the caller's thread: once for 300 ms, in which thirty calls are due.
  const operation = async (index: number): Promise<undefined> => {
    if (index === 500) time.compute(300)
    await time.arrival(1)
    return undefined
  }
  const found = await time.run(openLoop(time, { operation, sharesThread: true }))
  expect(found).toMatchObject({ attempted: 1000, succeeded: 1000, sharesThread: true })
  expect(found.generator.isLate).toBe(false)
  expect(found.p99Ms).toBeGreaterThan(190)
  expect(found.p99Ms).toBeLessThan(225)
})

test('a call begins when it is due, within a turn of the event loop', async () => {
  const time = new SimulatedTime()
  const found = await time.run(
    openLoop(time, { operation: async () => (await time.arrival(3), undefined) }),
  )
  expect(found.generator).toEqual({
    lateP95Ms: expect.any(Number),
    lateP50Ms: expect.any(Number),
    isLate: false,
  })
  expect(found.generator.lateP95Ms).toBeLessThanOrEqual(0.06)
  expect(found.p50Ms).toBeLessThan(3.1)
})

test('of long calls the beginnings are not waited for in turns, which cost a core', async () => {
  const turnsAt = async (latencyMs: number): Promise<number> => {
    const time = new SimulatedTime()
    const operation = async (): Promise<undefined> => (await time.arrival(latencyMs), undefined)
    const found = await time.run(openLoop(time, { operation }))
    expect(found.generator.isLate).toBe(false)
    expect(found.generator.lateP95Ms).toBeLessThanOrEqual(1.1)
    return time.turns
  }
  expect(await turnsAt(80)).toBeLessThan(0.05 * (await turnsAt(5)))
})

test('a generator that is late is told, and every quantile withheld', async () => {
  const time = new SimulatedTime()
  // One second in ten the process stands still: a tenth of the calls begin late.
  for (let s = 2; s < 11; s++) time.stall(s * 1000, 120)
  const operation = async (): Promise<undefined> => (await time.arrival(1), undefined)
  const found = await time.run(openLoop(time, { operation }))
  expect(found).toMatchObject({ attempted: 1000, succeeded: 1000, n: 1000 })
  expect(found).toMatchObject({ p50Ms: null, p95Ms: null, p99Ms: null, p999Ms: null })
  expect(found.generator.isLate).toBe(true)
  expect(found.generator.lateP95Ms).toBeGreaterThan(30)
})

test('where the system shares the thread, the same lateness is latency, and nothing is withheld', async () => {
  const time = new SimulatedTime()
  for (let s = 2; s < 11; s++) time.stall(s * 1000, 120)
  const operation = async (): Promise<undefined> => (await time.arrival(1), undefined)
  const found = await time.run(openLoop(time, { operation, sharesThread: true }))
  expect(found.generator.isLate).toBe(false)
  expect(found.generator.lateP95Ms).toBeGreaterThan(30)
  expect(found.p95Ms).toBeGreaterThan(30)
  expect(found.p99Ms).toBeGreaterThan(90)
})

test('lateness within a twentieth of the median withholds nothing', async () => {
  const late = async (latencyMs: number): Promise<LoopResult> => {
    const time = new SimulatedTime()
    // Every fifth call computes in the caller's thread for longer than until the next one is due.
    const operation = async (index: number): Promise<undefined> => {
      if (index % 5 === 0) time.compute(12)
      await time.arrival(latencyMs)
      return undefined
    }
    const load = { loop: 'open', rateOpsPerSecond: 120 } as const
    return time.run(openLoop(time, { operation, load }))
  }
  const short = await late(40)
  expect(short.generator.lateP95Ms).toBeGreaterThan(2)
  expect(short).toMatchObject({ generator: { isLate: true }, p50Ms: null })
  const long = await late(400)
  expect(long.generator.lateP95Ms).toBeGreaterThan(2)
  expect(long.generator.isLate).toBe(false)
  expect(long.p50Ms).toBeGreaterThan(400)
})

test('calls that are due with too many under way are counted as failed, by name', async () => {
  const time = new SimulatedTime()
  const operation = stallingSystem(time, 5000)
  const found = await time.run(openLoop(time, { operation, maxOutstanding: 10 }))
  const refused = found.errors[NOT_MADE] ?? 0
  expect(refused).toBeGreaterThan(35)
  expect(refused).toBeLessThan(45)
  expect(found).toMatchObject({ attempted: 1000, failed: refused, succeeded: 1000 - refused })
  expect(found.concurrency).toBe(10)
  expect(found.callsMade).toBe(1100 - refused)
})

test('calls without an answer at the end are counted as failed, by name, and their answers no more', async () => {
  const time = new SimulatedTime()
  const late: (() => void)[] = []
  const operation = async (index: number): Promise<undefined> => {
    if (index % 100 === 7) await new Promise<void>((resolve) => late.push(resolve))
    else await time.arrival(1)
    return undefined
  }
  const found = await time.run(openLoop(time, { operation, drainMs: 200 }))
  expect(found).toMatchObject({ attempted: 1000, succeeded: 990, failed: 10, n: 990 })
  expect(found.errors).toEqual({ [NO_ANSWER]: 10 })
  const before = structuredClone(found)
  for (const resolve of late) resolve()
  await time.run(time.arrival(1))
  expect(found).toEqual(before)
})

test('calls under way at the end are waited for', async () => {
  const time = new SimulatedTime()
  const found = await time.run(
    openLoop(time, {
      operation: async () => (await time.arrival(3000), undefined),
      drainMs: 3500,
    }),
  )
  expect(found).toMatchObject({ attempted: 1000, succeeded: 1000, failed: 0 })
  expect(found.p50Ms).toBeGreaterThanOrEqual(3000)
})

test('calls of the warm-up are made and not counted', async () => {
  const time = new SimulatedTime()
  const made: number[] = []
  const operation = async (index: number): Promise<undefined> => {
    made.push(index)
    await time.arrival(index < 100 ? 50 : 1)
    return undefined
  }
  const found = await time.run(openLoop(time, { operation }))
  expect(made).toEqual(Array.from({ length: 1100 }, (_, i) => i))
  expect(found).toMatchObject({ attempted: 1000, n: 1000, callsMade: 1100 })
  expect(found.p999Ms).toBeNull()
  expect(found.p99Ms).toBeLessThan(3)
})

test('a latency that the call tells takes the place of the one that was measured', async () => {
  const time = new SimulatedTime()
  const operation = async (): Promise<{ latencyMs: number }> => (
    await time.arrival(1),
    { latencyMs: 70 }
  )
  const found = await time.run(openLoop(time, { operation }))
  expect(found.p50Ms).toBeCloseTo(70, 0)
})

test('a rate that the machine cannot generate is refused before the first call', async () => {
  // Eight calls a turn of 1 ms: eight thousand a second, half of them for what is called.
  const time = new SimulatedTime(1)
  let calls = 0
  const operation = async (): Promise<undefined> => (calls++, undefined)
  const run = openLoop(time, { operation, load: { loop: 'open', rateOpsPerSecond: 6000 } })
  await expect(time.run(run)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('This machine can generate 4'),
    details: { rateOpsPerSecond: 6000, possibleOpsPerSecond: expect.any(Number) },
    fix: expect.stringContaining('lower rate'),
  })
  expect(calls).toBe(0)
  const slower = openLoop(time, {
    operation,
    load: { loop: 'open', rateOpsPerSecond: 2000 },
    durationMs: 500,
  })
  expect(await time.run(slower)).toMatchObject({ attempted: 1000, succeeded: 1000 })
})

test('a machine that stood still during one calibration is tried again', async () => {
  const time = new SimulatedTime(1)
  time.stall(0.5, 3000)
  const operation = async (): Promise<undefined> => undefined
  const load = { loop: 'open', rateOpsPerSecond: 2000 } as const
  expect(await time.run(openLoop(time, { operation, load, durationMs: 100 }))).toMatchObject({
    attempted: 200,
  })
})

test('a signal ends it at once, and what is under way is left to itself', async () => {
  const time = new SimulatedTime()
  const abort = new AbortController()
  let made = 0
  const operation = async (): Promise<undefined> => {
    if (++made === 300) abort.abort(new Error('stop'))
    await time.arrival(5000)
    throw new Error('nobody listens any more')
  }
  const startMs = time.nowMs()
  const run = openLoop(time, { operation, signal: abort.signal })
  await expect(time.run(run)).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(made).toBe(300)
  expect(time.nowMs() - startMs).toBeLessThan(3100)
  await time.run(time.arrival(6000))
  await expect(openLoop(time, { operation, signal: abort.signal })).rejects.toMatchObject({
    code: 'CANCELLED',
  })
  expect(made).toBe(300)
})

test.each([
  { load: { loop: 'open', rateOpsPerSecond: 0 } },
  { load: { loop: 'open', rateOpsPerSecond: Number.NaN } },
  { load: { loop: 'open', rateOpsPerSecond: Infinity } },
  { load: { loop: 'closed', concurrency: 0 } },
  { load: { loop: 'closed', concurrency: 1.5 } },
  { durationMs: 0 },
  { warmupMs: -1 },
  { maxOutstanding: 0 },
  { drainMs: -1 },
] as const)('%j is refused', async (options) => {
  const operation = async (): Promise<undefined> => undefined
  const run = openLoop(new SimulatedTime(), { operation, ...options })
  await expect(run).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
