import { describe, expect, it } from 'vitest'
import { leaseOverAfterMs } from '../../../replication/strong/leases/lease-clock.ts'
import { LeaseWorld, type WorldOptions } from './lease-world.ts'

const CALM: WorldOptions = {
  seed: 0,
  phase: 2,
  driftRate: 0.001,
  mutation: {},
  heals: false,
  isCalm: true,
  encodes: false,
}
const SEEDS = Array.from({ length: 12 }, (_, seed) => seed)

interface Write {
  readonly region: number
  readonly begunMs: number
  readonly tookMs: number
}

function writesOf(world: LeaseWorld): Write[] {
  return world.run().operations.flatMap((o) => {
    if (o.kind !== 'write' || o.answer === 'unknown') return []
    return [{ region: o.region, begunMs: o.begunMs, tookMs: o.endedMs - o.begunMs }]
  })
}

/** By region: us, eu, ap. */
function medianMs(phase: 1 | 2): number[] {
  const writes = SEEDS.flatMap((seed) => writesOf(new LeaseWorld({ ...CALM, seed, phase })))
  return [0, 1, 2].map((region) => {
    const tookMs = writes.filter((write) => write.region === region).map(({ tookMs }) => tookMs)
    return tookMs.sort((a, b) => a - b)[tookMs.length >> 1] ?? Infinity
  })
}

describe('log leases make progress', () => {
  it('a dead region holds up the others for one lease at most', () => {
    const deadAtMs = 1500
    for (const seed of SEEDS) {
      const world = new LeaseWorld({ ...CALM, seed })
      world.queue.at(deadAtMs, () => world.regions[2]?.kill())
      const writes = writesOf(world).filter(({ region }) => region !== 2)
      const leaseMs = leaseOverAfterMs(world.leaseMs, CALM.driftRate)
      // Its last LEASE may have been sent at its end; the way to the log and back, and the ticks.
      const waysMs = 400
      const during = writes.filter(({ begunMs }) => begunMs >= deadAtMs)
      expect(during.length).toBeGreaterThan(10)
      expect(Math.max(...during.map(({ tookMs }) => tookMs))).toBeLessThan(leaseMs + 2 * waysMs)
      const after = writes.filter(({ begunMs }) => begunMs > deadAtMs + leaseMs + waysMs)
      expect(after.length).toBeGreaterThan(0)
      expect(Math.max(...after.map(({ tookMs }) => tookMs))).toBeLessThan(waysMs)
    }
  })

  it('a region that releases its lease first holds up nobody', () => {
    for (const seed of SEEDS) {
      const world = new LeaseWorld({ ...CALM, seed })
      world.queue.at(1500, () => world.regions[2]?.release(Infinity))
      world.queue.at(2000, () => world.regions[2]?.kill())
      const writes = writesOf(world).filter(({ region }) => region !== 2)
      expect(writes.length).toBeGreaterThan(50)
      expect(Math.max(...writes.map(({ tookMs }) => tookMs))).toBeLessThan(500)
    }
  })

  it('hints save the way back from the farthest region', () => {
    const [us = 0, eu = 0, ap = 0] = medianMs(1)
    const [usHints = 0, euHints = 0, apHints = 0] = medianMs(2)
    console.log(
      `write p50, us/eu/ap: ${[us, eu, ap].map(Math.round).join('/')} ms, with hints ` +
        `${[usHints, euHints, apHints].map(Math.round).join('/')} ms`,
    )
    // Round trips in the model: to the log and a majority 80 + 80, 80, 120 + 80; farthest 190, 120, 190.
    expect(usHints).toBeLessThan(us - 50)
    expect(euHints).toBeLessThan(eu - 50)
    expect(apHints).toBeLessThan(ap - 50)
  })
})
