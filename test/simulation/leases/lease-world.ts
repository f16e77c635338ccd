/**
 * Three regions with leases on one log, in simulated time: the real lease core over a simulated
 * store, log and network, with clients, and faults drawn from a seed. A seed replays exactly.
 */
import {
  decodeMeshMessage,
  encodeMeshMessage,
  type MeshMessage,
} from '../../../replication/strong/leases/mesh-messages.ts'
import { seededRandom, type SeededRandom } from '../../../src/core/seeded-random.ts'
import { SimClients, type Operation } from './sim-clients.ts'
import { EventQueue } from './event-queue.ts'
import type { Mutation } from './mutation.ts'
import { SimClock } from './sim-clock.ts'
import { SimLog } from './sim-log.ts'
import { between, SimNetwork } from './sim-network.ts'
import { SimRegion } from './sim-region.ts'
import { SimStore, type LogEntry } from './sim-store.ts'

export interface WorldOptions {
  readonly seed: number
  /** 1: every holder applies or is waited out; 2: hints. */
  readonly phase: 1 | 2
  /** By how much clock rates are wrong, and are allowed to be. */
  readonly driftRate: number
  readonly mutation: Mutation
  /** After the faults, a quiet time in which everything must become stable. */
  readonly heals: boolean
  /** Without faults, and without writes whose rows are known only at apply: for times. */
  readonly isCalm: boolean
  /** Messages pass their codec. */
  readonly encodes: boolean
}

export interface WorldResult {
  readonly log: readonly LogEntry[]
  readonly operations: readonly Operation[]
  /** A digest of all that happened, in order. */
  readonly traceHash: string
  readonly events: number
  readonly simulatedMs: number
  /** What did not come to rest in the quiet time; empty: all did. */
  readonly unsettled: readonly string[]
}

/** The log and the faults end here; clients stop a little before. */
const FAULTS_END_MS = 6000
const RENEWALS_PER_LEASE = 3
const TICK_MS = 30

/** What a seed has much of. */
const PROFILES = ['mixed', 'joins', 'restarts', 'restores', 'releases', 'late'] as const

export class LeaseWorld {
  readonly queue = new EventQueue()
  readonly options: WorldOptions
  readonly mutation: Mutation
  readonly random: SeededRandom
  readonly network: SimNetwork
  readonly log: SimLog
  readonly regions: readonly SimRegion[]
  readonly clients: SimClients
  readonly leaseMs: number
  /** Slow commits and slow clients. */
  readonly isStressed: boolean
  readonly #profile: (typeof PROFILES)[number]
  #databases = 0
  #hash = [0x811c9dc5, 0x01000193]

  constructor(options: WorldOptions) {
    const { seed, driftRate, isCalm } = options
    const random = seededRandom(seed * 2654435761)
    this.options = options
    this.mutation = options.mutation
    this.random = random
    this.#profile = (isCalm ? undefined : PROFILES[seed % PROFILES.length]) ?? 'mixed'
    this.leaseMs = random.pick([400, 900, 1800])
    this.isStressed = random.fraction() < 0.35
    this.network = new SimNetwork(this.queue, random, !isCalm)
    if (!isCalm) this.network.drawCuts(FAULTS_END_MS)
    const isLate = this.#profile === 'late' || this.#profile === 'releases'
    this.log = new SimLog(this.queue, random, this.network, isLate ? 0.15 : 0.04, (to, index) =>
      this.regions[to]?.visible(index),
    )
    this.regions = [0, 1, 2].map((number) => {
      const rate =
        seed % 2 === 1
          ? 1 + random.pick([-driftRate, driftRate])
          : between(random, 1 - driftRate, 1 + driftRate)
      const clock = new SimClock(() => this.queue.nowMs, rate, between(random, 0, 1e5))
      return new SimRegion(this, number, clock)
    })
    this.clients = new SimClients(this, isCalm ? 0 : random.pick([6, 6, 80]))
    this.#start()
  }

