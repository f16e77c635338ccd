import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { fnvHash, fnvRemainder } from '../../../../benchmarks/workloads/fnv-hash.ts'
import {
  latest,
  SCRAMBLED_RANKS,
  SCRAMBLED_ZETA,
  scrambledZipfian,
  zeta,
  zipfian,
  ZIPFIAN_CONSTANT,
} from '../../../../benchmarks/workloads/zipfian.ts'

const DRAWS = 100_000
/** The deviation that a share of so many draws exceeds less than once in a billion times. */
const SIGMAS = 6

function counted(draw: () => number): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (let i = 0; i < DRAWS; i++) {
    const key = draw()
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

function expectShare(count: number | undefined, share: number): void {
  const toleratedShare = SIGMAS * Math.sqrt((share * (1 - share)) / DRAWS)
  expect(Math.abs((count ?? 0) / DRAWS - share)).toBeLessThan(toleratedShare)
}

describe('zeta', () => {
  it('sums what it is defined to sum', () => {
    expect(zeta(1, 0.99)).toBe(1)
    expect(zeta(3, 0.5)).toBeCloseTo(1 + 1 / Math.SQRT2 + 1 / Math.sqrt(3), 12)
  })

  it('goes on from a sum that is known', () => {
    expect(zeta(1000, 0.99, 400, zeta(400, 0.99))).toBeCloseTo(zeta(1000, 0.99), 10)
  })

  it('comes to the sum of ten billion terms that scrambled choices are made with', () => {
    // Euler and Maclaurin: the terms behind the first n, to 1e-10.
    const n = 10_000
    const tail = (end: number): number =>
      end ** (1 - ZIPFIAN_CONSTANT) / (1 - ZIPFIAN_CONSTANT) + end ** -ZIPFIAN_CONSTANT / 2
    const sum = zeta(n, ZIPFIAN_CONSTANT) + tail(SCRAMBLED_RANKS) - tail(n)
    expect(sum).toBeCloseTo(SCRAMBLED_ZETA, 6)
  })
})

describe('zipfian', () => {
  it('draws the most frequent ranks as often as the distribution says', () => {
    const counts = counted(zipfian(seededRandom(1), { items: 1000 }))
    const sum = zeta(1000, ZIPFIAN_CONSTANT)
    expectShare(counts.get(0), 1 / sum)
    expectShare(counts.get(1), 1 / 2 ** ZIPFIAN_CONSTANT / sum)
  })

  it('draws the upper half as often as the distribution says, to a hundredth', () => {
    const counts = counted(zipfian(seededRandom(2), { items: 1000 }))
    let above = 0
    for (const [rank, count] of counts) if (rank >= 500) above += count
    const share = 1 - zeta(500, ZIPFIAN_CONSTANT) / zeta(1000, ZIPFIAN_CONSTANT)
    expect(Math.abs(above / DRAWS - share)).toBeLessThan(0.01)
  })

  it.each([1, 2, 3, 10])('stays within %i items', (items) => {
    const counts = counted(zipfian(seededRandom(3), { items }))
    expect([...counts.keys()].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: items }, (_, i) => i),
    )
  })

  it('draws from a key space that has grown as from one that was as large from the start', () => {
    const grown = zipfian(seededRandom(4), { items: 10 })
    const large = zipfian(seededRandom(4), { items: 1000 })
    const draws = Array.from({ length: 1000 }, () => [grown(1000), large(1000)])
    for (const [a, b] of draws) expect(a).toBe(b)
    expect(Math.max(...draws.map(([a]) => a as number))).toBeGreaterThan(500)
  })

  it('repeats itself for a seed, and differs for another', () => {
    const first = (seed: number): number[] => {
      const draw = zipfian(seededRandom(seed), { items: 1000 })
      return Array.from({ length: 50 }, () => draw())
    }
    expect(first(5)).toEqual(first(5))
    expect(first(5)).not.toEqual(first(6))
  })
})

