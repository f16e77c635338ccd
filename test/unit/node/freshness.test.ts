import { beforeEach, describe, expect, it } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import { Freshness, type Admission, type ReadScope } from '../../../src/node/freshness.ts'
import type { Positions, ReadLevel } from '../../../src/protocol/messages.ts'
import type { PositionTracker } from '../../../src/session/positions.ts'
import { ManualRuntime, turns } from '../../support/manual-runtime.ts'
import { shopTable } from '../../support/shop.ts'

/** The region `here`, which receives from `there` and `yonder`. */
class Region {
  readonly runtime = new ManualRuntime()
  readonly reached: Record<string, number> = { 'here.1': 10, 'there.1': 5 }
  readonly fresh: Record<string, number> = {}
  probes = 0
  readIndexes = 0
  readonly applied: number[] = []
  readonly waits: Positions[] = []
  readonly freshness: Freshness

  constructor() {
    const isMet = (positions: Positions): boolean =>
      Object.entries(positions).every(([source, seq]) => (this.reached[source] ?? -1) >= seq)
    const positions = {
      knownReached: isMet,
      reached: async (wanted: Positions) => isMet(wanted),
      wait: async (wanted: Positions) => {
        this.waits.push(wanted)
        return isMet(wanted)
      },
    }
    this.freshness = new Freshness({
      region: 'here',
      positions: positions as unknown as PositionTracker,
      clock: this.runtime.clock,
      timers: this.runtime.timers,
      replicas: {
        regions: ['there', 'yonder'],
        freshAsOfMs: (region) => this.fresh[region] ?? -Infinity,
        probe: () => {
          this.probes++
        },
      },
      strong: {
        readIndex: async () => {
          this.readIndexes++
          return 77
        },
        waitApplied: async (index) => {
          this.applied.push(index)
        },
        seal: () => () => undefined,
        readIndexRoundTrips: 2,
      },
    })
  }

  admit(scope: ReadScope, level: ReadLevel, positions: Positions = {}): Promise<Admission> {
    return this.freshness.admit(scope, level, { positions, nowMs: 0 }, 1_000)
  }
}

let region: Region

beforeEach(() => {
  region = new Region()
})

const pinned = (home: string): ReadScope => ({ tables: [shopTable('orders')], home })
const strong: ReadScope = { tables: [shopTable('plans')], home: undefined }
const eventual: ReadScope = { tables: [shopTable('carts')], home: 'there' }
/** A view over the pinned rows of all tenants. */
const spanning: ReadScope = { tables: [shopTable('orders')], home: undefined }

describe('a pinned read at home', () => {
  it.each(['strong', 'session', { maxStalenessMs: 1 }] as const)(
    'is fresh at %j',
    async (level) => {
      expect(await region.admit(pinned('here'), level, { 'here.1': 10, 'there.1': 99 })).toEqual({
        kind: 'serve',
        stalenessMs: 0,
        roundTrips: 0,
      })
    },
  )

  it('under a session that the store has not reached fails instead of going back', async () => {
    await expect(region.admit(pinned('here'), 'session', { 'here.1': 11 })).rejects.toMatchObject({
      code: 'SESSION_NOT_MET',
    })
  })
})

describe('a pinned read elsewhere', () => {
  it('goes home at strong', async () => {
    expect(await region.admit(pinned('there'), 'strong')).toEqual({ kind: 'forward' })
  })

  it('is served under a session whose home position is here, whatever else it has seen', async () => {
    const met = { 'there.1': 5, 'yonder.1': 99, 'here.1': 99, 'log:main': 99 }
    expect(await region.admit(pinned('there'), 'session', met)).toMatchObject({ kind: 'serve' })
    expect(await region.admit(pinned('there'), 'session', { 'there.1': 6 })).toEqual({
      kind: 'forward',
    })
  })

  it('does not take another life of the home for this one', async () => {
    expect(await region.admit(pinned('there'), 'session', { 'there.0': 1 })).toEqual({
      kind: 'forward',
    })
  })

  it('is as stale as the last probe that is applied, or goes home', async () => {
    const nowMs = region.runtime.clock.monotonicMs()
    expect(await region.admit(pinned('there'), { maxStalenessMs: 1e9 })).toEqual({
      kind: 'forward',
    })
    region.fresh['there'] = nowMs - 50
    expect(await region.admit(pinned('there'), { maxStalenessMs: 50 })).toEqual({
      kind: 'serve',
      stalenessMs: 50,
      roundTrips: 0,
    })
    expect(await region.admit(pinned('there'), { maxStalenessMs: 49 })).toEqual({ kind: 'forward' })
  })

  it('says that its staleness is unknown before the first probe', async () => {
    expect(await region.admit(pinned('there'), 'session')).toMatchObject({ stalenessMs: null })
  })
})

