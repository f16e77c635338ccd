/** What calls are charged with: what they leave behind is theirs, what an idle deployment spends is not. */
import { expect, test } from 'vitest'
import {
  lessIdle,
  settleInTime,
  spendingNotes,
  startMeter,
  unsettledCount,
} from '../../../../benchmarks/measure/spending.ts'
import type { BenchContext } from '../../../../benchmarks/step.ts'

/** A deployment whose bytes are what the test says. */
function deployment(settle: (sent: Map<string, number>) => Promise<void>): {
  readonly context: Pick<BenchContext, 'target' | 'signal'>
  readonly sent: Map<string, number>
} {
  const sent = new Map<string, number>()
  const target = {
    engines: 'embedded',
    settle: () => settle(sent),
    processes: () => [],
    crossRegionBytes: async () => new Map(sent),
  } as unknown as BenchContext['target']
  return { context: { target, signal: new AbortController().signal }, sent }
}

test('what arrives only after the calls is counted', async () => {
  let leftBehind = 0
  const { context, sent } = deployment(async (bytes) => {
    bytes.set('a/b', (bytes.get('a/b') ?? 0) + leftBehind)
    leftBehind = 0
  })
  const meter = await startMeter(context)
  sent.set('b/a', 100)
  leftBehind = 1000
  expect(await meter.read()).toEqual({ bytes: 1100, cpuMs: NaN })
})

test('what is spent without calls is not, and nothing falls below zero', () => {
  const idle = { cpuMs: 50, bytes: 1000 }
  expect(lessIdle({ cpuMs: 300, bytes: 5000, elapsedMs: 4000 }, idle)).toEqual({
    cpuMs: 100,
    bytes: 1000,
  })
  expect(lessIdle({ cpuMs: 10, bytes: 10, elapsedMs: 4000 }, idle)).toEqual({ cpuMs: 0, bytes: 0 })
  // Where the system tells nothing, nothing is known.
  expect(lessIdle({ cpuMs: NaN, bytes: 0, elapsedMs: 1 }, idle).cpuMs).toBeNaN()
})

test('a deployment that does not settle is waited for a while, and a note says so', async () => {
  const { context } = deployment(() => new Promise(() => undefined))
  expect(await settleInTime(context, 1)).toBe(false)
  expect(unsettledCount(context.target)).toBe(1)
})

test('notes tell what idle costs, of the generator, and of what had not arrived', async () => {
  let isStuck = false
  const { context } = deployment(async () => {
    if (isStuck) throw new Error('stuck')
  })
  const before = unsettledCount(context.target)
  const settled = await spendingNotes(context, { since: before })
  expect(settled).toEqual([
    expect.stringContaining('0 bytes a second'),
    expect.stringContaining('generator'),
  ])
  isStuck = true
  expect(await settleInTime(context)).toBe(false)
  expect(await spendingNotes(context, { since: before })).toEqual([
    ...settled,
    expect.stringContaining('1 times'),
  ])
})
