/**
 * The way to a cluster of etcd: asks the members in the order of the configuration (those of the
 * own region first), goes on at the next where one does not answer, and comes back to one once it
 * answers again. Every call is idempotent, or its caller makes it so: it may be sent twice.
 */
import { setMaxListeners } from 'node:events'
import { asMeridianError } from '../../core/errors.ts'
import type { Log } from '../../core/ports/log.ts'
import type { CancelTimer, Runtime } from '../../core/ports/runtime.ts'
import {
  EtcdEndpoint,
  type EtcdCall,
  type EtcdCredentials,
  type EtcdResponse,
  type EtcdService,
  type EtcdStream,
  type StreamHandlers,
} from './etcd-endpoint.ts'
import {
  callError,
  closedError,
  EtcdCallError,
  foreignError,
  kindOf,
  STATUS,
  type CallPurpose,
} from './etcd-errors.ts'

/** Where etcd is and how it is reached. */
export interface EtcdConnectionOptions extends EtcdCredentials {
  /** `host:port` of members, those to ask first in front. */
  readonly endpoints: readonly string[]
  readonly runtime: Runtime
  readonly log: Log
}

/** How long a call may take, and what it may do. */
export interface CallOptions {
  readonly purpose?: CallPurpose
  readonly timeoutMs?: number
  /** Of one member, before the next is asked. */
  readonly attemptTimeoutMs?: number
  readonly isStream?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What a member said when it was asked alone. */
export interface MemberAnswer {
  readonly address: string
  readonly answer: EtcdResponse | EtcdCallError
}

/** Longer than an election takes; below the deadline of a client's call, so that it hears why. */
const CALL_TIMEOUT_MS = 6000
const ATTEMPT_TIMEOUT_MS = 3000
const FIRST_PAUSE_MS = 50
const LAST_PAUSE_MS = 500
const PROBE_MS = 1000
const MAX_TOKENS = 2

interface Member {
  readonly endpoint: EtcdEndpoint
  isAway: boolean
  cancelProbe: CancelTimer | undefined
}

export class EtcdConnection {
  readonly #options: EtcdConnectionOptions
  readonly #members: readonly Member[]
  readonly #closing = new AbortController()
  #clusterId: string | undefined

