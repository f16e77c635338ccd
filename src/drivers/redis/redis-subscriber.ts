/**
 * Told of what is applied to a cache in Redis, over a connection of its own: PUBLISH is at most once,
 * and nobody says what was lost. So the least doubt about the connection is its end; the next one
 * begins anew.
 *
 * Plain channels, also in a Cluster: sharded ones need Redis 7, and a connection to every shard. All
 * servers pass on what one of them publishes.
 */
import type { Redis } from 'ioredis'
import type {
  AppliedChanges,
  AppliedListener,
  AppliedSubscription,
} from '../../core/ports/applied-changes.ts'
import type { Log } from '../../core/ports/log.ts'
import type { CancelTimer } from '../../core/ports/runtime.ts'
import {
  addressOf,
  createSubscriberClient,
  retryMs,
  textOf,
  type RedisClientOptions,
} from './redis-client.ts'
import { TOLD_APPLIED, TOLD_RESET } from './scripts.ts'

/** What a subscription is made of. */
export interface RedisSubscriberOptions extends RedisClientOptions {
  readonly channel: string
  readonly log: Log
  readonly listener: AppliedListener
}

/** A server that says nothing for so long is asked whether it is there, and has as long to answer. */
const PING_MS = 1_000
const PONG_MS = 2_000
/** Before the keys: kind, part, incarnation, life, after, position, piece, 'last'. */
const HEAD_FIELDS = 8
const MAX_REASONS = 8

/** Subscribes, for as long as it is not closed; whether or not the server is there yet. */
export function subscribeToRedis(options: RedisSubscriberOptions): AppliedSubscription {
  return new Subscriber(options)
}

class Subscriber implements AppliedSubscription {
  readonly #options: RedisSubscriberOptions
  #client: Redis | undefined
  #isUp = false
  /** Connections that were begun, and those of them that failed since the last that did not. */
  #attempts = 0
  #failures = 0
  /** What was said since the last connection that did not fail. */
  readonly #told = new Set<string>()
  #cancelTimer: CancelTimer | undefined
  #isClosed = false

  constructor(options: RedisSubscriberOptions) {
    this.#options = options
    this.#connect()
  }

  renew(): void {
    this.#client?.disconnect()
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer?.()
    this.#client?.disconnect()
  }

  #connect(): void {
    const client = createSubscriberClient(this.#options, this.#attempts++)
    this.#client = client
    client.on('error', (error: unknown) => this.#failed(error))
    client.on('close', () => this.#down())
    client.on('end', () => this.#ended(client))
    client.on('message', (_channel: string, text: string) => this.#message(text))
    const { channel } = this.#options
    void this.#subscribe(client, channel).catch((error: unknown) => {
      this.#failed(error)
      client.disconnect()
    })
  }

  async #subscribe(client: Redis, channel: string): Promise<void> {
    await client.connect()
    await client.subscribe(channel)
    if (this.#isClosed || client !== this.#client || client.status !== 'ready') return
    this.#failures = 0
    this.#told.clear()
    this.#isUp = true
    this.#options.listener.onUp()
    this.#schedulePing(client)
  }

  #schedulePing(client: Redis): void {
    const { timers } = this.#options.runtime
    this.#cancelTimer = timers.after(PING_MS, () => {
      this.#cancelTimer = timers.after(PONG_MS, () => {
        this.#failed(new Error(`the server has not answered within ${PONG_MS} ms`))
        client.disconnect()
      })
      client.ping().then(
        () => {
          if (!this.#isUp || client !== this.#client) return
          this.#cancelTimer?.()
          this.#schedulePing(client)
        },
        () => client.disconnect(),
      )
    })
  }

  #message(text: string): void {
    if (!this.#isUp) return
    const told = parse(text)
    if (told === undefined) {
      // Of another version of this program: who cannot tell what changed keeps nothing.
      this.#options.listener.onReset()
    } else if (told === TOLD_RESET) this.#options.listener.onReset()
    else this.#options.listener.onApplied(told)
  }

  #down(): void {
    this.#cancelTimer?.()
    if (!this.#isUp) return
    this.#isUp = false
    this.#options.listener.onDown()
  }

  #ended(client: Redis): void {
    this.#down()
    if (this.#isClosed || client !== this.#client) return
    this.#client = undefined
    const { runtime } = this.#options
    this.#cancelTimer = runtime.timers.after(retryMs(++this.#failures, runtime), () =>
      this.#connect(),
    )
  }

  /** Says a reason once, not with every attempt; each attempt may fail in two ways. */
  #failed(error: unknown): void {
    const reason = textOf(error)
    if (this.#isClosed || this.#told.has(reason) || this.#told.size >= MAX_REASONS) return
    this.#told.add(reason)
    const address = addressOf(this.#options.endpoint)
    this.#options.log.write('warn', 'cache subscription failed', { address, reason })
  }
}

/** What a message says; `undefined` for one that is not understood. */
function parse(text: string): AppliedChanges | typeof TOLD_RESET | undefined {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(fields) || !fields.every((field) => typeof field === 'string'))
    return undefined
  const [kind, part, incarnation, life, after, position, piece, last, ...ids] = fields
  if (kind === TOLD_RESET) return TOLD_RESET
  if (kind !== TOLD_APPLIED || fields.length < HEAD_FIELDS) return undefined
  if (![part, after, position, piece].every((number) => isNumber(number))) return undefined
  return {
    part: Number(part),
    incarnation: incarnation ?? '',
    life: life ?? '',
    after: Number(after),
    position: Number(position),
    piece: Number(piece),
    isLast: last === 'last',
    ids,
  }
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))
}