  run(): WorldResult {
    this.queue.runUntil(FAULTS_END_MS)
    let simulatedMs = FAULTS_END_MS
    const unsettled: string[] = []
    if (this.options.heals) {
      simulatedMs += this.#heal()
      unsettled.push(...this.#unsettled())
    }
    return {
      log: this.log.entries,
      operations: this.clients.operations,
      traceHash: this.#hash.map((half) => half.toString(16).padStart(8, '0')).join(''),
      events: this.queue.scheduled,
      simulatedMs,
      unsettled,
    }
  }

  /** Clients begin nothing after this. */
  get clientsEndMs(): number {
    return FAULTS_END_MS - 1500
  }

  /** A change stream shows that the log is at least here. */
  emit(index: number): void {
    if (this.random.fraction() < 0.3) this.clients.emitted(index)
  }

  overTheWire(message: MeshMessage): MeshMessage {
    return this.options.encodes ? decodeMeshMessage(encodeMeshMessage(message)) : message
  }

  /** Adds to the digest of the run. */
  trace(what: string): void {
    let [a = 0, b = 0] = this.#hash
    const text = `${this.queue.nowMs} ${what}`
    for (let i = 0; i < text.length; i++) {
      a = Math.imul(a ^ text.charCodeAt(i), 0x01000193) >>> 0
      b = Math.imul(b + text.charCodeAt(i), 0x85ebca6b) >>> 0
      b ^= b >>> 13
    }
    this.#hash = [a >>> 0, b >>> 0]
  }

  newDatabase(): string {
    this.#databases += 1
    return `db${this.#databases}`
  }

  #start(): void {
    const { random, queue } = this
    for (const region of this.regions) {
      if (this.#profile === 'joins' && region.number === 2) {
        queue.at(between(random, 600, 2200), () => this.#restore(region))
      } else {
        region.open(new SimStore(this.newDatabase()))
      }
      this.#repeat(TICK_MS, () => region.tick())
      this.#repeat(this.leaseMs / RENEWALS_PER_LEASE, () => region.renew())
    }
    if (!this.options.isCalm) this.#drawFaults()
    this.clients.start()
  }

  /** Timers of a process that is paused are due when it goes on. */
  #repeat(everyMs: number, run: () => void): void {
    const next = (): void => {
      run()
      this.queue.after(everyMs, next)
    }
    this.queue.after(between(this.random, 0, 20), next)
  }

  #drawFaults(): void {
    const { random, queue } = this
    const often = { mixed: -1, joins: -1, restarts: 0.45, restores: 0.6, releases: 0.7, late: -1 }
    for (let at = 200; at < FAULTS_END_MS; at += between(random, 40, 400)) {
      const region = this.regions[random.below(3)] as SimRegion
      let kind = random.fraction()
      const preferred = often[this.#profile]
      if (preferred >= 0 && random.fraction() < 0.35) kind = preferred
      const durationMs = between(random, 20, 700)
      queue.at(at, () => this.#fault(region, kind, durationMs))
    }
  }

  #fault(region: SimRegion, kind: number, durationMs: number): void {
    const { random, queue } = this
    if (kind < 0.4) {
      region.pausedUntilMs = Math.max(region.pausedUntilMs, queue.nowMs + durationMs)
      if (kind < 0.1) region.clock.suspend(durationMs)
      else if (kind < 0.15) region.clock.setWall(between(random, -3_600_000, 3_600_000))
    } else if (kind < 0.58) region.restart(between(random, 5, 200))
    else if (kind < 0.66) {
      if (region.process !== undefined) this.#restore(region)
    } else if (kind < 0.74) region.release(between(random, 100, 900))
    else region.takeBackup()
  }

  #restore(region: SimRegion): void {
    const { random } = this
    const stores = this.regions.flatMap(({ process }) => (process === undefined ? [] : [process]))
    const isOwn = region.backup !== undefined && random.fraction() < 0.6
    const source = isOwn ? region.backup : random.pick(stores)?.store
    if (source === undefined) return
    region.restore(source, this.newDatabase(), between(random, 5, random.pick([20, 200])))
  }

  /** No faults from here on; long enough for every lease to run out and be renewed. */
  #heal(): number {
    this.network.isFaulty = false
    for (const region of this.regions) {
      if (region.process === undefined) this.#restore(region)
    }
    const { driftRate } = this.options
    const quietMs = (this.leaseMs * (1 + driftRate)) / (1 - driftRate) ** 2 + 2500
    this.queue.runUntil(FAULTS_END_MS + quietMs)
    return quietMs
  }

  #unsettled(): string[] {
    const found: string[] = []
    // Renewals go on: the last ones may be on their way.
    const settled = this.log.entries.findLastIndex(({ kind }) => kind !== 'lease') + 1
    for (const { number, process } of this.regions) {
      const stable = process?.core.stableIndex ?? 0
      if (stable < settled) found.push(`region ${number} is stable through ${stable} of ${settled}`)
      if ((process?.core.markedTransactions ?? 0) > 0) found.push(`region ${number} keeps marks`)
    }
    const [first, ...others] = this.regions.map(({ process }) => process?.store)
    for (const other of others) {
      if (JSON.stringify(other?.rows) !== JSON.stringify(first?.rows)) found.push('rows differ')
    }
    return found
  }
}
