/**
 * How far this node's wall clock is from those of other regions' nodes, and whether it may stamp
 * records of the log (protocol rule 15). Pure: it is given readings and this node's clocks.
 *
 * A reading brackets the peer's clock between two moments of this node's boot clock, so its error is
 * half its round trip at most, however unequal its two ways are (Cristian, "Probabilistic clock
 * synchronization", 1989). What is kept is the peer's wall clock against this node's *boot* clock:
 * the wall clock of this node is compared when it is asked, so a jump of it shows at the next record
 * and not only at the next reading.
 */
import type { StrongFaults } from '../faults.ts'

/** A peer's wall clock, read while this node's boot clock went from `sentMs` to `receivedMs`. */
export interface ClockReading {
  readonly peerMs: number
  readonly sentMs: number
  readonly receivedMs: number
}

/** This node's clocks at one moment. */
export interface OwnClocks {
  readonly wallMs: number
  readonly bootMs: number
}

/** This node's clock beside that of another region. */
export interface PeerOffset {
  readonly region: string
  /** How far this node's clock is ahead of the peer's; negative: behind. */
  readonly offsetMs: number
  /** The true offset is at most so far from `offsetMs`. */
  readonly uncertaintyMs: number
}

/** What the peers say of this node's clock. */
export interface ClockVerdict {
  /** Whether records may carry this node's clock. */
  readonly isInStep: boolean
  /**
   * The median of the offsets to those who contradict, else to all who answered; null: nobody did
   * lately.
   */
  readonly offsetMs: number | null
  readonly uncertaintyMs: number | null
  readonly peers: readonly PeerOffset[]
}

/** Whom a node compares itself with. */
export interface PeerClocksOptions {
  /** All regions of the configuration, this node's too. */
  readonly regionCount: number
  /** ε: how far from the others a clock may be. */
  readonly maxSkewMs: number
  /** Test-only. */
  readonly faults?: StrongFaults
}

/** Bounds of a peer's wall clock less this node's boot clock. */
interface Bounds {
  readonly leastMs: number
  readonly mostMs: number
  readonly atMs: number
  /** This node's wall clock less its boot clock then. */
  readonly ownMs: number
}

/** Two clocks part by no more than this a second: crystals, and what NTP corrects them by. */
const MAX_DRIFT = 0.001
/** A peer that has not answered for so long says nothing any more. */
const MAX_AGE_MS = 300_000
/** Wall clocks are read in whole milliseconds. */
const GRAIN_MS = 1

export class PeerClocks {
  readonly #options: PeerClocksOptions
  readonly #bounds = new Map<string, Bounds>()

  constructor(options: PeerClocksOptions) {
    this.#options = options
  }

  /** A peer has answered. */
  observe(region: string, { peerMs, sentMs, receivedMs }: ClockReading, own: OwnClocks): void {
    const atMs = receivedMs
    const ownMs = own.wallMs - own.bootMs
    // The clocks part on the way, too.
    const partedMs = (receivedMs - sentMs) * MAX_DRIFT
    let leastMs = peerMs - receivedMs - partedMs
    let mostMs = peerMs + GRAIN_MS - sentMs + partedMs
    if (this.#options.faults?.clockRoundTripIgnored === true) mostMs = leastMs
    const before = this.#bounds.get(region)
    if (before !== undefined) {
      // Both hold, unless the peer's clock was set in between: then only the later one.
      const known = grown(before, atMs)
      const least = Math.max(leastMs, known.leastMs)
      const most = Math.min(mostMs, known.mostMs)
      if (least <= most) [leastMs, mostMs] = [least, most]
    }
    this.#bounds.set(region, { leastMs, mostMs, atMs, ownMs })
  }

  /**
   * A node is out of step when more than half of all regions have clocks that are certainly more than
   * `maxSkewMs` from its own, to the same side: when the median of all clocks is, with this node's own
   * for those that did not answer. So nobody is stopped by silence, nor by a minority: with one
   * region never; with two never, as neither knows who is wrong; with three by both others.
   */
  verdict(own: OwnClocks): ClockVerdict {
    const { regionCount, maxSkewMs, faults } = this.#options
    const peers = this.#offsets(own)
    const ahead = peers.filter((p) => p.offsetMs - p.uncertaintyMs > maxSkewMs)
    const behind = peers.filter((p) => p.offsetMs + p.uncertaintyMs < -maxSkewMs)
    const against = ahead.length >= behind.length ? ahead : behind
    const enough = faults?.clockMinoritySuffices === true ? 1 : Math.floor(regionCount / 2) + 1
    const isInStep = against.length < enough
    const median = medianOf(isInStep ? peers : against)
    return {
      isInStep,
      offsetMs: median?.offsetMs ?? null,
      uncertaintyMs: median?.uncertaintyMs ?? null,
      peers,
    }
  }

  #offsets(own: OwnClocks): PeerOffset[] {
    const isLate = this.#options.faults?.clockComparedAtReading === true
    const offsets: PeerOffset[] = []
    for (const [region, bounds] of this.#bounds) {
      if (own.bootMs - bounds.atMs > MAX_AGE_MS) continue
      const { leastMs, mostMs } = grown(bounds, own.bootMs)
      const ownMs = isLate ? bounds.ownMs : own.wallMs - own.bootMs
      offsets.push({
        region,
        offsetMs: ownMs - (leastMs + mostMs) / 2,
        uncertaintyMs: (mostMs - leastMs) / 2,
      })
    }
    return offsets
  }
}

/** The bounds later on: clocks may have parted. */
function grown(
  { leastMs, mostMs, atMs }: Bounds,
  nowMs: number,
): Pick<Bounds, 'leastMs' | 'mostMs'> {
  const partedMs = Math.max(0, nowMs - atMs) * MAX_DRIFT
  return { leastMs: leastMs - partedMs, mostMs: mostMs + partedMs }
}

/** Of an even number the one nearer to zero. */
function medianOf(peers: readonly PeerOffset[]): PeerOffset | undefined {
  const sorted = peers.toSorted((a, b) => a.offsetMs - b.offsetMs)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  if (low === undefined || high === undefined) return undefined
  return Math.abs(low.offsetMs) <= Math.abs(high.offsetMs) ? low : high
}
