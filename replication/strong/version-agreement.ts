/**
 * Raises a group's state machine, or its schema, once every configured region supports it (protocol
 * rule 13). Each region reports what it supports; whoever sees that all of them support more than is
 * active appends the control record. It is idempotent, so any number of regions may. What needs more
 * than the active version waits here, or is refused, before it is sent: an older node never gets to
 * see it.
 */
import { asMeridianError, MeridianError } from '../../src/core/errors.ts'
import { DEFAULT_DEADLINE_MS } from '../../src/core/limits.ts'
import type { MachineSupport } from '../../src/core/ports/machine-support.ts'
import type { CancelTimer, Runtime } from '../../src/core/ports/runtime.ts'
import { CONTROL_VERSION } from './control.ts'
import type { StrongFaults } from './faults.ts'
import type { CallOptions } from './log-group-options.ts'

/** Whose support is asked for. */
export interface VersionReports {
  readonly region: string
  /** All regions of the configuration, this one too. */
  readonly regions: readonly string[]
  readonly support: MachineSupport
}

/** What the regions agree on. */
export interface AgreedOn {
  /** Under this name regions report what they support. */
  readonly reportedAs: string
  /** The least version that a record can raise it to. */
  readonly least: number
  /** In texts: `version 3 of …`, with the group's name behind it. */
  readonly name: string
}

/** What an agreement is made of. */
export interface AgreementOptions {
  readonly group: string
  /** Left out: the state machine. */
  readonly on?: AgreedOn
  /** What this region supports: of its node. */
  readonly supported: number
  /** Left out where no other region follows the log. */
  readonly versions?: VersionReports
  readonly runtime: Runtime
  /** Appends the record; resolves once it is applied here. */
  readonly raise: (version: number) => Promise<void>
  /** Test-only. */
  readonly faults?: StrongFaults
}

/** What each region supports: undefined where it never said. */
type Support = ReadonlyMap<string, number | undefined>

const MACHINE = 'the state machine of log group'
const ASK_AGAIN_MS = 100
const LAST_INTERVAL_MS = 3_000
/** Intervals are shorter or longer by this share: regions do not ask in step. */
const JITTER = 0.2
/** A region that says nothing may be starting beside this one; later it counts as an older one. */
const STARTING_MS = 5_000

export class VersionAgreement {
  readonly #options: AgreementOptions
  readonly #on: AgreedOn
  readonly #openedMs: number
  #active: number
  #stopped: MeridianError | undefined
  #cancelTimer: CancelTimer | undefined
  #advancing: Promise<Support | MeridianError> | undefined
  readonly #waiting = new Set<() => void>()

  /** `active`: the group's version as the store has it. */
  constructor(options: AgreementOptions, active: number) {
    this.#options = options
    const { group } = options
    this.#on = options.on ?? { reportedAs: group, least: CONTROL_VERSION, name: MACHINE }
    this.#active = active
    this.#openedMs = options.runtime.clock.monotonicMs()
  }

  /** The version that the log has risen to. */
  active(): number {
    return this.#active
  }

  /**
   * Reports this region's version, and raises the group as soon as all regions support more. Where
   * nobody else follows the log, that is only worth it where it is behind what it was said to be.
   */
  start(): void {
    const { versions, on, supported } = this.#options
    const isBehind = on !== undefined && this.#active > 0 && this.#active < supported
    if (versions !== undefined || isBehind) void this.#follow(ASK_AGAIN_MS)
  }