  constructor(options: EtcdConnectionOptions) {
    // One of each call that is under way.
    setMaxListeners(0, this.closed)
    this.#options = options
    const { endpoints, runtime, user, password, tls } = options
    this.#members = endpoints.map((address) => ({
      endpoint: new EtcdEndpoint({ address, runtime, user, password, tls }),
      isAway: false,
      cancelProbe: undefined,
    }))
  }

  get addresses(): readonly string[] {
    return this.#options.endpoints
  }

  get runtime(): Runtime {
    return this.#options.runtime
  }

  get log(): Log {
    return this.#options.log
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#closing.signal
  }

  /** Of the cluster that answered first; `undefined` while none did. */
  get clusterId(): string | undefined {
    return this.#clusterId
  }

  /**
   * Asks one member after the other until one answers.
   *
   * @throws EtcdCallError what every member would say (`callFailure` makes a typed error of it)
   * @throws MeridianError `LOG_UNAVAILABLE`, `LOG_MISCONFIGURED`, `LOG_FOREIGN`, `CLOSED`; the
   * reason of `signal`
   */
  async call<Response extends EtcdResponse>(
    service: EtcdService,
    method: string,
    request: object,
    options: CallOptions = {},
  ): Promise<Response> {
    const { purpose = 'read', timeoutMs = CALL_TIMEOUT_MS, isStream = false, signal } = options
    const { attemptTimeoutMs = ATTEMPT_TIMEOUT_MS } = options
    const { clock } = this.#options.runtime
    const untilMs = clock.monotonicMs() + timeoutMs
    const failures: EtcdCallError[] = []
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      for (const member of this.#inOrder()) {
        this.#checkGoing(signal)
        const leftMs = untilMs - clock.monotonicMs()
        if (leftMs <= 0) throw callError(failures, this.addresses, purpose)
        const attempt: EtcdCall = {
          service,
          method,
          request,
          isStream,
          timeoutMs: Math.max(1, Math.min(leftMs, attemptTimeoutMs)),
          signals: signal === undefined ? [this.closed] : [this.closed, signal],
        }
        const answer = await this.#attempt<Response>(member, attempt)
        this.#checkGoing(signal)
        if (!(answer instanceof EtcdCallError)) return this.#checked(answer)
        if (kindOf(answer) === 'refused') throw answer
        failures.push(answer)
      }
      const isOver = clock.monotonicMs() + pauseMs >= untilMs
      if (isOver || isHopeless(failures, this.#members.length)) {
        throw callError(failures, this.addresses, purpose)
      }
      await this.pause(pauseMs, signal)
    }
  }

  /** As `call`, with every failure as a typed error. */
  async ask<Response extends EtcdResponse>(
    service: EtcdService,
    method: string,
    request: object,
    options: CallOptions = {},
  ): Promise<Response> {
    try {
      return await this.call<Response>(service, method, request, options)
    } catch (error) {
      throw this.typed(error, options.purpose)
    }
  }

  typed(error: unknown, purpose: CallPurpose = 'read'): Error {
    if (error instanceof EtcdCallError) return callError([error], this.addresses, purpose)
    return asMeridianError(error)
  }

  /** Opens a stream at the first member that is not away; its failure marks that member. */
  open<Response extends EtcdResponse>(
    service: EtcdService,
    method: string,
    handlers: StreamHandlers<Response>,
  ): EtcdStream {
    const member = this.#inOrder()[0] as Member
    return member.endpoint.open<Response>(service, method, {
      onData: handlers.onData,
      onEnd: (error) => {
        if (kindOf(error) === 'token') member.endpoint.forgetToken()
        else if (kindOf(error) !== 'refused') this.#markAway(member, error)
        handlers.onEnd(error)
      },
    })
  }

  /** Every member authenticates again: what a watch may not read can be an old token. */
  forgetTokens(): void {
    for (const { endpoint } of this.#members) endpoint.forgetToken()
  }

  /** One call of each member, alone; for its health. */
  askEach(call: Omit<EtcdCall, 'signals'>): Promise<readonly MemberAnswer[]> {
    return Promise.all(this.#members.map((member) => askAlone(member, call)))
  }

  /** One call of one member, alone: what no other can do in its place. Never rejects. */
  async askMember(address: string, call: Omit<EtcdCall, 'signals'>): Promise<MemberAnswer> {
    const member = this.#members.find(({ endpoint }) => endpoint.address === address)
    if (member !== undefined) return askAlone(member, call)
    return { address, answer: new EtcdCallError(STATUS.notFound, 'is not configured', address) }
  }

  /** @throws MeridianError `LOG_FOREIGN` where it is not the cluster that answered first */
  checkCluster(response: EtcdResponse): void {
    const { cluster_id: clusterId } = response.header
    this.#clusterId ??= clusterId
    if (clusterId === this.#clusterId) return
    throw foreignError('cluster id', this.#clusterId, clusterId, this.addresses)
  }

  /** What `work` comes to, unless the signal aborts first: then its reason. */
  unless<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
    if (signal === undefined) return work
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error)
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  /** Resolves early when either signal aborts. */
  pause(delayMs: number, signal?: AbortSignal): Promise<void> {
    const signals = signal === undefined ? [this.closed] : [this.closed, signal]
    if (signals.some((one) => one.aborted)) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        for (const one of signals) one.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#options.runtime.timers.after(delayMs, end)
      for (const one of signals) one.addEventListener('abort', end, { once: true })
    })
  }

  close(): void {
    if (this.closed.aborted) return
    this.#closing.abort(closedError())
    for (const { endpoint, cancelProbe } of this.#members) {
      cancelProbe?.()
      endpoint.close()
    }
  }

  #inOrder(): readonly Member[] {
    const here = this.#members.filter((member) => !member.isAway)
    return [...here, ...this.#members.filter((member) => member.isAway)]
  }

  #checkGoing(signal: AbortSignal | undefined): void {
    this.closed.throwIfAborted()
    signal?.throwIfAborted()
  }

  async #attempt<Response>(member: Member, call: EtcdCall): Promise<Response | EtcdCallError> {
    for (let tokens = 1; ; tokens++) {
      try {
        const answer = await member.endpoint.call<Response>(call)
        this.#markHere(member)
        return answer
      } catch (error) {
        const failure = asCallError(error)
        const kind = kindOf(failure)
        if (kind === 'token' && tokens < MAX_TOKENS) continue
        const isWanted = call.signals?.some((signal) => signal.aborted) !== true
        if (kind !== 'refused' && isWanted) this.#markAway(member, failure)
        return failure
      }
    }
  }

  #checked<Response extends EtcdResponse>(response: Response): Response {
    this.checkCluster(response)
    return response
  }

  #markHere(member: Member): void {
    if (!member.isAway) return
    member.isAway = false
    member.cancelProbe?.()
    member.cancelProbe = undefined
    this.log.write('info', 'etcd-member-back', { address: member.endpoint.address })
  }

  #markAway(member: Member, error: EtcdCallError): void {
    if (this.closed.aborted || member.isAway) return
    member.isAway = true
    this.log.write('warn', 'etcd-member-away', {
      address: member.endpoint.address,
      reason: error.message,
    })
    this.#probeLater(member)
  }

  /** A member that is away is asked aside, so that no call has to wait for it to find out. */
  #probeLater(member: Member): void {
    member.cancelProbe = this.#options.runtime.timers.after(PROBE_MS, () => {
      void this.#attempt(member, {
        service: 'KV',
        method: 'range',
        request: { key: Buffer.from('.meridian'), keys_only: true },
        timeoutMs: ATTEMPT_TIMEOUT_MS,
        signals: [this.closed],
      }).then((answer) => {
        if (!member.isAway || this.closed.aborted) return
        if (answer instanceof EtcdCallError && kindOf(answer) === 'refused') this.#markHere(member)
        else this.#probeLater(member)
      })
    })
  }
}

async function askAlone(
  { endpoint }: Member,
  call: Omit<EtcdCall, 'signals'>,
): Promise<MemberAnswer> {
  const { address } = endpoint
  for (let tokens = 1; ; tokens++) {
    const answer = await endpoint
      .call<EtcdResponse>(call)
      .catch((error: unknown) => asCallError(error))
    const isOldToken = answer instanceof EtcdCallError && kindOf(answer) === 'token'
    if (!isOldToken || tokens === MAX_TOKENS) return { address, answer }
  }
}

/** Two rounds in which nobody was etcd: that does not pass by waiting. */
function isHopeless(failures: readonly EtcdCallError[], members: number): boolean {
  const last = failures.slice(-2 * members)
  return last.length === 2 * members && last.every((failure) => kindOf(failure) === 'not-etcd')
}

function asCallError(error: unknown): EtcdCallError {
  if (error instanceof EtcdCallError) return error
  throw error
}
