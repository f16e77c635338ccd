/**
 * What goes wrong in a run, and when: drawn from the seed before it begins, so that the same seed
 * plans the same faults. (What they meet depends on the machine.)
 */
import { seededRandom, type SeededRandom } from '../../../core/seeded-random.ts'

/** The kinds of fault. */
export const FAULT_KINDS = [
  'kill-node',
  'pause-node',
  'kill-etcd',
  'pause-etcd',
  'partition',
  'clock',
  'disk-full',
] as const

/** What goes wrong. */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** How a way between regions breaks; see `PartitionMode`. */
export type CutMode = 'cut' | 'blackhole'

/** A fault that is to be. */
export interface PlannedFault {
  /** From 0, in the order of their beginnings. */
  readonly number: number
  readonly kind: FaultKind
  /** Since the start of the run. */
  readonly atMs: number
  /** How long it lasts before it is healed. */
  readonly forMs: number
  /** Whose process it meets; of a partition, the region that is cut off. */
  readonly region: string
  /** Of faults of etcd: the member that leads at that moment, wherever it is. */
  readonly isLeader: boolean
  /** Of a partition: the regions that it is cut off from. Else empty. */
  readonly from: readonly string[]
  readonly mode: CutMode
  /** Of `clock`: how far it jumps. */
  readonly jumpMs: number
}

/** What is planned for. */
export interface FaultPlan {
  readonly kinds: readonly FaultKind[]
  readonly regions: readonly string[]
  readonly forMs: number
  readonly seed: number
}

const FIRST_AT_MS = 1_000
/** After the last one the run goes on for a while without. */
const LAST_CALM_MS = 500
const SHORTEST_MS = 800
const LONGEST_MS = 6_000
/** A short run has short faults, so that there is more than one. */
const LONGEST_SHARE = 0.2
const SHORTEST_GAP_MS = 300
const LONGEST_GAP_MS = 4_000
const LEADER_SHARE = 0.5
const ALL_SHARE = 0.5
const BLACKHOLE_SHARE = 0.5
/** Of several kinds, so many begin while another one lasts. */
const OVERLAP_SHARE = 0.3
const CLOCK_JUMPS_MS = [-3_600_000, -2_000, 2_000, 3_600_000]

/** The faults, in the order of their beginnings. */
export function planFaults({ kinds, regions, forMs, seed }: FaultPlan): readonly PlannedFault[] {
  const random = seededRandom(seed)
  const longestMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, forMs * LONGEST_SHARE))
  const between = (least: number, most: number): number =>
    Math.round(least + (most - least) * random.fraction())
  const planned: PlannedFault[] = []
  let round: FaultKind[] = []
  let atMs = Math.min(FIRST_AT_MS, forMs / 8)
  while (kinds.length > 0) {
    // Every kind as often as the others.
    if (round.length === 0) round = random.shuffle([...kinds])
    const kind = round.pop() as FaultKind
    const lastsMs = between(Math.min(SHORTEST_MS, longestMs), longestMs)
    if (atMs + lastsMs + LAST_CALM_MS > forMs) return planned
    planned.push({
      ...{ number: planned.length, kind, atMs: Math.round(atMs), forMs: lastsMs },
      ...draw(kind, regions, random),
    })
    const gapMs = between(SHORTEST_GAP_MS, Math.min(LONGEST_GAP_MS, longestMs))
    const isOverlapping = kinds.length > 1 && random.fraction() < OVERLAP_SHARE
    atMs += isOverlapping ? lastsMs / 2 : lastsMs + gapMs
  }
  return planned
}

type Drawn = Pick<PlannedFault, 'region' | 'isLeader' | 'from' | 'mode' | 'jumpMs'>

/** Draws the same number of times for each kind. */
function draw(kind: FaultKind, regions: readonly string[], random: SeededRandom): Drawn {
  const region = random.pick(regions)
  const isLeader = random.fraction() < LEADER_SHARE
  const others = random.shuffle(regions.filter((other) => other !== region))
  const cutFrom = random.fraction() < ALL_SHARE ? others : others.slice(0, 1)
  const mode = random.fraction() < BLACKHOLE_SHARE ? 'blackhole' : 'cut'
  const jumpMs = random.pick(CLOCK_JUMPS_MS)
  return {
    region,
    isLeader: isLeader && (kind === 'kill-etcd' || kind === 'pause-etcd'),
    from: kind === 'partition' ? cutFrom : [],
    mode,
    jumpMs: kind === 'clock' ? jumpMs : 0,
  }
}
