/** What a seed draws: places, clocks, limits, which kinds of fault there are in its run, and how often. */
import type { LogGroupLimits } from '../../../replication/strong/log-group-options.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import { SOUND, type DiskRates } from '../world/disk.ts'
import { RELIABLE, type LinkRates } from '../world/network.ts'
import { WORKS, type Mix } from './client.ts'

/** Faults that begin and end at instants. */
const EVENTS = [
  'one-way',
  'isolate',
  'log-away',
  'pause',
  'crash',
  'clock-jump',
  'clock-hour',
  'slow-spell',
] as const
export type EventKind = (typeof EVENTS)[number]

export const REGIONS = ['eu', 'us', 'ap'] as const

export interface Plan {
  readonly clients: number
  readonly thinkMs: number
  readonly mix: Mix
  readonly safetyMs: number
  readonly timeoutMs: number
  readonly maxAttempts: number
  readonly limits: Partial<LogGroupLimits>
  readonly sweepEveryMs: number
  /** Empty records that the log begins with: points where outcomes are pruned come at any time. */
  readonly prefix: number
  readonly clocks: readonly { readonly rate: number; readonly errorMs: number }[]
  /** One-way delays in ms, by `from>to`. */
  readonly delays: ReadonlyMap<string, number>
  readonly links: LinkRates
  readonly disk: DiskRates
  /** Milliseconds between two faults of the kind, on average; kinds that are missing do not occur. */
  readonly events: ReadonlyMap<EventKind, number>
  /** The region whose disk lies; the others' do not. */
  readonly liar: number
  /** Records that a region which is away may hold back; undefined: the log is not trimmed. */
  readonly maxRetainedRecords: number | undefined
  /** The region that stays down after the others are whole, while they must go on. */
  readonly lateRegion: number | undefined
  /** Clients that only read, all at one region, fast. */
  readonly readers: number
  readonly readersAt: number
  /** The share of a region's writes that share their commit with those of others. */
  readonly neighbours: number
  /** How far a clock may be from those of most regions; undefined: nobody asks. */
  readonly maxSkewMs: number | undefined
  /** How far records may be ahead of the time; undefined: any, as where nodes do not hear each other. */
  readonly mostAheadMs: number | undefined
  /** Until when each region's node is of an older release; undefined: never. */
  readonly upgradesAtMs: readonly (number | undefined)[]
}

/** Swarm testing (Groce et al., 2012): each run has some faults often, rather than all rarely. */
export function drawPlan(random: SeededRandom): Plan {
  const maybe = (max: number): number => (random.fraction() < 0.5 ? random.fraction() * max : 0)
  const between = (least: number, most: number): number =>
    least + random.fraction() * (most - least)
  const maxRetainedRecords = random.pick([undefined, 4, 8, 100_000])
  // A region that was left behind needs another that has what it reported to have.
  const mayLie = maxRetainedRecords === undefined || maxRetainedRecords > 1_000
  const fast = random.below(4 * REGIONS.length)
  const events = new Map<EventKind, number>()
  for (const kind of EVENTS) if (random.fraction() < 0.5) events.set(kind, between(1_500, 6_000))
  return {
    clients: 3 + random.below(4),
    thinkMs: random.pick([600, 1_500, 3_000]),
    mix: drawMix(random),
    safetyMs: between(11_000, 18_000),
    timeoutMs: random.pick([800, 2_000, 4_000]),
    maxAttempts: 2 + random.below(4),
    limits: {
      maxRecordsInFlight: random.pick([1, 2, 32]),
      maxCommandsPerRecord: random.pick([3, 512]),
      maxRecordsPerBatch: random.pick([1, 3, 256]),
      outcomeWindowRecords: random.pick([8, 24, 100_000]),
    },
    sweepEveryMs: between(300, 1_500),
    prefix: random.pick([0, 0, 200, 240, 250]),
    clocks: REGIONS.map((_, i) => ({
      rate: (i === fast ? 1.1 : 1) + between(-0.02, 0.02),
      errorMs: Math.floor(between(-200, 200)),
    })),
    delays: drawDelays(random),
    links: {
      ...RELIABLE,
      loss: maybe(0.1),
      duplicate: maybe(0.3),
      slow: maybe(0.2),
      slowMs: between(100, 1_500),
    },
    disk: {
      ...SOUND,
      refused: maybe(0.05),
      inDoubt: maybe(0.1),
      slow: maybe(0.1),
      slowMs: between(50, 600),
      syncMs: random.pick([2, 2, 20]),
      lieMs: mayLie ? maybe(10_000) : 0,
    },
    events,
    liar: random.below(REGIONS.length),
    maxRetainedRecords,
    // One that others are seeded from is not to be missed.
    lateRegion: mayLie && random.fraction() < 0.5 ? random.below(REGIONS.length) : undefined,
    readers: random.pick([0, 0, 3]),
    readersAt: random.below(REGIONS.length),
    neighbours: random.pick([0, 0, 0.3]),
    maxSkewMs: random.pick([undefined, 500, 10_000]),
    mostAheadMs: undefined,
    upgradesAtMs: drawUpgrades(random),
  }
}

function drawMix(random: SeededRandom): Mix {
  const weights = WORKS.map((work) => [work, random.fraction() < 0.5 ? random.fraction() : 0])
  const mix = Object.fromEntries(weights) as Mix
  return WORKS.some((work) => mix[work] > 0) ? mix : { ...mix, register: 1, list: 1 }
}

/** In most runs all nodes are of this release; in others some are upgraded, one after another. */
function drawUpgrades(random: SeededRandom): (number | undefined)[] {
  const isMixed = random.fraction() < 0.25
  return REGIONS.map(() =>
    isMixed && random.fraction() < 0.7 ? 1_000 + random.below(12_000) : undefined,
  )
}

function drawDelays(random: SeededRandom): Map<string, number> {
  const delays = new Map<string, number>()
  const places = [...REGIONS, 'log']
  for (const [i, a] of places.entries()) {
    for (const b of places.slice(i + 1)) {
      const delayMs = 5 + random.below(90)
      delays.set(`${a}>${b}`, delayMs).set(`${b}>${a}`, delayMs)
    }
  }
  // One region is beside the log's leader.
  const near = random.pick(REGIONS)
  delays.set(`${near}>log`, 1).set(`log>${near}`, 1)
  return delays
}
