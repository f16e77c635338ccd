/**
 * What a node does with requests for a region that another node holds: it passes them to that one,
 * and while nobody holds the region lets them wait, so many and so long.
 */
import { MeridianError } from '../../core/errors.ts'
import type { HttpRequest, HttpResponse, UpgradeDecision } from '../../core/ports/http.ts'
import type { RoleHolder } from '../../core/ports/coordination.ts'
import type { Runtime } from '../../core/ports/runtime.ts'
import { PASSED_HEADER } from '../../core/wire-http.ts'
import type { HttpPasser, Passed } from '../../drivers/transport/http-passer.ts'
import { PostFailure } from '../../drivers/transport/http-post.ts'
import type { SharedRegionFaults } from './faults.ts'

/** What passing needs to know. */
export interface PassingOptions {
  readonly region: string
  /** How others reach this process. */
  readonly url: string
  /** Who holds the region, as far as is known. */
  readonly holder: () => RoleHolder | undefined
  /** Whether this process holds it. */
  readonly isHere: () => boolean
  readonly passer: HttpPasser
  /** Requests that may wait for a holder. */
  readonly maxWaiting: number
  readonly runtime: Runtime
  readonly faults?: SharedRegionFaults | undefined
  /** Told of each request that another node answered. */
  readonly onPassed: () => void
}

/** A request for another node. */
export interface PassRequest {
  readonly request: HttpRequest
  /** Headers that are set besides. */
  readonly headers?: Readonly<Record<string, string>>
  /** How long it may wait for a holder. */
  readonly limitMs: number
  /** Whether it may be asked again of the next holder after its answer was lost. */
  readonly isRepeatable: boolean
}

/** The longest that anything waits for a holder. */
export const MAX_WAIT_MS = 30_000
const FIRST_LOOK_MS = 10
const LAST_LOOK_MS = 250
/** How long answers of a node that lost the region are still waited for. */
const LATE_ANSWER_MS = 2_000
const MISDIRECTED_REQUEST = 421

/** Asks the holder; `undefined`: it wants to be asked of somebody else. */
type Attempt<Answer> = (passed: Passed) => Promise<Answer | undefined>

export class Passing {
  readonly #options: PassingOptions
  readonly #stop = new AbortController()
  /** Woken when a holder came or went. */
  readonly #waiters = new Set<() => void>()
  /** Ends what a holder was asked, by its fence. */
  readonly #asked = new Map<number, AbortController>()
  #waiting = 0

  constructor(options: PassingOptions) {
    this.#options = options
  }