  /** The store has applied a record, or a snapshot, of this version. */
  noteActive(version: number): void {
    if (version <= this.#active) return
    this.#active = version
    this.#wake()
  }

  /** Whoever waits fails with `reason`. */
  stop(reason: MeridianError): void {
    this.#stopped ??= reason
    this.#cancelTimer?.()
    this.#wake()
  }

  /**
   * Resolves once the group's version is at least `needed`, with what is left of the call's time.
   *
   * @throws MeridianError `SCHEMA_INCOMPATIBLE` (retry `safe`) naming the regions that do not
   * support it; `DEADLINE_EXCEEDED` (retry `safe`), or why the group stopped
   */
  async require(needed: number, call: CallOptions = {}): Promise<CallOptions> {
    const { clock } = this.#options.runtime
    const deadlineMs = clock.monotonicMs() + (call.timeoutMs ?? DEFAULT_DEADLINE_MS)
    let known: Support | MeridianError | undefined
    while (this.#active < needed) {
      if (this.#stopped !== undefined) throw this.#stopped
      const leftMs = deadlineMs - clock.monotonicMs()
      known = (await this.#within(this.#advance(), leftMs)) ?? known
      if (this.#active >= needed) break
      const isLate = clock.monotonicMs() >= deadlineMs
      if (known instanceof Map && (isLate || this.#isFinal(known, needed))) {
        throw this.#refusal(known, needed)
      }
      if (isLate) throw tooLate(known instanceof MeridianError ? known : undefined)
      await this.#pause(Math.min(ASK_AGAIN_MS, deadlineMs - clock.monotonicMs()))
    }
    return { timeoutMs: deadlineMs - clock.monotonicMs() }
  }

  async #follow(intervalMs: number): Promise<void> {
    const { timers, random } = this.#options.runtime
    const known = await this.#advance()
    const isOver = known instanceof Map && this.#active >= this.#options.supported
    if (isOver || this.#stopped !== undefined) return
    const share = 1 + JITTER * (2 * random.fraction() - 1)
    this.#cancelTimer = timers.after(intervalMs * share, () => {
      void this.#follow(Math.min(2 * intervalMs, LAST_INTERVAL_MS))
    })
  }

  /** Asks, and raises where all support more. Never rejects. One at a time: callers join it. */
  #advance(): Promise<Support | MeridianError> {
    this.#advancing ??= this.#askAndRaise()
      .catch((error: unknown) => asMeridianError(error))
      .finally(() => {
        this.#advancing = undefined
      })
    return this.#advancing
  }

  async #askAndRaise(): Promise<Support> {
    const support = await this.#ask()
    const version = Math.min(...Array.from(support.values(), (of) => of ?? 0))
    // Below it there is no record that could say so.
    if (version >= this.#on.least && version > this.#active && this.#stopped === undefined) {
      await this.#options.raise(version)
    }
    return support
  }

  async #ask(): Promise<Support> {
    const { supported, versions, faults } = this.#options
    if (versions === undefined || faults?.raiseWithoutAsking === true) {
      return new Map([['', supported]])
    }
    const { region, regions, support } = versions
    const { reportedAs } = this.#on
    const reported = await support.reported(reportedAs)
    // Of an earlier node of the region, or lost: others must not wait for it, nor rely on it.
    if (reported.get(region) !== supported) await support.report(reportedAs, region, supported)
    return new Map(regions.map((of) => [of, of === region ? supported : reported.get(of)]))
  }

  /** Whether waiting would not help: a region said that it is older, or had time to say anything. */
  #isFinal(support: Support, needed: number): boolean {
    const { clock } = this.#options.runtime
    const isStarting = clock.monotonicMs() - this.#openedMs < STARTING_MS
    const behind = this.#behind(support, needed).map(([, version]) => version)
    return behind.length > 0 && (!isStarting || behind.some((version) => version !== undefined))
  }

  #behind(support: Support, needed: number): [string, number | undefined][] {
    // Below the least the log cannot rise.
    const least = Math.max(needed, this.#on.least)
    return [...support].filter(([, version]) => (version ?? 0) < least)
  }

  #refusal(support: Support, needed: number): MeridianError {
    const { group } = this.#options
    const behind = this.#behind(support, needed)
    const each = behind.map(
      ([region, version]) =>
        `${region} ${version === undefined ? 'has not reported' : `has ${version}`}`,
    )
    const why = each.length === 0 ? 'the log has yet to rise to it' : each.join(', ')
    return new MeridianError(
      'SCHEMA_INCOMPATIBLE',
      `The call needs version ${needed} of ${this.#on.name} '${group}', which is at ${this.#active}: ${why}.`,
      {
        retry: 'safe',
        fix: 'It was not sent. Repeat it when the nodes of all regions are upgraded and have started.',
        details: { group, needed, active: this.#active, behind: behind.map(([region]) => region) },
      },
    )
  }

  /** Undefined when it takes longer, or there is news. */
  async #within<T>(running: Promise<T>, timeoutMs: number): Promise<T | undefined> {
    let end: () => void = () => undefined
    const over = new Promise<undefined>((resolve) => {
      end = this.#endAfter(timeoutMs, () => resolve(undefined))
    })
    const result = await Promise.race([running, over])
    end()
    return result
  }

  /** Ends early when there is news. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#endAfter(ms, resolve))
  }

  #endAfter(ms: number, onEnd: () => void): () => void {
    const end = (): void => {
      cancel()
      this.#waiting.delete(end)
      onEnd()
    }
    const cancel = this.#options.runtime.timers.after(Math.max(0, ms), end)
    this.#waiting.add(end)
    return end
  }

  #wake(): void {
    for (const end of this.#waiting) end()
  }
}

function tooLate(cause: MeridianError | undefined): MeridianError {
  const why = cause === undefined ? '' : ` ${cause.message}`
  return new MeridianError(
    'DEADLINE_EXCEEDED',
    `The log did not rise in time to the version that the call needs.${why}`,
    {
      retry: 'safe',
      fix: 'It was not sent. Repeat it.',
      ...(cause === undefined ? {} : { cause }),
    },
  )
}
