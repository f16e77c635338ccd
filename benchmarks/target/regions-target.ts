/** A target out of running regions: what both kinds have in common. */
import type { Schema } from '../../src/client/index.ts'
import { openWan, type Wan } from '../../src/cluster/wan/wan.ts'
import type { RunningRegions } from '../../src/cluster/regions/running-regions.ts'
import type { Config } from '../../src/config/parse-config.ts'
import type { BenchTarget, EnginesKind, LinkAt } from './target.ts'

/** What targets of both kinds are opened with. */
export interface OpenTargetOptions<S extends Schema> {
  readonly schema: S
  /** Regions, their delays as they are to be, and the leader; see `configFor`. */
  readonly config: Config
  /** Where files are; an empty folder, or that of the same deployment before. */
  readonly directory: string
  /** Told what whoever reads the results should know. */
  readonly onNotice: (notice: string) => void
}

/** What a target is made of. */
export interface RegionsTarget<S extends Schema> {
  readonly engines: EnginesKind
  readonly running: RunningRegions<S>
  readonly config: Config
  readonly leader: string
  readonly directory: string
}

/** The target. It closes the regions. */
export function targetOf<S extends Schema>(parts: RegionsTarget<S>): BenchTarget<S> {
  const { engines, running, config, leader, directory } = parts
  const { topology } = config
  const links = new PeerLinks(running.wan, () => openWan({ topology }))
  const { wan } = running
  return {
    engines,
    description: running.description,
    topology,
    leader,
    directory,
    connect: (region) => running.connect(region),
    settle: () => running.settle(),
    processes: () => running.processes(),
    crossRegionBytes: () => running.crossRegionBytes(),
    raw: (region) => running.enginesOf(region),
    link: (from, to, address, at) => links.open(from, to, address, at),
    ...(wan === undefined ? {} : { selfTest: () => wan.selfTest() }),
    ...cutsOf(running),
    async close() {
      await running.close()
      await links.close()
    },
  }
}

/** How regions are cut off from each other, where they can be. */
function cutsOf<S extends Schema>(
  running: RunningRegions<S>,
): Pick<BenchTarget<S>, 'partition' | 'heal'> {
  const network = running.wan ?? running
  if (network.partition === undefined || network.heal === undefined) return {}
  return {
    partition: (a, b) => network.partition?.(a, b),
    heal: (a, b) => network.heal?.(a, b),
  }
}

/** Links of peers: over the deployment's network, or one of their own where it has none. */
class PeerLinks {
  readonly #shared: Wan | undefined
  readonly #openOwn: () => Promise<Wan>
  #own: Promise<Wan> | undefined

  constructor(shared: Wan | undefined, openOwn: () => Promise<Wan>) {
    this.#shared = shared
    this.#openOwn = openOwn
  }

  async open(from: string, to: string, address: string, at?: LinkAt): Promise<string> {
    if (from === to && at === undefined) return address
    const wan = this.#shared ?? (await (this.#own ??= this.#openOwn()))
    return wan.link(from, to, address, { ...at, isCounted: false })
  }

  async close(): Promise<void> {
    const own = await this.#own
    await own?.close()
  }
}
