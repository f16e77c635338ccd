/** What readings of other regions' clocks say of a node's own. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  PeerClocks,
  type PeerClocksOptions,
} from '../../../../replication/strong/clocks/peer-clocks.ts'

const WALL = 1_700_000_000_000

/** A node that started now, right on time. */
function own(bootMs: number, aheadMs = 0): { wallMs: number; bootMs: number } {
  return { wallMs: WALL + bootMs + aheadMs, bootMs }
}

function clocksOf(regionCount: number, more: Partial<PeerClocksOptions> = {}): PeerClocks {
  return new PeerClocks({ regionCount, maxSkewMs: 500, ...more })
}

/** A peer is asked at `bootMs`; its clock is `aheadMs` ahead of true time. */
function ask(
  clocks: PeerClocks,
  peer: string,
  bootMs: number,
  { aheadMs = 0, thereMs = 0, backMs = 0 } = {},
): void {
  const receivedMs = bootMs + thereMs + backMs
  const peerMs = Math.floor(WALL + bootMs + thereMs + aheadMs)
  clocks.observe(peer, { peerMs, sentMs: bootMs, receivedMs }, own(receivedMs))
}

describe('a node is out of step', () => {
  /** How many of the peers say that this node is an hour behind. */
  const isInStep = (regionCount: number, answers: number, against: number): boolean => {
    const clocks = clocksOf(regionCount)
    for (let i = 0; i < answers; i++) {
      ask(clocks, `peer${i}`, 0, { aheadMs: i < against ? 3_600_000 : 0 })
    }
    return clocks.verdict(own(10)).isInStep
  }

  it.each([
    { regions: 1, answers: 0, enough: undefined },
    { regions: 2, answers: 1, enough: undefined },
    { regions: 3, answers: 2, enough: 2 },
    { regions: 3, answers: 1, enough: undefined },
    { regions: 4, answers: 3, enough: 3 },
    { regions: 5, answers: 4, enough: 3 },
    { regions: 5, answers: 3, enough: 3 },
    { regions: 5, answers: 2, enough: undefined },
  ])('of $regions regions with $answers answers by $enough', ({ regions, answers, enough }) => {
    for (let against = 0; against <= answers; against++) {
      expect(isInStep(regions, answers, against)).toBe(against < (enough ?? Infinity))
    }
  })

  it('by those on one side of it, not by both', () => {
    const clocks = clocksOf(3)
    ask(clocks, 'a', 0, { aheadMs: 3_600_000 })
    ask(clocks, 'b', 0, { aheadMs: -3_600_000 })
    expect(clocks.verdict(own(10)).isInStep).toBe(true)
    ask(clocks, 'b', 20, { aheadMs: 3_600_000 })
    expect(clocks.verdict(own(30))).toMatchObject({ isInStep: false, peers: [{}, {}] })
  })

  it('beyond the bound only, and by how much it says', () => {
    const clocks = clocksOf(3)
    for (const peer of ['a', 'b']) ask(clocks, peer, 0, { thereMs: 5, backMs: 5 })
    expect(clocks.verdict(own(10, 490)).isInStep).toBe(true)
    const verdict = clocks.verdict(own(10, 3_600_000))
    expect(verdict.isInStep).toBe(false)
    expect(Math.abs((verdict.offsetMs ?? 0) - 3_600_000)).toBeLessThanOrEqual(
      verdict.uncertaintyMs ?? 0,
    )
    expect(verdict.uncertaintyMs).toBeLessThan(7)
    expect(clocks.verdict(own(10, -3_600_000))).toMatchObject({ isInStep: false })
  })

  it('must fail: by one alone with clockMinoritySuffices', () => {
    const clocks = clocksOf(3, { faults: { clockMinoritySuffices: true } })
    ask(clocks, 'a', 0, { aheadMs: 3_600_000 })
    ask(clocks, 'b', 0)
    expect(clocks.verdict(own(10)).isInStep).toBe(false)
  })
})

