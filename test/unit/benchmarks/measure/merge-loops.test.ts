import { describe, expect, test } from 'vitest'
import type { CallReport, LoopResult } from '../../../../benchmarks/measure/loop.ts'
import { interleave, mergeLoops } from '../../../../benchmarks/measure/merge-loops.ts'
import { runLoop } from '../../../../benchmarks/measure/run-loop.ts'
import { summarize } from '../../../../benchmarks/measure/summarize.ts'
import { Tally } from '../../../../benchmarks/measure/tally.ts'
import { SimulatedTime } from './simulated-time.ts'

/** A call that takes 1 to 90 ms, tells its staleness, is sent twice at times, and fails at times. */
function varied(time: SimulatedTime, from: number): (index: number) => Promise<CallReport> {
  return async (index) => {
    const i = from + index
    await time.arrival(1 + ((i * 37) % 90))
    if (i % 25 === 0) throw new RangeError('Now and then.')
    return { level: i % 2 === 0 ? 'strong' : 'stale', stalenessMs: i % 100, attempts: 1 + (i % 2) }
  }
}

/** Calls `from` to below `to`, ten milliseconds apart. */
function callsOf(from: number, to: number): Promise<LoopResult> {
  const time = new SimulatedTime()
  return time.run(
    runLoop({
      operation: varied(time, from),
      load: { loop: 'open', rateOpsPerSecond: 100 },
      warmupMs: 0,
      durationMs: 10 * (to - from),
      seed: 3,
      time,
      // Latencies to the microsecond are the same, wherever in the run a call was made.
      maxOutstanding: 1000,
    }),
  )
}

describe('merged results', () => {
  test('say what one loop of all calls says', async () => {
    const parts = await Promise.all([callsOf(0, 300), callsOf(300, 700), callsOf(700, 1200)])
    const merged = mergeLoops(parts)
    const whole = await callsOf(0, 1200)
    const { attempted, succeeded, failed, retried, errors, levels, n } = whole
    expect(merged).toMatchObject({ attempted, succeeded, failed, retried, errors, levels, n })
    expect(merged).toMatchObject({
      attempted: 1200,
      loop: 'open',
      rateOpsPerSecond: 100,
      durationMs: 12_000,
      callsMade: 1200,
      stalenessP95Ms: whole.stalenessP95Ms,
    })
    for (const quantile of ['p50Ms', 'p95Ms', 'p99Ms'] as const) {
      expect(whole[quantile]).not.toBeNull()
      expect(merged[quantile]).toBeCloseTo(whole[quantile] ?? NaN, 0)
    }
    expect(merged.repetitionP95Ms).toEqual(parts.map(({ p95Ms }) => p95Ms))
    expect(parts.every(({ p95Ms }) => p95Ms !== null)).toBe(true)
  })

  test('of the same latencies are the same to the bit, those beyond a minute too', () => {
    const one = (latenciesMs: readonly number[]): LoopResult => {
      const tally = new Tally()
      for (const latencyMs of latenciesMs) {
        tally.attempt(latencyMs % 2)
        tally.succeed({ stalenessMs: latencyMs / 3 }, latencyMs)
      }
      const load = { loop: 'open', rateOpsPerSecond: 100, concurrency: 5 } as const
      const durationMs = 10 * latenciesMs.length
      const callsMade = latenciesMs.length
      return summarize(tally.recording({ ...load, durationMs, callsMade, sharesThread: false }))
    }
    const all = Array.from({ length: 3000 }, (_, i) => ((i * 7919) % 90_000) + i / 1000)
    const whole = one(all)
    expect(whole.p99Ms).toBeGreaterThan(80_000)
    const parts = [all.slice(0, 1100), all.slice(1100, 1101), all.slice(1101)].map(one)
    const { repetitionP95Ms, ...merged } = mergeLoops(parts)
    expect(merged).toEqual(whole)
    expect(repetitionP95Ms).toEqual([parts[0]?.p95Ms, null, parts[2]?.p95Ms])
  })

  test('have quantiles that no repetition had enough calls for', async () => {
    const parts = await Promise.all([callsOf(0, 150), callsOf(150, 300)])
    expect(parts.map(({ p95Ms }) => p95Ms)).toEqual([null, null])
    expect(mergeLoops(parts).p95Ms).not.toBeNull()
  })

  test('are judged for lateness as a whole', async () => {
    const parts = await Promise.all([callsOf(0, 300), callsOf(300, 600)])
    const lateOf = async (lateCalls: number): Promise<LoopResult> => {
      const time = new SimulatedTime()
      // So much later than a call was due, and with it those that follow.
      time.stall(1000, 10 * lateCalls)
      const load = { loop: 'open', rateOpsPerSecond: 100 } as const
      const operation = varied(time, 600)
      return time.run(runLoop({ operation, load, warmupMs: 0, durationMs: 3000, time, seed: 3 }))
    }
    const [few, many] = [await lateOf(25), await lateOf(120)]
    expect([few, many].map(({ generator }) => generator.isLate)).toEqual([true, true])
    expect(mergeLoops([...parts, few]).generator.isLate).toBe(false)
    expect(mergeLoops([...parts, few]).p95Ms).not.toBeNull()
    const late = mergeLoops([...parts, many])
    expect(late).toMatchObject({
      generator: { isLate: true },
      p50Ms: null,
      p95Ms: null,
      p99Ms: null,
    })
    expect(late.repetitionP95Ms).toEqual([parts[0].p95Ms, parts[1].p95Ms, null])
  })

  test('of results without histograms of lateness take the latest', async () => {
    const [first, second] = await Promise.all([callsOf(0, 300), callsOf(300, 600)])
    const { encodedLateness: _, ...bare } = first
    const late = { ...bare, generator: { lateP95Ms: 90, lateP50Ms: 90, isLate: true } }
    expect(mergeLoops([late, second])).toMatchObject({ generator: { isLate: true }, p95Ms: null })
  })

  test('of the closed loop have the rate of all their time', async () => {
    const first = await callsOf(0, 50)
    const closed = (rateOpsPerSecond: number, durationMs: number): LoopResult => {
      const { encodedLateness: _, ...rest } = first
      return { ...rest, loop: 'closed', rateOpsPerSecond, durationMs, concurrency: 4 }
    }
    expect(mergeLoops([closed(100, 1000), closed(400, 3000)])).toMatchObject({
      rateOpsPerSecond: 325,
      durationMs: 4000,
      concurrency: 4,
    })
  })

  test('cannot be made of nothing, or of loops of both kinds', async () => {
    const open = await callsOf(0, 50)
    const refusal = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    expect(() => mergeLoops([])).toThrow(refusal)
    expect(() => mergeLoops([open, { ...open, loop: 'closed' }])).toThrow(refusal)
  })
})

