/** The links of an emulated network: a proxy for each, and the ways between regions that they share. */
import type { Clock, Timers } from '../../core/ports/runtime.ts'
import {
  startDelayProxy,
  type DelayProxy,
  type Direction,
  type PartitionMode,
} from '../../drivers/transport/delay-proxy.ts'
import { seededRandom } from '../../core/seeded-random.ts'
import { Way, type Impairment } from './way.ts'

/** Where something listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** A link that is to be opened. */
export interface LinkSpec {
  readonly from: string
  readonly to: string
  /** Of the way in each direction; it counts for the first link between the two. */
  readonly oneWayMs: number
  /** `undefined`: nothing is there yet. */
  readonly target: Address | undefined
  /** Where it listens. */
  readonly host: string | undefined
  readonly port: number | undefined
  readonly isCounted: boolean
}

/** What links run on. */
export interface LinksOptions {
  readonly seed: number
  readonly timers: Timers
  readonly clock: Pick<Clock, 'monotonicMs'>
}

interface OpenLink {
  readonly from: string
  readonly to: string
  readonly proxy: DelayProxy
  readonly target: { host: string; port: number }
}

/** Whoever connects before something is there is refused. */
const NOBODY: Address = { host: '127.0.0.1', port: 0 }

export class Links {
  readonly #options: LinksOptions
  readonly #ways = new Map<string, Way>()
  readonly #bytes = new Map<string, number>()
  /** By `host:port`. */
  readonly #links = new Map<string, OpenLink>()
  readonly #partitions = new Map<string, PartitionMode>()

  constructor(options: LinksOptions) {
    this.#options = options
  }

  /** Resolves to the `host:port` at which the link begins. */
  async open(spec: LinkSpec): Promise<string> {
    const { from, to, oneWayMs, host, port, isCounted } = spec
    const ways = { forth: this.#way(from, to, oneWayMs), back: this.#way(to, from, oneWayMs) }
    const names = { forth: wayName(from, to), back: wayName(to, from) }
    const count = (direction: Direction, bytes: number): void =>
      this.#count(names[direction], bytes)
    const target = { ...(spec.target ?? NOBODY) }
    const proxy = await startDelayProxy({
      target,
      oneWayDelayMs: (direction, bytes) => ways[direction].takeMs(bytes),
      onBytes: isCounted && from !== to ? count : undefined,
      hasHandshake: true,
      timers: this.#options.timers,
      clock: this.#options.clock,
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
    })
    const mode = this.#partitions.get(pairName(from, to))
    if (mode !== undefined) proxy.partition({ mode })
    const name = `${proxy.host}:${proxy.port}`
    this.#links.set(name, { from, to, proxy, target })
    return name
  }

  /** Connections that begin from now on go there. `false`: there is no such link. */
  aim(link: string, { host, port }: Address): boolean {
    const found = this.#links.get(link)
    if (found === undefined) return false
    found.target.host = host
    found.target.port = port
    return true
  }

  /** What the way does from now on. */
  impair(from: string, to: string, oneWayMs: number, impairment: Impairment): void {
    this.#way(from, to, oneWayMs).impair(impairment)
  }

  /** Breaks every link between the two, whichever way round; links opened later, too. */
  partition(a: string, b: string, mode: PartitionMode): void {
    this.#partitions.set(pairName(a, b), mode)
    for (const { proxy } of this.#between(a, b)) proxy.partition({ mode })
  }

  async heal(a: string, b: string): Promise<void> {
    this.#partitions.delete(pairName(a, b))
    await Promise.all(this.#between(a, b).map(({ proxy }) => proxy.heal()))
  }

  /** Bytes that have entered, by `<from>/<to>`. */
  bytes(): ReadonlyMap<string, number> {
    return this.#bytes
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#links.values(), ({ proxy }) => proxy.close()))
    this.#links.clear()
  }

  #between(a: string, b: string): OpenLink[] {
    const pair = pairName(a, b)
    return [...this.#links.values()].filter(({ from, to }) => pairName(from, to) === pair)
  }

  #way(from: string, to: string, oneWayMs: number): Way {
    const name = wayName(from, to)
    const { seed, clock } = this.#options
    let way = this.#ways.get(name)
    if (way === undefined) {
      way = new Way({ oneWayMs, clock, random: seededRandom(seed + this.#ways.size) })
      this.#ways.set(name, way)
    }
    return way
  }

  #count(name: string, bytes: number): void {
    this.#bytes.set(name, (this.#bytes.get(name) ?? 0) + bytes)
  }
}

/** The name of a direction: `<from>/<to>`. */
export function wayName(from: string, to: string): string {
  return `${from}/${to}`
}

function pairName(a: string, b: string): string {
  return a < b ? wayName(a, b) : wayName(b, a)
}