describe('a reading', () => {
  it('over a slow way says less, however unequal its two ways are', () => {
    for (const way of [{ thereMs: 4000 }, { backMs: 4000 }, { thereMs: 2000, backMs: 2000 }]) {
      const clocks = clocksOf(3)
      for (const peer of ['a', 'b']) ask(clocks, peer, 0, way)
      expect(clocks.verdict(own(4000)).isInStep).toBe(true)
    }
  })

  it('must fail: stops a node on time over a slow way with clockRoundTripIgnored', () => {
    const clocks = clocksOf(3, { faults: { clockRoundTripIgnored: true } })
    for (const peer of ['a', 'b']) ask(clocks, peer, 0, { backMs: 4000 })
    expect(clocks.verdict(own(4000)).isInStep).toBe(false)
  })

  it('narrows what earlier ones left open, until the clock is set', () => {
    const clocks = clocksOf(3)
    ask(clocks, 'a', 0, { thereMs: 1, backMs: 1 })
    ask(clocks, 'a', 1000, { thereMs: 1, backMs: 3000 })
    const [before] = clocks.verdict(own(4001)).peers
    expect(before?.uncertaintyMs).toBeLessThan(10)
    ask(clocks, 'a', 5000, { aheadMs: 60_000, thereMs: 1, backMs: 1 })
    const [after] = clocks.verdict(own(5002)).peers
    expect(after?.offsetMs).toBeCloseTo(-60_000, -1)
  })

  it('says less the older it is, and nothing after five minutes', () => {
    const clocks = clocksOf(3)
    for (const peer of ['a', 'b']) ask(clocks, peer, 0)
    expect(clocks.verdict(own(299_000, 790)).isInStep).toBe(true)
    expect(clocks.verdict(own(299_000, 810)).isInStep).toBe(false)
    expect(clocks.verdict(own(301_000, 3_600_000))).toEqual({
      isInStep: true,
      offsetMs: null,
      uncertaintyMs: null,
      peers: [],
    })
  })

  it('shows a jump of the own clock before the next one', () => {
    const clocks = clocksOf(3)
    for (const peer of ['a', 'b']) ask(clocks, peer, 0)
    expect(clocks.verdict(own(1, 3_600_000)).isInStep).toBe(false)
    expect(clocks.verdict(own(2)).isInStep).toBe(true)
  })

  it('must fail: does not with clockComparedAtReading', () => {
    const clocks = clocksOf(3, { faults: { clockComparedAtReading: true } })
    for (const peer of ['a', 'b']) ask(clocks, peer, 0)
    expect(clocks.verdict(own(1, 3_600_000)).isInStep).toBe(true)
  })
})

describe('whatever ways and clocks do', () => {
  const asks = fc.array(
    fc.record({
      peer: fc.integer({ min: 0, max: 3 }),
      waitMs: fc.integer({ min: 0, max: 20_000 }),
      thereMs: fc.integer({ min: 0, max: 3000 }),
      backMs: fc.integer({ min: 0, max: 3000 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  /** Clocks part by up to 0.04 % each. */
  const rates = fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 4, maxLength: 4 })
  const heads = fc.array(fc.integer({ min: -2000, max: 2000 }), { minLength: 4, maxLength: 4 })

  it('the true offset is within the bounds', () => {
    fc.assert(
      fc.property(asks, rates, heads, (asked, rate, head) => {
        const clocks = clocksOf(5)
        const aheadMs = (peer: number, atMs: number): number =>
          (head[peer] as number) + (atMs * (rate[peer] as number)) / 10_000
        let nowMs = 0
        for (const { peer, waitMs, thereMs, backMs } of asked) {
          nowMs += waitMs
          const at = aheadMs(peer, nowMs + thereMs)
          ask(clocks, String(peer), nowMs, { aheadMs: at, thereMs, backMs })
          nowMs += thereMs + backMs
          for (const { region, offsetMs, uncertaintyMs } of clocks.verdict(own(nowMs)).peers) {
            const trueMs = -aheadMs(Number(region), nowMs)
            expect(Math.abs(offsetMs - trueMs)).toBeLessThanOrEqual(uncertaintyMs + 1e-6)
          }
        }
      }),
    )
  })
})
