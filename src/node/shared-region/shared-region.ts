/**
 * A region of this process that other nodes have, too: requests are served here while this process
 * holds it, and passed to the holder while another does. A request is passed once: who gets a passed
 * one and does not hold the region says so (421), and the node that passed it looks again.
 */
import type {
  HttpRequest,
  HttpResponse,
  MessageSocket,
  UpgradeDecision,
} from '../../core/ports/http.ts'
import { MeridianError } from '../../core/errors.ts'
import type { RoleHolder } from '../../core/ports/coordination.ts'
import type { CancelTimer } from '../../core/ports/runtime.ts'
import { PASSED_HEADER } from '../../core/wire-http.ts'
import type { HttpPasser } from '../../drivers/transport/http-passer.ts'
import { leaderCheck, type Readiness } from '../readiness.ts'
import { MAX_WAIT_MS, Passing } from './passing.ts'
import {
  RegionLeader,
  type Inside,
  type LeaderState,
  type RegionLeaderOptions,
} from './region-leader.ts'

/** What a shared region is made of. */
export interface SharedRegionOptions extends Omit<RegionLeaderOptions, 'onChange'> {
  /** The URLs of the region's nodes, by the configuration. */
  readonly nodes: readonly string[]
  readonly passer: HttpPasser
  readonly readiness: Readiness
  readonly maxWaiting: number
  /** Told of each request that another node answered. */
  readonly onPassed: () => void
}

/** How this process stands to a region, for status. */
export interface SharedRegionReport {
  readonly region: string
  readonly state: LeaderState
  /** When that began, ISO 8601. */
  readonly since: string
  /** The URL of the node that holds the region, as far as is known. */
  readonly holder: string | null
  readonly fence: number | null
  /** How often this process has taken the region over. */
  readonly handovers: number
}

/** A request for the region. */
export interface ForRegion {
  readonly request: HttpRequest
  /** Headers that it is passed with besides its own. */
  readonly headers?: Readonly<Record<string, string>>
  /** How long it may wait for a holder; asked where it must. */
  readonly limitMs?: () => number
  /** Whether it may be asked again after its answer was lost. */
  readonly isRepeatable?: boolean
}

const PROBE_INTERVAL_MS = 2_000
/** How often a request looks whether the region is open. */
const OPENING_LOOK_MS = 10
const GOING_AWAY = 1001
const STRANGER = 'holder of region is no node of the configuration: it is asked nothing'
const MISDIRECTED: HttpResponse = {
  status: 421,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: 'The region is held by another node.\n',
}

export class SharedRegion {
  readonly #options: SharedRegionOptions
  readonly #leader: RegionLeader
  readonly #passing: Passing
  /** WebSockets that are served here: they end with the region. */
  readonly #sockets = new Set<MessageSocket>()
  #cancelProbe: CancelTimer | undefined
  #isLeaving = false
  /** The last holder that is no node of the configuration, by its fence. */
  #strangerFence: number | undefined

