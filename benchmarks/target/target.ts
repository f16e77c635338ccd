/** What is measured: a deployment that runs, the distances in it, and the processes it consists of. */
import type { Topology } from '../../src/config/topology.ts'
import type { Schema, Database } from '../../src/client/index.ts'
import type { WanSelfTest } from '../../src/cluster/wan/wan.ts'

/** How a deployment runs: all in this process, or engines and nodes as processes of their own. */
export type EnginesKind = 'embedded' | 'real'

/** A process of the deployment. */
export interface TargetProcess {
  /** `node us-east`, `etcd eu-west`, …; `this process` for what runs beside the generator. */
  readonly name: string
  readonly region: string
  readonly pid: number
}

/** Where the engines of a region are reached by a client that stands in that region. */
export interface RawEngines {
  /** `host:port` of the region's member of etcd. */
  readonly etcd: string
  /** `host:port` of the region's broker. */
  readonly kafka: string
  /** `host:port` of the region's Redis. */
  readonly redis: string
}

/** Bytes that have left one region for another since the start, by `<from>/<to>`. */
export type CrossRegionBytes = ReadonlyMap<string, number>

/** Where a link listens. */
export interface LinkAt {
  /** An address of the loopback interface. Default: 127.0.0.1. */
  readonly host?: string
  /** Default: any that is free. */
  readonly port?: number
}

/** A running deployment under measurement. */
export interface BenchTarget<S extends Schema> {
  readonly engines: EnginesKind
  /** In words, for reports. */
  readonly description: string
  /** The delays as they are, scaled. */
  readonly topology: Topology
  /** The region that leads the commit log at the start. */
  readonly leader: string
  readonly directory: string
  /** A client that stands in `region`. The caller closes it. */
  connect(region: string): Promise<Database<S>>
  /** Resolves once every change has arrived wherever it may go. */
  settle(): Promise<void>
  /** The processes that serve; proxies and the generator are not among them. */
  processes(): readonly TargetProcess[]
  crossRegionBytes(): Promise<CrossRegionBytes>
  /** `undefined` where the deployment has no engines of its own. */
  raw(region: string): RawEngines | undefined
  /**
   * Opens a way from `from` to `to` with the distance between them, to an address on this machine.
   * For peers, which cross the same emulated network as the deployment. What they send is not among
   * `crossRegionBytes`. Within a region it is the address itself, unless `at` names another.
   */
  link(from: string, to: string, address: string, at?: LinkAt): Promise<string>
  /**
   * The region that leads the commit log now; `undefined`: none, or nobody says so. Missing where
   * another one never leads.
   */
  currentLeader?(): Promise<string | undefined>
  /** Lets `leader` lead again, if that can be done. Resolves to the region that leads in the end. */
  handBackLead?(): Promise<string | undefined>
  /** What a reader of the results must know of the deployment, so far. */
  remarks?(): readonly string[]
  /** What the emulated network adds by itself; missing where all is in this process. */
  selfTest?(): Promise<WanSelfTest>
  /** Cuts the way between two regions, both directions, until `heal`; left out where it cannot. */
  partition?(a: string, b: string): void | Promise<void>
  /** The way between two regions is there again. */
  heal?(a: string, b: string): void | Promise<void>
  close(): Promise<void>
}