describe('scrambledZipfian', () => {
  const KEYS = 1000
  const hot = Number(fnvHash(0) % BigInt(KEYS))

  it('chooses the most popular key as often as its ranks are drawn', () => {
    const counts = counted(scrambledZipfian(seededRandom(7), KEYS))
    const [most] = [...counts].toSorted(([, a], [, b]) => b - a)
    expect(most?.[0]).toBe(hot)
    // Its own rank, the other first ranks that are hashed to it, and one in a thousand of the rest.
    const first = 10_000
    let share = 0
    for (let rank = 0; rank < first; rank++) {
      if (Number(fnvHash(rank) % BigInt(KEYS)) === hot) share += 1 / (rank + 1) ** ZIPFIAN_CONSTANT
    }
    share += (SCRAMBLED_ZETA - zeta(first, ZIPFIAN_CONSTANT)) / KEYS
    expectShare(counts.get(hot), share / SCRAMBLED_ZETA)
  })

  it('chooses every key, none out of bounds, and not the neighbors of the popular ones', () => {
    const counts = counted(scrambledZipfian(seededRandom(8), KEYS))
    expect(counts.size).toBe(KEYS)
    expect(Math.min(...counts.keys())).toBe(0)
    expect(Math.max(...counts.keys())).toBe(KEYS - 1)
    const popular = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, 10)
    const spread = popular.map(([key]) => key).toSorted((a, b) => a - b)
    expect((spread.at(-1) as number) - (spread[0] as number)).toBeGreaterThan(KEYS / 4)
  })

  it('keeps the popular key when keys are added, and then chooses the new ones, too', () => {
    let count = KEYS
    const capacity = KEYS + 200
    const popular = Number(fnvHash(0) % BigInt(capacity))
    const draw = scrambledZipfian(seededRandom(9), capacity, () => count)
    const before = counted(draw)
    expect(Math.max(...before.keys())).toBeLessThan(KEYS)
    count = capacity
    const after = counted(draw)
    expect(after.size).toBe(capacity)
    const top = (counts: ReadonlyMap<number, number>): number | undefined =>
      [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0]
    expect(top(after)).toBe(popular)
    if (popular < KEYS) expect(top(before)).toBe(popular)
  })
})

describe('latest', () => {
  it('chooses the newest key most, and goes on to newer ones', () => {
    let count = 1000
    const draw = latest(seededRandom(10), () => count)
    const before = counted(draw)
    expectShare(before.get(999), 1 / zeta(1000, ZIPFIAN_CONSTANT))
    count = 1001
    const after = counted(draw)
    expectShare(after.get(1000), 1 / zeta(1001, ZIPFIAN_CONSTANT))
    expect(Math.max(...after.keys())).toBe(1000)
    expect(Math.min(...after.keys())).toBeGreaterThanOrEqual(0)
  })
})

describe('fnvHash', () => {
  /** By the definition, over eight bytes from the lowest. */
  function byDefinition(value: number): bigint {
    let hash = 0xcbf29ce484222325n
    for (let i = 0n; i < 8n; i++) {
      hash = BigInt.asUintN(64, (hash ^ ((BigInt(value) >> (8n * i)) & 0xffn)) * 0x100000001b3n)
    }
    const signed = BigInt.asIntN(64, hash)
    return signed < 0n ? -signed : signed
  }

  it('is FNV-1a, also of numbers beyond 32 bits', () => {
    const numbers = [0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 9_999_999_999, 2 ** 53 - 1]
    for (const number of numbers) expect(fnvHash(number)).toBe(byDefinition(number))
    for (let i = 0; i < 1000; i++) expect(fnvHash(i)).toBe(byDefinition(i))
  })

  it('gives remainders', () => {
    for (const divisor of [1, 2, 10, 1000, 1010, 2 ** 20]) {
      for (let i = 0; i < 200; i++) {
        expect(BigInt(fnvRemainder(i, divisor))).toBe(fnvHash(i) % BigInt(divisor))
      }
    }
  })
})
