/** What raw engines are measured at is their own time, and nothing else's. */
import { expect, test } from 'vitest'
import { timedAlone } from '../../../../benchmarks/cells/raw-engines.ts'
import type { PeerOperation } from '../../../../benchmarks/peers/peer.ts'

const WORK_MS = 20

/** An operation that holds up its thread, and fails at one index. */
function blocking(failsAt = -1): PeerOperation & { readonly order: number[] } {
  const order: number[] = []
  return {
    ...{ op: 'work', origin: 'a', home: 'a', durability: 'none', networkMs: 0 },
    sharesThread: true,
    order,
    operation: async (index) => {
      order.push(index)
      const endMs = performance.now() + WORK_MS
      while (performance.now() < endMs) continue
      if (index === failsAt) throw new Error('failed')
      return undefined
    },
  }
}

test('calls at once run one after the other, and none counts what it waited for another', async () => {
  const raw = blocking()
  const { operation } = timedAlone(raw)
  const startMs = performance.now()
  const ends = await Promise.all(
    [0, 1, 2, 3].map(async (index) => {
      const report = await operation(index)
      return { latencyMs: report?.latencyMs ?? NaN, sinceStartMs: performance.now() - startMs }
    }),
  )
  expect(raw.order).toEqual([0, 1, 2, 3])
  for (const { latencyMs } of ends) expect(latencyMs).toBeGreaterThanOrEqual(WORK_MS)
  // Each would count the ones before it: the last one all four.
  const last = ends.at(-1)
  const before = ends.slice(0, -1).reduce((sum, { latencyMs }) => sum + latencyMs, 0)
  expect((last?.latencyMs ?? NaN) + before).toBeLessThanOrEqual(last?.sinceStartMs ?? NaN)
})

test('one that fails does not keep the next from running', async () => {
  const { operation } = timedAlone(blocking(0))
  const calls = [operation(0), operation(1)]
  await expect(calls[0]).rejects.toThrow('failed')
  expect((await calls[1])?.latencyMs).toBeGreaterThanOrEqual(WORK_MS)
})
