/**
 * One node of several holds a region: this process stands for the role, opens the region once it has
 * it, and closes it when it loses it. Who may write is not decided here but by the store's own fence;
 * this decides who tries.
 */
import { asMeridianError, isErrorCode, MeridianError, type ErrorCode } from '../../core/errors.ts'
import type { Coordination, Leadership, RoleHolder } from '../../core/ports/coordination.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import type { SharedRegionFaults } from './faults.ts'
import { RegionGate } from './region-gate.ts'

/** What this process is to a region. */
export type LeaderState =
  | 'standing-by'
  | 'opening'
  | 'leading'
  | 'handing-over'
  /** The store does not fit this program: it stands by and does not ask for the region. */
  | 'unfit'
  | 'closed'

/** A region that is open. */
export interface OpenRegion {
  close(): Promise<void>
}

/** A request that is served here. */
export interface Inside {
  /** It is over. */
  readonly leave: () => void
  /** Whether the region surely was this process's until now. */
  readonly isHeld: () => boolean
}

/** What it works with. */
export interface RegionLeaderOptions {
  readonly region: string
  /** How others reach this process. */
  readonly url: string
  readonly coordination: Coordination
  /** Opens the region. `stepDown` gives it up: its store is another's. */
  readonly open: (stepDown: () => void) => Promise<OpenRegion>
  /** How long requests in progress may take at a handover. */
  readonly drainTimeoutMs: number
  readonly runtime: Runtime
  readonly log: Log
  readonly faults?: SharedRegionFaults | undefined
  /** Told after every change of state or holder. */
  readonly onChange: () => void
}

/** The role of the node that holds a region. */
function regionRole(region: string): string {
  return `region/${region}`
}

/** What no later attempt of this program will change. */
const UNFIT: readonly ErrorCode[] = ['SCHEMA_INCOMPATIBLE', 'STORE_NEWER', 'STORE_FOREIGN']
const FIRST_PAUSE_MS = 200
const LAST_PAUSE_MS = 5_000
/** How often a store that its last node has not left is asked for again. */
const LOCKED_PAUSE_MS = 200

/** One time that this process holds the role. */
interface Term {
  readonly leadership: Leadership
  readonly over: AbortController
}

export class RegionLeader {
  readonly #options: RegionLeaderOptions
  readonly #gate: RegionGate
  readonly #ignoresLoss: boolean
  readonly #stop = new AbortController()
  readonly #unobserve: () => void
  readonly #running: Promise<void>
  #state: LeaderState = 'standing-by'
  #sinceMs: number
  #term: Term | undefined
  #holder: RoleHolder | undefined
  #problem: MeridianError | undefined
  #handovers = 0