  constructor(options: SharedRegionOptions) {
    this.#options = options
    const { open } = options
    this.#leader = new RegionLeader({
      ...options,
      open: async (stepDown) => {
        const region = await open(stepDown)
        return {
          close: () => {
            this.#closeSockets()
            return region.close()
          },
        }
      },
      // Not before it is there.
      onChange: () => queueMicrotask(() => this.#changed()),
    })
    this.#passing = new Passing({
      ...options,
      holder: () => this.#knownHolder(),
      isHere: () => this.#leader.isServing(),
    })
    this.#changed()
  }

  /** Serves the request here or has it served by the holder. @throws MeridianError */
  async request(
    wanted: ForRegion,
    body: Uint8Array,
    serve: () => Promise<HttpResponse>,
  ): Promise<HttpResponse> {
    for (;;) {
      const entered = this.#leader.enter()
      if (entered !== undefined) return inside(this.#options.region, entered, serve)
      if (this.#isPassed(wanted.request)) {
        if (await this.#opened(wanted.request.signal)) continue
        return MISDIRECTED
      }
      const answer = await this.#passing.request(this.#passed(wanted), body)
      if (answer !== undefined) return answer
    }
  }

  /** The same for a WebSocket. @throws MeridianError */
  async upgrade(
    wanted: ForRegion,
    protocols: readonly string[],
    serve: () => Promise<UpgradeDecision> | UpgradeDecision,
  ): Promise<UpgradeDecision> {
    for (;;) {
      const entered = this.#leader.enter()
      if (entered !== undefined) {
        try {
          return this.#kept(await serve())
        } finally {
          entered.leave()
        }
      }
      if (this.#isPassed(wanted.request)) {
        if (await this.#opened(wanted.request.signal)) continue
        return { kind: 'refuse', response: MISDIRECTED }
      }
      const passed = this.#passed(wanted)
      // Who opens a channel tries again by itself, and then elsewhere: a node that leaves waits not.
      const limitMs = this.#isLeaving ? 0 : passed.limitMs
      const decision = await this.#passing.upgrade({ ...passed, limitMs }, protocols)
      if (decision !== undefined) return decision
    }
  }

  report(): SharedRegionReport {
    const { region } = this.#options
    const holder = this.#leader.holder()
    return {
      region,
      state: this.#leader.state(),
      since: new Date(this.#leader.sinceMs()).toISOString(),
      holder: holder?.candidate ?? null,
      fence: holder?.fence ?? null,
      handovers: this.#leader.handovers(),
    }
  }

  /** Hands the region over where this process holds it, and goes on passing requests. */
  async handOver(): Promise<void> {
    this.#isLeaving = true
    this.#cancelProbe?.()
    await this.#leader.handOver()
  }

  /** Lets nothing wait for a holder any longer. */
  stopWaiting(): void {
    this.#passing.stopWaiting()
  }

  async close(): Promise<void> {
    await this.handOver()
    await this.#leader.close()
    this.stopWaiting()
  }

  #passed(wanted: ForRegion): Parameters<Passing['request']>[0] {
    const { request, headers = {}, limitMs, isRepeatable = false } = wanted
    return { request, headers, isRepeatable, limitMs: limitMs?.() ?? MAX_WAIT_MS }
  }

  #isPassed({ headers }: HttpRequest): boolean {
    return headers[PASSED_HEADER] !== undefined && this.#options.faults?.passAgain !== true
  }

  /** Whether this process, asked as the holder, opens the region: that is waited for. */
  async #opened(signal: AbortSignal): Promise<boolean> {
    const { timers, clock } = this.#options.runtime
    const endMs = clock.monotonicMs() + MAX_WAIT_MS
    while (this.#leader.state() === 'opening' && !signal.aborted && clock.monotonicMs() < endMs) {
      await new Promise<void>((resolve) => {
        timers.after(OPENING_LOOK_MS, resolve)
      })
    }
    return this.#leader.isServing()
  }

  /** Notes the socket of the decision, to be closed with the region. */
  #kept(decision: UpgradeDecision): UpgradeDecision {
    if (decision.kind === 'refuse') return decision
    const open = (socket: MessageSocket): void => {
      this.#sockets.add(socket)
      decision.open(watched(socket, () => this.#sockets.delete(socket)))
    }
    return { ...decision, open }
  }

  #closeSockets(): void {
    for (const socket of this.#sockets) socket.close(GOING_AWAY)
    this.#sockets.clear()
  }

  #changed(): void {
    this.#passing.changed()
    if (this.#isLeaving) return
    this.#cancelProbe?.()
    const { readiness, region } = this.#options
    const check = leaderCheck(region)
    switch (this.#leader.state()) {
      case 'leading':
        readiness.meet(check)
        break
      case 'standing-by':
        void this.#probe(check)
        break
      case 'unfit':
        readiness.wait(check, `a program that fits the store (${this.#leader.problem()?.code})`)
        break
      default:
        readiness.wait(check, 'the region to be opened here')
    }
  }

  /**
   * The holder, where it is a node of the configuration. Requests are passed with the tokens of their
   * callers, and whoever writes etcd says who holds a region.
   */
  #knownHolder(): RoleHolder | undefined {
    const holder = this.#leader.holder()
    if (holder === undefined || this.#isKnown(holder)) return holder
    if (holder.fence !== this.#strangerFence) {
      this.#strangerFence = holder.fence
      const fields = { region: this.#options.region, holder: holder.candidate }
      this.#options.log.write('error', STRANGER, fields)
    }
    return undefined
  }

  #isKnown({ candidate }: RoleHolder): boolean {
    const { nodes, faults } = this.#options
    return nodes.includes(candidate) || faults?.believeAnyHolder === true
  }

  /** A node that stands by is of use where it reaches the holder. */
  async #probe(check: string): Promise<void> {
    const { readiness, url, passer, runtime } = this.#options
    const holder = this.#leader.holder()
    const problem = this.#leader.problem()
    const why = problem === undefined ? '' : ` (${problem.code})`
    if (holder !== undefined && !this.#isKnown(holder)) {
      const who = `${holder.candidate}, which holds the region, is none`
      readiness.wait(check, `a node of the configuration: ${who}`)
    } else if (holder === undefined || holder.candidate === url) {
      readiness.wait(check, `a node to hold the region${why}`)
    } else {
      const isReached = await passer.reaches(holder.candidate)
      const isOld = this.#leader.holder()?.fence !== holder.fence
      if (this.#isLeaving || isOld || this.#leader.state() !== 'standing-by') return
      if (isReached) readiness.meet(check)
      else readiness.wait(check, `${holder.candidate}, which holds the region${why}`)
    }
    this.#cancelProbe?.()
    this.#cancelProbe = runtime.timers.after(PROBE_INTERVAL_MS, () => void this.#probe(check))
  }
}

/**
 * Runs `serve` inside the region, until the last byte of its answer. What it says counts only while
 * the lease still runs after it: in a pause of this process the region may have gone on elsewhere.
 */
async function inside(
  region: string,
  { leave, isHeld }: Inside,
  serve: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  try {
    const response = await serve()
    if (!isHeld()) throw lostMeanwhile(region)
    const { body } = response
    if (typeof body !== 'object' || !(Symbol.asyncIterator in body)) {
      leave()
      return response
    }
    return { ...response, body: until(body, leave) }
  } catch (error) {
    leave()
    throw error
  }
}

function lostMeanwhile(region: string): MeridianError {
  const problem = `Another node may hold region ${region} by now.`
  return new MeridianError('REGION_UNREACHABLE', problem, {
    fix: 'Repeat with the same idempotency key.',
    retry: 'unknown-outcome',
    details: { region },
  })
}

async function* until<T>(pieces: AsyncIterable<T>, onEnd: () => void): AsyncIterable<T> {
  try {
    yield* pieces
  } finally {
    onEnd()
  }
}

/** The socket, whose close is heard of as well. */
function watched(socket: MessageSocket, onClose: () => void): MessageSocket {
  return {
    send: (message) => socket.send(message),
    onMessage: (listener) => socket.onMessage(listener),
    onClose: (listener) =>
      socket.onClose(() => {
        onClose()
        listener()
      }),
    bufferedBytes: () => socket.bufferedBytes(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code, reason) => socket.close(code, reason),
  }
}
