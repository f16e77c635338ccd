import { describe, expect, test } from 'vitest'
import { Way, type Impairment } from '../../../../src/cluster/wan/way.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

interface World {
  readonly way: Way
  readonly pass: (ms: number) => void
}

function openWay(impairment: Impairment, seed = 1): World {
  let nowMs = 1000
  const way = new Way({
    oneWayMs: 40,
    clock: { monotonicMs: () => nowMs },
    random: seededRandom(seed),
  })
  way.impair(impairment)
  return {
    way,
    pass: (ms) => {
      nowMs += ms
    },
  }
}

describe('a way between regions', () => {
  test('takes its time for any number of bytes where nothing impairs it', () => {
    const { way } = openWay({})
    expect([way.takeMs(0), way.takeMs(1e9), way.takeMs(1)]).toEqual([40, 40, 40])
  })

  test('with jitter takes up to so much longer, the same for the same seed', () => {
    const drawn = (seed: number): readonly number[] => {
      const { way } = openWay({ jitterMs: 20 }, seed)
      return Array.from({ length: 1000 }, () => way.takeMs(1))
    }
    const [first, again, other] = [drawn(7), drawn(7), drawn(8)]
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
    expect(Math.min(...first)).toBeGreaterThanOrEqual(40)
    expect(Math.max(...first)).toBeLessThan(60)
    expect(Math.min(...first)).toBeLessThan(41)
    expect(Math.max(...first)).toBeGreaterThan(59)
  })

  test('carries so many bytes a second, one after the other', () => {
    const { way, pass } = openWay({ bytesPerSecond: 1000 })
    expect(way.takeMs(100)).toBe(140)
    // It waits for those before it.
    expect(way.takeMs(50)).toBe(190)
    pass(50)
    expect(way.takeMs(10)).toBe(150)
    // What was not used is not saved up.
    pass(10_000)
    expect(way.takeMs(100)).toBe(140)
  })

  test('stalls again and again, and lets out what came meanwhile at the end of it', () => {
    const { way, pass } = openWay({ stalls: { everyMs: 1000, forMs: 100 } })
    // Arrives 40 ms into the stall with which it begins.
    expect(way.takeMs(1)).toBe(100)
    pass(60)
    expect(way.takeMs(1)).toBe(40)
    pass(950)
    expect(way.takeMs(1)).toBe(90)
  })

  test('forgets what impaired it', () => {
    const { way } = openWay({ bytesPerSecond: 1, jitterMs: 10 })
    way.takeMs(1000)
    way.impair({})
    expect(way.takeMs(1000)).toBe(40)
  })

  test.each<Impairment>([
    { jitterMs: -1 },
    { bytesPerSecond: 0 },
    { stalls: { everyMs: 10, forMs: 10 } },
    { jitterMs: Number.NaN },
  ])('refuses %o', (impairment) => {
    expect(() => openWay(impairment)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
