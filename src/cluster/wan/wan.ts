/**
 * An emulated wide area network on one machine: whatever goes from one region to another goes
 * through a TCP proxy that delays it as distance does, and counts it. All proxies run in one thread
 * of their own, so that a busy caller does not add to the delays. What a proxy sees are the bytes
 * of connections; headers of packets, acknowledgements and repetitions are not counted.
 */
import { oneWayMs, type Topology } from '../../config/topology.ts'
import { MeridianError } from '../../core/errors.ts'
import type { PartitionMode } from '../../drivers/transport/delay-proxy.ts'
import { splitAddress } from '../engines/split-address.ts'
import { wayName, type Address } from './links.ts'
import { testSelf, type WanSelfTest } from './self-test.ts'
import { WanWorker } from './wan-worker.ts'
import type { Impairment } from './way.ts'

export type { Impairment } from './way.ts'
export type { WanSelfTest } from './self-test.ts'

export interface WanOptions {
  /** The delays as they are to be. */
  readonly topology: Topology
  /** Of what is random: jitter. Default 1. */
  readonly seed?: number
}

/** How a link is opened. */
export interface LinkOptions {
  /** Where it listens, on the loopback interface: `hostOf` for a port that members share. Default: 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: any that is free. */
  readonly port?: number | undefined
  /** Whether its bytes are among `crossRegionBytes`. Default true. */
  readonly isCounted?: boolean | undefined
}

export interface Wan {
  readonly topology: Topology
  /**
   * Opens a link from a region to what listens at `host:port` in another; resolves to the
   * `host:port` to connect to instead. A connection costs a round trip before its first bytes.
   *
   * @throws MeridianError `REGION_UNKNOWN`, `INVALID_ARGUMENT`, `REGION_UNREACHABLE` (the address is taken)
   */
  link(from: string, to: string, target?: string, options?: LinkOptions): Promise<string>
  /** What a link leads to from now on: for targets that are not known when it is opened. */
  aim(link: string, target: string): Promise<void>
  /** The loopback address at which `from` reaches `to`: 127.0.r.s, for regions number r and s. */
  hostOf(from: string, to: string): string
  /** What the way in this direction does besides its delay, from now on; `{}`: nothing. */
  impair(from: string, to: string, impairment: Impairment): Promise<void>
  /** Breaks what is between two regions, whichever way round. Default mode: `cut`. */
  partition(a: string, b: string, options?: { readonly mode?: PartitionMode }): Promise<void>
  heal(a: string, b: string): Promise<void>
  /** Bytes that have left one region for another since the start, by `<from>/<to>`. */
  crossRegionBytes(): Promise<ReadonlyMap<string, number>>
  /** Measures what the proxies add by themselves. */
  selfTest(): Promise<WanSelfTest>
  /** Ends all connections and the thread. */
  close(): Promise<void>
}

/** Opens a network without links. */
export async function openWan(options: WanOptions): Promise<Wan> {
  const { topology, seed = 1 } = options
  return new ThreadWan(topology, new WanWorker({ seed }))
}

/** Regions are numbered in the last two bytes of a loopback address. */
const FIRST_NUMBER = 1

class ThreadWan implements Wan {
  readonly topology: Topology
  readonly #worker: WanWorker

  constructor(topology: Topology, worker: WanWorker) {
    this.topology = topology
    this.#worker = worker
  }

  async link(
    from: string,
    to: string,
    target?: string,
    { host, port, isCounted = true }: LinkOptions = {},
  ): Promise<string> {
    const delayMs = oneWayMs(this.topology, this.#known(from), this.#known(to))
    const link = await this.#worker.call({
      ...{ kind: 'open', from, to, host, port, isCounted },
      oneWayMs: delayMs,
      target: target === undefined ? undefined : parseAddress(target),
    })
    return link as string
  }

  async aim(link: string, target: string): Promise<void> {
    const isThere = await this.#worker.call({ kind: 'aim', link, target: parseAddress(target) })
    if (isThere === true) return
    throw new MeridianError('INVALID_ARGUMENT', `There is no link at ${link}.`, {
      fix: 'Name it as `link` has.',
    })
  }

  hostOf(from: string, to: string): string {
    const number = (region: string): number =>
      this.topology.regions.indexOf(this.#known(region)) + FIRST_NUMBER
    return `127.0.${number(from)}.${number(to)}`
  }

  async impair(from: string, to: string, impairment: Impairment): Promise<void> {
    const delayMs = oneWayMs(this.topology, this.#known(from), this.#known(to))
    await this.#worker.call({ kind: 'impair', from, to, oneWayMs: delayMs, impairment })
  }

  async partition(
    a: string,
    b: string,
    { mode = 'cut' }: { readonly mode?: PartitionMode } = {},
  ): Promise<void> {
    await this.#worker.call({ kind: 'partition', a: this.#known(a), b: this.#known(b), mode })
  }

  async heal(a: string, b: string): Promise<void> {
    await this.#worker.call({ kind: 'heal', a: this.#known(a), b: this.#known(b) })
  }

  async crossRegionBytes(): Promise<ReadonlyMap<string, number>> {
    const counted = (await this.#worker.call({ kind: 'bytes' })) as ReadonlyMap<string, number>
    const { regions } = this.topology
    const ways = regions.flatMap((from) =>
      regions.filter((to) => to !== from).map((to) => wayName(from, to)),
    )
    return new Map(ways.map((way) => [way, counted.get(way) ?? 0]))
  }

  selfTest(): Promise<WanSelfTest> {
    return testSelf(async (delayMs, target) => {
      const name = `self-test ${delayMs} ms`
      const link = await this.#worker.call({
        ...{ kind: 'open', from: name, to: `${name}, far`, host: undefined, port: undefined },
        ...{ oneWayMs: delayMs, target: parseAddress(target), isCounted: false },
      })
      return link as string
    })
  }

  close(): Promise<void> {
    return this.#worker.close()
  }

  #known(region: string): string {
    if (this.topology.regions.includes(region)) return region
    throw new MeridianError('REGION_UNKNOWN', `There is no region ${JSON.stringify(region)}.`, {
      fix: `There are: ${this.topology.regions.join(', ')}.`,
    })
  }
}

function parseAddress(text: string): Address {
  const { host, port: digits } = splitAddress(text)
  const port = Number(digits)
  if (host !== '' && Number.isInteger(port) && port >= 0) return { host, port }
  throw new MeridianError('INVALID_ARGUMENT', `${JSON.stringify(text)} is no address.`, {
    fix: 'Write it as `host:port`.',
  })
}
