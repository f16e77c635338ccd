/**
 * Driver: the network of regions that live in one process. Messages between different regions
 * take the link's one-way delay each way; within a region they take none. Bytes are handed over
 * as they are: the sender must not change them afterwards.
 */
import { MeridianError } from '../../core/errors.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import type {
  Channel,
  ChannelService,
  Network,
  Transport,
  TransportHandlers,
} from '../../core/ports/transport.ts'
import { PROCESS_CALLER } from '../../core/principal.ts'
import { Carrier } from './carrier.ts'
import { DelayedPipe } from './delayed-pipe.ts'
import { ChannelEnd } from './in-process-channel.ts'
import { LinkTable } from './link-table.ts'
import { cancelled, noAnswer, unreachable } from './transport-errors.ts'

/** What a network is made of. */
export interface InProcessNetworkOptions {
  /** Milliseconds that a message takes; asked for every message. */
  readonly oneWayDelayMs: (from: string, to: string) => number
  readonly timers: Timers
  /** How long a request waits for its answer. Default: until the link breaks. */
  readonly requestTimeoutMs?: number
}

/** A network whose links can be cut. Links have no direction; a region always reaches itself. */
export interface InProcessNetwork extends Network {
  /**
   * Cuts a link: channels over it close on both sides, requests under way fail with
   * `REGION_UNREACHABLE` (retry: unknown-outcome), new ones with `REGION_UNREACHABLE` (safe).
   */
  partition(a: string, b: string): void
  heal(a: string, b: string): void
  healAll(): void
  /** Whether messages pass between two regions now. */
  reachable(a: string, b: string): boolean
  /** Bytes of messages that have left one region for another, by `<from>/<to>`. */
  crossRegionBytes(): ReadonlyMap<string, number>
  /** Counts what leaves a region by another way, such as a commit log that all share. */
  count(from: string, to: string, bytes: number): void
}

/** Makes a network that no region has joined yet. */
export function createInProcessNetwork(options: InProcessNetworkOptions): InProcessNetwork {
  return new RegionNetwork(options)
}

/** A region that serves: its handlers, and how its channels end when it stops. */
interface Listener {
  readonly handlers: TransportHandlers
  readonly stops: Set<() => void>
}

class RegionNetwork implements InProcessNetwork {
  readonly #options: InProcessNetworkOptions
  readonly #listeners = new Map<string, Listener>()
  readonly #links = new LinkTable()
  readonly #bytes = new Map<string, number>()
  readonly #carrier: Carrier

  constructor(options: InProcessNetworkOptions) {
    this.#options = options
    this.#carrier = new Carrier(options.timers)
  }

  listen(region: string, handlers: TransportHandlers): () => void {
    if (this.#listeners.has(region)) {
      throw new MeridianError('INVALID_ARGUMENT', `Region ${region} is served already.`)
    }
    const listener: Listener = { handlers, stops: new Set() }
    this.#listeners.set(region, listener)
    return () => {
      if (this.#listeners.get(region) === listener) this.#listeners.delete(region)
      for (const stop of [...listener.stops]) stop()
    }
  }

  transport(from: string): Transport {
    return {
      canAbort: false,
      request: (to, message, signal) => this.#request(from, to, message, signal),
      connect: (to, service) => this.#connect(from, to, service),
    }
  }

  partition(a: string, b: string): void {
    this.#links.partition(a, b)
  }

  heal(a: string, b: string): void {
    this.#links.heal(a, b)
  }

  healAll(): void {
    this.#links.healAll()
  }

  reachable(a: string, b: string): boolean {
    return this.#links.reachable(a, b)
  }

  crossRegionBytes(): ReadonlyMap<string, number> {
    return this.#bytes
  }

  count(from: string, to: string, bytes: number): void {
    if (from === to) return
    const name = `${from}/${to}`
    this.#bytes.set(name, (this.#bytes.get(name) ?? 0) + bytes)
  }

  #listener(from: string, to: string): Listener {
    const listener = this.#listeners.get(to)
    if (listener === undefined || !this.#links.reachable(from, to)) {
      throw unreachable(from, to, 'safe')
    }
    return listener
  }

  #request(
    from: string,
    to: string,
    message: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { requestTimeoutMs, timers } = this.#options
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) throw cancelled(signal, 'safe')
      const listener = this.#listener(from, to)
      let isBroken = false
      const fail = (): void => settle(() => reject(unreachable(from, to, 'unknown-outcome')))
      const breakOff = (): void => {
        isBroken = true
        fail()
      }
      const abort = (): void =>
        settle(() => signal !== undefined && reject(cancelled(signal, 'unknown-outcome')))
      const endUse = this.#links.use(from, to, { break: breakOff })
      listener.stops.add(breakOff)
      signal?.addEventListener('abort', abort, { once: true })
      const stopTimeout =
        requestTimeoutMs === undefined ? undefined : timers.after(requestTimeoutMs, fail)
      const settle = (outcome: () => void): void => {
        endUse()
        listener.stops.delete(breakOff)
        signal?.removeEventListener('abort', abort)
        stopTimeout?.()
        outcome()
      }
      this.count(from, to, message.length)
      this.#carry(from, to, () => {
        // What the caller has given up still arrives; what the link has lost does not.
        if (isBroken) return
        answer(listener.handlers, message).then(
          (bytes) => {
            this.count(to, from, bytes.length)
            this.#carry(to, from, () => settle(() => resolve(bytes)))
          },
          (error: unknown) =>
            this.#carry(to, from, () => settle(() => reject(noAnswer(from, to, error)))),
        )
      })
    })
  }

  #carry(from: string, to: string, deliver: () => void): void {
    this.#carrier.carry(this.#delayMs(from, to), deliver)
  }

  #delayMs(from: string, to: string): number {
    return from === to ? 0 : this.#options.oneWayDelayMs(from, to)
  }

  /** One round trip: the server has its end after one way, the caller after two. */
  async #connect(from: string, to: string, service: ChannelService): Promise<Channel> {
    const listener = this.#listener(from, to)
    const forth = new DelayedPipe(this.#carrier, () => this.#delayMs(from, to))
    const back = new DelayedPipe(this.#carrier, () => this.#delayMs(to, from))
    const near = new ChannelEnd(forth, (bytes) => this.count(from, to, bytes))
    const far = new ChannelEnd(back, (bytes) => this.count(to, from, bytes))
    near.join(far)
    far.join(near)
    return new Promise((resolve, reject) => {
      const breakOff = (): void => {
        forth.drop()
        back.drop()
        near.end()
        far.end()
        reject(unreachable(from, to, 'safe'))
      }
      const endUse = this.#links.use(from, to, { break: breakOff })
      listener.stops.add(breakOff)
      near.onEnd(() => {
        endUse()
        listener.stops.delete(breakOff)
      })
      forth.send(() => {
        back.send(() => resolve(near))
        listener.handlers.onChannel(far, service, PROCESS_CALLER)
      })
    })
  }
}

/** A handler's failure before its first await is its failure all the same. */
async function answer(handlers: TransportHandlers, message: Uint8Array): Promise<Uint8Array> {
  return handlers.onRequest(message, PROCESS_CALLER)
}