describe('loops in turns', () => {
  test('run one after the other, each repetition in the opposite order of the one before', async () => {
    const one = await callsOf(0, 30)
    const order: string[] = []
    const [system, raw] = await interleave({
      repetitions: 3,
      turns: [
        async (repetition) => {
          order.push(`system ${repetition}`)
          await Promise.resolve()
          order.push(`system ${repetition} done`)
          return [one, { ...one, retried: 1 }]
        },
        async (repetition) => {
          order.push(`raw ${repetition}`)
          return { ...one, retried: repetition }
        },
      ],
    })
    expect(order).toEqual([
      ...['system 0', 'system 0 done', 'raw 0'],
      ...['raw 1', 'system 1', 'system 1 done'],
      ...['system 2', 'system 2 done', 'raw 2'],
    ])
    expect(system.map(({ attempted, retried }) => [attempted, retried])).toEqual([
      [90, 3 * one.retried],
      [90, 3],
    ])
    expect(raw).toMatchObject({ attempted: 90, retried: 3 })
  })

  test('end with the first that fails', async () => {
    const turns = [async () => Promise.reject(new RangeError('No.'))]
    await expect(interleave({ repetitions: 2, turns })).rejects.toThrow('No.')
  })

  test('need a repetition, and as many results each time', async () => {
    const one = await callsOf(0, 30)
    const refusal = { code: 'INVALID_ARGUMENT' }
    const turns = [async (repetition: number) => (repetition === 0 ? [one] : [])]
    await expect(interleave({ repetitions: 0, turns })).rejects.toMatchObject(refusal)
    await expect(interleave({ repetitions: 2, turns })).rejects.toMatchObject(refusal)
  })
})
