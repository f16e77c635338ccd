/** Compares this node's clock with other regions', and refuses records that would carry a wrong one. */
import { MeridianError } from '../../../src/core/errors.ts'
import type { Clock, Runtime } from '../../../src/core/ports/runtime.ts'
import type { Channel, Transport } from '../../../src/core/ports/transport.ts'
import { decodeClockAsk, encodeClockAnswer } from './clock-messages.ts'
import { PeerAsker } from './peer-asker.ts'
import type { StrongFaults } from '../faults.ts'
import { PeerClocks, type ClockVerdict } from './peer-clocks.ts'

/** What a monitor is made of. */
export interface ClockMonitorOptions {
  /** The regions to compare with: those that have other clocks. */
  readonly peers: readonly string[]
  /** All regions of the configuration. */
  readonly regionCount: number
  /** ε: how far from the others a clock may be. */
  readonly maxSkewMs: number
  readonly transport: Transport
  readonly runtime: Runtime
  /** Told when the node falls out of step, and when it is in step again. */
  readonly onChange?: (verdict: ClockVerdict) => void
  /** Default 2,000. */
  readonly intervalMs?: number
  /** Test-only. */
  readonly faults?: StrongFaults
}

/** A node's clock beside the others'. */
export interface ClockStatus extends ClockVerdict {
  readonly maxSkewMs: number
}

const INTERVAL_MS = 2_000
/** How long a node that starts waits for the first answers. */
const FIRST_ROUND_MS = 1_000

export class ClockMonitor {
  readonly #options: ClockMonitorOptions
  readonly #clocks: PeerClocks
  readonly #askers: readonly PeerAsker[]
  readonly #unasked: Set<string>
  #onFirstRound: () => void = () => undefined
  readonly #firstRound: Promise<void>
  #wasInStep = true

  constructor(options: ClockMonitorOptions) {
    const { peers, transport, runtime, intervalMs = INTERVAL_MS } = options
    this.#options = options
    this.#clocks = new PeerClocks(options)
    this.#unasked = new Set(peers)
    this.#firstRound = new Promise((resolve) => {
      this.#onFirstRound = resolve
    })
    this.#askers = peers.map(
      (peer) =>
        new PeerAsker({
          peer,
          transport,
          runtime,
          intervalMs,
          onAsked: (reading) => {
            if (reading !== undefined) this.#clocks.observe(peer, reading, this.#own())
            this.#unasked.delete(peer)
            if (this.#unasked.size === 0) this.#onFirstRound()
            this.#judge()
          },
        }),
    )
    if (peers.length === 0) this.#onFirstRound()
    else runtime.timers.after(FIRST_ROUND_MS, () => this.#onFirstRound())
  }

  /** Resolves once every peer was asked for its clock once, answered or not; after 1 s at the latest. */
  firstRound(): Promise<void> {
    return this.#firstRound
  }

  /**
   * Call it where a record is stamped.
   *
   * @throws MeridianError `CLOCK_SKEW` (retry `safe`: nothing was sent) while this node's clock is too
   * far from those of most regions
   */
  requireInStep(): void {
    const verdict = this.#judge()
    if (!verdict.isInStep) throw skewed(verdict, this.#options.maxSkewMs)
  }

  status(): ClockStatus {
    return { ...this.#clocks.verdict(this.#own()), maxSkewMs: this.#options.maxSkewMs }
  }

  stop(): void {
    for (const asker of this.#askers) asker.stop()
    this.#onFirstRound()
  }

  #own(): { readonly wallMs: number; readonly bootMs: number } {
    const { clock } = this.#options.runtime
    return { wallMs: clock.nowMs(), bootMs: clock.bootMs() }
  }

  #judge(): ClockVerdict {
    const verdict = this.#clocks.verdict(this.#own())
    if (verdict.isInStep !== this.#wasInStep) {
      this.#wasInStep = verdict.isInStep
      this.#options.onChange?.(verdict)
    }
    return verdict
  }
}

/** Answers a node that asks for this one's clock, which is no secret. */
export function tellClock(channel: Channel, clock: Pick<Clock, 'nowMs'>): void {
  channel.onMessage((bytes) => {
    try {
      channel.send(encodeClockAnswer({ id: decodeClockAsk(bytes), wallMs: clock.nowMs() }))
    } catch {
      channel.close()
    }
  })
}

function skewed(verdict: ClockVerdict, maxSkewMs: number): MeridianError {
  const offsetMs = Math.round(verdict.offsetMs ?? 0)
  const uncertaintyMs = Math.ceil(verdict.uncertaintyMs ?? 0)
  const where = offsetMs > 0 ? 'ahead of' : 'behind'
  return new MeridianError(
    'CLOCK_SKEW',
    `This node's clock is ${Math.abs(offsetMs)} ms (± ${uncertaintyMs}) ${where} those of most regions; ${maxSkewMs} ms are allowed. It writes nothing to strong tables.`,
    {
      retry: 'safe',
      fix: 'Set its clock by NTP: it goes on by itself. Until then write through a node of another region.',
      details: { offsetMs, uncertaintyMs, maxSkewMs, peers: verdict.peers.map((p) => p.region) },
    },
  )
}
