/** A deployment of several regions on this machine: in this process, or in processes of their own. */
import type { Statement, StatementResult } from '../../core/ports/store.ts'
import type { SettleOptions } from '../../node/settle.ts'
import type { Database, Schema } from '../../client/index.ts'
import type { Config } from '../../config/parse-config.ts'
import type { CompiledSchema } from '../../schema/compiled.ts'
import type { Wan } from '../wan/wan.ts'

/** How far a region has come. */
export interface RegionProgress {
  readonly region: string
  /** Index of the strong log up to which it has applied. */
  readonly strongIndex: number
  /** Its views hold its changes up to here. */
  readonly viewPosition: number
}

/** What regions are opened with. */
export interface RegionsOptions<S extends Schema> {
  readonly config: Config
  readonly schema: S
  /** The module whose export the schema is, for processes that load it by themselves. */
  readonly schemaModule: string
  readonly directory: string
  /** Multiplies the delays. */
  readonly scale: number
  readonly onNotice: (notice: string) => void
}

/** A process that serves regions. */
export interface RegionProcess {
  /** `node us-east`, `etcd eu-west`, …; `this process`. */
  readonly name: string
  /** `all` where one process serves them all. */
  readonly region: string
  readonly pid: number
}

/** Where the engines of a region listen, each `host:port`. */
export interface RegionEngines {
  readonly etcd: string
  readonly kafka: string
  readonly redis: string
}

export interface RunningRegions<S extends Schema> {
  /** How they run, for the report: `one process`, `3 node processes, clients over HTTP`. */
  readonly description: string
  readonly compiled: CompiledSchema
  /** A client that stands in a region. */
  connect(region: string): Promise<Database<S>>
  /** Resolves once every change has arrived wherever it may go. */
  settle(options?: SettleOptions): Promise<void>
  /** How far every region has come, in the order of the configuration. */
  progress(): Promise<readonly RegionProgress[]>
  /** Reads a region's store beside everything that hides expired rows. */
  readStore(region: string, statements: readonly Statement[]): Promise<readonly StatementResult[]>
  /** Where the region's data are. */
  foldersOf(region: string): readonly string[]
  /** Writes what is in memory alone to the folders, for whoever looks at them. */
  writeAll?(): Promise<void>
  processes(): readonly RegionProcess[]
  /**
   * Bytes that have left one region for another since the start, by `<from>/<to>`. In one process:
   * of messages between regions, and of what the commit log carries.
   */
  crossRegionBytes(): Promise<ReadonlyMap<string, number>>
  /** Cuts the way between two regions, both directions; where there is a `wan`, that does it. */
  partition?(a: string, b: string): void
  heal?(a: string, b: string): void
  /** What is between the regions; `undefined` where they are in one process. */
  readonly wan: Wan | undefined
  /** `undefined` where the region has no engines of its own. */
  enginesOf(region: string): RegionEngines | undefined
  close(): Promise<void>
}