  /**
   * The holder's answer; `undefined` once this process holds the region itself.
   *
   * @throws MeridianError `REGION_UNREACHABLE`, `OVERLOADED`
   */
  request(pass: PassRequest, body: Uint8Array): Promise<HttpResponse | undefined> {
    const { passer } = this.#options
    return this.#withHolder(pass, async (passed) => {
      const answer = await passer.request(passed, body)
      if (isMisdirected(answer)) {
        await readAway(answer)
        return undefined
      }
      const headers = { ...answer.headers, [PASSED_HEADER]: passed.headers[PASSED_HEADER] ?? '' }
      return { ...answer, headers }
    })
  }

  /** The same for a WebSocket. */
  upgrade(pass: PassRequest, protocols: readonly string[]): Promise<UpgradeDecision | undefined> {
    const { passer } = this.#options
    return this.#withHolder(pass, async (passed) => {
      const decision = await passer.upgrade(passed, protocols)
      const isRefused = decision.kind === 'refuse' && isMisdirected(decision.response)
      return isRefused ? undefined : decision
    })
  }

  /** Somebody holds the region now, or nobody does any more. */
  changed(): void {
    const fence = this.#options.holder()?.fence
    for (const [old, asked] of this.#asked) {
      if (old === fence) continue
      // Answers of a node that left in order are on their way; one that froze sends none.
      this.#options.runtime.timers.after(LATE_ANSWER_MS, () => asked.abort())
      this.#asked.delete(old)
    }
    for (const waiter of [...this.#waiters]) waiter()
  }

  /** Lets nothing wait any longer: what waits is refused, safe to repeat elsewhere. */
  stopWaiting(): void {
    this.#stop.abort()
    this.changed()
  }

  async #withHolder<Answer>(
    { request, headers = {}, limitMs, isRepeatable }: PassRequest,
    attempt: Attempt<Answer>,
  ): Promise<Answer | undefined> {
    const { clock } = this.#options.runtime
    const endMs = clock.monotonicMs() + Math.min(limitMs, MAX_WAIT_MS)
    let isWaiting = false
    try {
      for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(2 * lookMs, LAST_LOOK_MS)) {
        if (this.#options.isHere()) return undefined
        const holder = this.#options.holder()
        if (holder !== undefined && holder.candidate !== this.#options.url) {
          const answer = await this.#ask(holder, request, headers, isRepeatable, attempt)
          if (answer !== undefined) return answer
        }
        if (!isWaiting) {
          this.#beginToWait()
          isWaiting = true
        }
        const leftMs = endMs - clock.monotonicMs()
        if (leftMs <= 0 || this.#stop.signal.aborted || request.signal.aborted) {
          throw this.#nobody()
        }
        await this.#look(Math.min(lookMs, leftMs), request.signal)
      }
    } finally {
      if (isWaiting) this.#waiting--
    }
  }

  /** `undefined`: the holder is not there, or not the holder any more, and did nothing. */
  async #ask<Answer>(
    { candidate, fence }: RoleHolder,
    request: HttpRequest,
    headers: Readonly<Record<string, string>>,
    isRepeatable: boolean,
    attempt: Attempt<Answer>,
  ): Promise<Answer | undefined> {
    const asked = this.#asked.get(fence) ?? new AbortController()
    this.#asked.set(fence, asked)
    try {
      const answer = await attempt({
        node: candidate,
        request,
        headers: { ...headers, [PASSED_HEADER]: String(fence) },
        signal: AbortSignal.any([request.signal, asked.signal]),
      })
      if (answer !== undefined) this.#options.onPassed()
      return answer
    } catch (error) {
      if (!(error instanceof PostFailure)) throw error
      const mayRepeat = isRepeatable || this.#options.faults?.repeatUnknown === true
      if (!error.isSent || (mayRepeat && !request.signal.aborted)) return undefined
      throw this.#noAnswer(error)
    }
  }

  #beginToWait(): void {
    const { region, maxWaiting } = this.#options
    if (this.#waiting >= maxWaiting) {
      const problem = `${maxWaiting} requests wait for region ${region} already.`
      throw new MeridianError('OVERLOADED', problem, {
        fix: 'Repeat after a pause, with fewer calls at once.',
        details: { region, limit: maxWaiting },
      })
    }
    this.#waiting++
  }

  /** Resolves when there may be something new, at the latest after `delayMs`. */
  #look(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        cancel()
        this.#waiters.delete(settle)
        signal.removeEventListener('abort', settle)
        resolve()
      }
      const cancel = this.#options.runtime.timers.after(delayMs, settle)
      this.#waiters.add(settle)
      signal.addEventListener('abort', settle)
    })
  }

  #nobody(): MeridianError {
    const { region } = this.#options
    return new MeridianError('REGION_UNREACHABLE', `No node holds region ${region}.`, {
      fix: 'Repeat; look at `meridian status` where it lasts.',
      retry: 'safe',
      details: { region },
    })
  }

  #noAnswer(cause: unknown): MeridianError {
    const { region } = this.#options
    const problem = `The node that holds region ${region} gave no answer.`
    return new MeridianError('REGION_UNREACHABLE', problem, {
      fix: 'Repeat with the same idempotency key.',
      retry: 'unknown-outcome',
      details: { region },
      cause,
    })
  }
}

/** A connection whose answer nobody reads is lost: a node that hands over would run out of them. */
async function readAway({ body }: HttpResponse): Promise<void> {
  if (typeof body !== 'object' || !(Symbol.asyncIterator in body)) return
  const pieces = body[Symbol.asyncIterator]()
  try {
    while ((await pieces.next()).done !== true);
  } catch {
    // It ended with its connection.
  }
}

/** Whether the other node does not hold the region: nothing was done. */
function isMisdirected({ status }: HttpResponse): boolean {
  return status === MISDIRECTED_REQUEST
}