describe('a strong read', () => {
  it.each(['strong', { maxStalenessMs: 5 }] as const)(
    'at %j asks for the read index, and waits until it is applied',
    async (level) => {
      expect(await region.admit(strong, level)).toEqual({
        kind: 'serve',
        stalenessMs: 0,
        roundTrips: 2,
      })
      expect(region.applied).toEqual([77])
    },
  )

  it('under a session waits for its log alone', async () => {
    region.reached['log:main'] = 3
    await region.admit(strong, 'session', { 'log:main': 3, 'there.1': 99, 'log:other': 99 })
    await expect(region.admit(strong, 'session', { 'log:main': 4 })).rejects.toMatchObject({
      code: 'SESSION_NOT_MET',
    })
    expect(region.readIndexes).toBe(0)
  })
})

describe.each([
  ['an eventual read', eventual],
  ['a view over all tenants', spanning],
])('%s', (_what, scope) => {
  it('has no strong level', async () => {
    await expect(region.admit(scope, 'strong')).rejects.toMatchObject({ code: 'MODE_MISMATCH' })
  })

  it('under a session waits for every store that it has seen, and for no log', async () => {
    await region.admit(scope, 'session', { 'there.1': 5, 'here.1': 1, 'log:main': 99 })
    expect(region.waits).toEqual([])
    await expect(
      region.admit(scope, 'session', { 'there.1': 5, 'yonder.1': 1 }),
    ).rejects.toMatchObject({ code: 'SESSION_NOT_MET', retry: 'safe' })
    expect(region.waits).toEqual([{ 'there.1': 5, 'yonder.1': 1 }])
  })

  it('asks the other regions how far they are before it waits', async () => {
    await region.admit(scope, 'session', { 'yonder.1': 1 }).catch(() => undefined)
    expect(region.probes).toBe(1)
  })

  it('under a bound waits until the stalest region is fresh enough', async () => {
    const startMs = region.runtime.clock.monotonicMs()
    region.fresh['there'] = startMs
    region.fresh['yonder'] = startMs - 500
    let admission: Admission | undefined
    const running = region.admit(scope, { maxStalenessMs: 100 }).then((a) => {
      admission = a
    })
    await turns()
    await region.runtime.advance(30)
    expect(admission).toBeUndefined()
    expect(region.probes).toBe(1)
    region.fresh['yonder'] = startMs
    await region.runtime.advance(10)
    await running
    expect(admission).toEqual({ kind: 'serve', stalenessMs: 40, roundTrips: 0 })
  })

  it('under a bound that is not met fails typed when the time is over', async () => {
    const running = region.admit(scope, { maxStalenessMs: 100 }).catch((e: unknown) => e)
    await turns()
    await region.runtime.advance(1_001)
    expect(await running).toMatchObject({ code: 'STALENESS_NOT_MET' })
  })
})

describe('a stale read', () => {
  it.each([
    ['pinned', pinned('there')],
    ['strong', strong],
    ['eventual', eventual],
  ])('of %s rows is served whatever the session says', async (_mode, scope) => {
    expect(await region.admit(scope, 'stale', { 'there.1': 99, 'log:main': 99 })).toEqual({
      kind: 'serve',
      stalenessMs: null,
      roundTrips: 0,
    })
  })
})

describe('a read over several modes', () => {
  const both: ReadScope = { tables: [shopTable('orders'), shopTable('plans')], home: 'here' }

  it('promises what the weakest does, and pays for all', async () => {
    expect(await region.admit(both, 'strong')).toEqual({
      kind: 'serve',
      stalenessMs: 0,
      roundTrips: 2,
    })
    expect(await region.admit(both, 'session')).toMatchObject({ stalenessMs: null })
  })

  it('goes home when one of its tables must', async () => {
    expect(await region.admit({ ...both, home: 'there' }, 'strong')).toEqual({ kind: 'forward' })
  })

  it('fails when one of its tables cannot be read like that', async () => {
    const three = { ...both, tables: [...both.tables, shopTable('carts')] }
    await expect(region.admit(three, 'strong')).rejects.toBeInstanceOf(MeridianError)
  })
})