  constructor(options: RegionLeaderOptions) {
    this.#options = options
    this.#gate = new RegionGate(options.runtime.timers)
    this.#ignoresLoss = options.faults?.ignoreLostLease === true
    this.#sinceMs = options.runtime.clock.nowMs()
    this.#unobserve = options.coordination.observe(regionRole(options.region), (holder) => {
      this.#holder = holder
      options.onChange()
    })
    this.#running = this.#run()
  }

  /** Takes a request in, where this process holds the region. */
  enter(): Inside | undefined {
    const term = this.#term
    const leave = this.isServing() ? this.#gate.enter() : undefined
    if (leave === undefined || term === undefined) return undefined
    return { leave, isHeld: () => this.#ignoresLoss || term.leadership.isHeld() }
  }

  /** Whether requests are served here. After a pause of the process it is not for this one to say. */
  isServing(): boolean {
    const isHeld = this.#ignoresLoss || this.#term?.leadership.isHeld() === true
    return this.#state === 'leading' && isHeld
  }

  state(): LeaderState {
    return this.#state
  }

  /** Since when it is what it is, by the wall clock. */
  sinceMs(): number {
    return this.#sinceMs
  }

  /** Who holds the region, as far as this process knows. */
  holder(): RoleHolder | undefined {
    return this.#holder
  }

  /** Why the last attempt to open the region failed. */
  problem(): MeridianError | undefined {
    return this.#problem
  }

  /** How often this process has taken the region over. */
  handovers(): number {
    return this.#handovers
  }

  /**
   * Gives the region up in order: lets nobody in, waits for those inside, closes it, leaves the role
   * to the next one and stands for it no more. Who holds it then is still observed.
   */
  async handOver(): Promise<void> {
    this.#stop.abort()
    this.#term?.over.abort()
    await this.#running
    this.#become('closed')
  }

  async close(): Promise<void> {
    await this.handOver()
    this.#unobserve()
  }

  async #run(): Promise<void> {
    const { region, url, coordination, log } = this.#options
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isStopping();) {
      this.#become('standing-by')
      try {
        const leadership = await coordination.campaign(regionRole(region), url, this.#stop.signal)
        await this.#lead(leadership)
        pauseMs = FIRST_PAUSE_MS
      } catch (thrown) {
        if (this.#isStopping()) return
        const error = asMeridianError(thrown)
        this.#problem = error
        if (isErrorCode(error, ...UNFIT)) {
          log.write('error', 'region does not fit this node, which stands by', { region, error })
          this.#become('unfit')
          return
        }
        log.write('warn', 'region could not be opened', { region, error })
        await this.#pause(pauseMs, this.#stop.signal)
        pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)
      }
    }
  }

  /** Holds the region until it is lost, given up or handed over. @throws why it was not opened */
  async #lead(leadership: Leadership): Promise<void> {
    const { region: name, log } = this.#options
    const { fence } = leadership
    const term = { leadership, over: new AbortController() }
    const end = (): void => term.over.abort()
    if (!this.#ignoresLoss) leadership.lost.addEventListener('abort', end)
    if (leadership.lost.aborted || this.#isStopping()) end()
    this.#term = term
    this.#become('opening')
    try {
      const region = await this.#open(term)
      if (region === undefined) return
      log.write('info', 'region is held by this node', { region: name, fence })
      try {
        await this.#serve(term)
      } finally {
        this.#term = undefined
        // What this node does not hold any more the next one need not wait for: the store has a fence.
        if (!this.#isStopping()) await leadership.resign().catch(() => undefined)
        await region.close()
      }
      const why = leadership.lost.aborted ? 'lost' : this.#isStopping() ? 'handed over' : 'given up'
      log.write('info', 'region is not held by this node any more', { region: name, fence, why })
    } finally {
      this.#term = undefined
      leadership.lost.removeEventListener('abort', end)
      await leadership.resign().catch(() => undefined)
    }
  }

  /** `undefined`: the term was over before. A store that its last node has not left is waited for. */
  async #open({ over }: Term): Promise<OpenRegion | undefined> {
    const { region, log, open } = this.#options
    let hasWaited = false
    while (!over.signal.aborted) {
      try {
        return await open(() => over.abort())
      } catch (error) {
        if (!isErrorCode(error, 'STORE_LOCKED')) throw error
        if (!hasWaited) log.write('info', 'waiting for the store of the region', { region, error })
        hasWaited = true
        await this.#pause(LOCKED_PAUSE_MS, over.signal)
      }
    }
    return undefined
  }

  async #serve({ over }: Term): Promise<void> {
    const { region, drainTimeoutMs, log } = this.#options
    this.#problem = undefined
    this.#handovers++
    this.#gate.open()
    this.#become('leading')
    await untilAborted(over.signal)
    this.#gate.shut()
    if (!this.#isStopping()) return
    this.#become('handing-over')
    if (this.#options.faults?.cutOff === true) return
    if (await this.#gate.empty(drainTimeoutMs)) return
    log.write('warn', 'requests in progress are cut off', { region, drainTimeoutMs })
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  #become(state: LeaderState): void {
    if (state === this.#state) return
    this.#state = state
    this.#sinceMs = this.#options.runtime.clock.nowMs()
    this.#options.onChange()
  }

  #pause(delayMs: number, until: AbortSignal): Promise<void> {
    const { timers, random } = this.#options.runtime
    const stopTimer = new AbortController()
    return new Promise((resolve) => {
      const settle = (): void => {
        cancel()
        stopTimer.abort()
        resolve()
      }
      const cancel = timers.after(delayMs * (0.5 + random.fraction() / 2), settle)
      until.addEventListener('abort', settle, { once: true, signal: stopTimer.signal })
      if (until.aborted) settle()
    })
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
