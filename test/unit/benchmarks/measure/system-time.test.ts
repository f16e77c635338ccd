import { expect, test } from 'vitest'
import { pause, systemTime, turn } from '../../../../benchmarks/measure/loop-time.ts'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'

test('the open loop makes every call that is due on the clock of this process', async () => {
  const operation = async (): Promise<undefined> => turn(systemTime).then(() => undefined)
  const load = { loop: 'open', rateOpsPerSecond: 500 } as const
  const found = await runLoop({ operation, load, warmupMs: 50, durationMs: 200 })
  // However busy the machine is: late calls are made too, and count from when they were due.
  expect(found).toMatchObject({ attempted: 100, succeeded: 100, n: 100, callsMade: 125 })
})

test('a rate that no machine can generate is refused', async () => {
  const load = { loop: 'open', rateOpsPerSecond: 1e9 } as const
  const operation = async (): Promise<undefined> => undefined
  await expect(runLoop({ operation, load, warmupMs: 0, durationMs: 1000 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    details: { rateOpsPerSecond: 1e9 },
  })
})

test('a closed loop ends on the clock of this process', async () => {
  const operation = async (): Promise<undefined> => undefined
  const load = { loop: 'closed', concurrency: 3 } as const
  const found = await runLoop({ operation, load, warmupMs: 0, durationMs: 60 })
  expect(found.succeeded).toBe(found.attempted)
  expect(found.attempted).toBeGreaterThanOrEqual(3)
})

test('a pause ends with its signal, and leaves nothing behind', async () => {
  const abort = new AbortController()
  const long = pause(systemTime, 3_600_000, abort.signal)
  abort.abort()
  await expect(long).resolves.toBeUndefined()
  await expect(pause(systemTime, 3_600_000, abort.signal)).resolves.toBeUndefined()
})
