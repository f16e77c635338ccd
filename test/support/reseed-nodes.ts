/**
 * Nodes of three regions that come and go one by one, on files and a commit log of the test's
 * choice: for a log that is trimmed while one of them is away.
 */
import { connect, type Database } from '../../src/client/index.ts'
import type { Deployment } from '../../src/client/connect.ts'
import { defaultConfig, type Config } from '../../src/config/parse-config.ts'
import type { DigestLimits } from '../../replication/strong/digests/divergence-guard.ts'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { LogRetention } from '../../src/core/ports/log-retention.ts'
import type { MachineSupport } from '../../src/core/ports/machine-support.ts'
import { createMemorySupport } from '../../src/drivers/commit-log/memory-support.ts'
import { nodeAeadSuite } from '../../src/drivers/keys/node-suite.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { createInProcessNetwork } from '../../src/drivers/transport/in-process-network.ts'
import { defineSchema, integer, table, text } from '../../src/client/index.ts'
import { Closing } from '../../src/node/closing.ts'
import { makeDataFolder, openRegionFiles } from '../../src/node/region-files.ts'
import { openRegionNode, type RegionNode } from '../../src/node/region-node.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import { tempFolder } from '../conformance/support/temp-folder.ts'
import { memoryLog } from './memory-log.ts'

export const schema = defineSchema({
  tables: {
    plans: table(
      { id: text().primaryKey(), name: text().unique(), kind: text(), price: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    orders: table({ id: text().primaryKey(), amount: integer() }, { consistency: 'pinned' }),
  },
  views: (v) => ({
    kinds: v('plans')
      .groupBy('kind')
      .select((a) => ({ plans: a.count(), total: a.sum('price') })),
    dear: v('plans').where('price', '>', 50).select('id', 'name'),
  }),
})

export type Db = Database<typeof schema>

/** What the regions share. */
export interface ReseedNodesOptions {
  /** A handle of the log; the node closes it. */
  readonly commitLog: (region: string) => CommitLog
  readonly retention?: LogRetention
  readonly config?: Config
  /** How often copies of log groups are looked at. */
  readonly digests?: Partial<DigestLimits>
}

export class ReseedNodes {
  readonly config: Config
  readonly folder = tempFolder()
  readonly network = createInProcessNetwork({
    oneWayDelayMs: () => 0,
    timers: systemRuntime.timers,
  })
  readonly #options: ReseedNodesOptions
  readonly #nodes = new Map<string, RegionNode>()
  readonly #closing = new Map<string, Closing>()
  readonly #compiled = compileSchema(schema)
  readonly failures: unknown[] = []
  /** `<region> <group> <peer or whole>`. */
  readonly told: string[] = []
  readonly #support: MachineSupport

  constructor(options: ReseedNodesOptions) {
    this.#options = options
    this.config = options.config ?? defaultConfig()
    this.#support = createMemorySupport(this.config.regions)
  }

  async open(region: string): Promise<RegionNode> {
    const { commitLog, retention, digests } = this.#options
    const closing = new Closing()
    this.#closing.set(region, closing)
    await makeDataFolder(this.folder)
    const sources = { environment: {}, baseDirectory: this.folder, log: memoryLog() }
    const files = await openRegionFiles(
      {
        region,
        directory: this.folder,
        config: this.config,
        runtime: systemRuntime,
        writer: 'inline',
        sources,
      },
      closing,
    )
    const node = await openRegionNode({
      ...files,
      region,
      config: this.config,
      schema: this.#compiled.compiled,
      commitLog: commitLog(region),
      support: this.#support,
      network: this.network,
      runtime: systemRuntime,
      ...(retention === undefined ? {} : { retention }),
      ...(digests === undefined ? {} : { digests }),
      onReseed: (group, progress) => {
        this.told.push(`${region} ${group} ${progress === null ? 'whole' : progress.peer}`)
      },
      onFailure: (role, error) => this.failures.push({ region, role, error }),
    })
    closing.add(node)
    this.#nodes.set(region, node)
    return node
  }

  async close(region: string): Promise<void> {
    await this.#closing.get(region)?.close()
    this.#closing.delete(region)
    this.#nodes.delete(region)
  }

  async closeAll(): Promise<void> {
    for (const region of [...this.#closing.keys()]) await this.close(region)
  }

  /** A service that stands in a region. */
  connect(region: string): Promise<Db> {
    const deployment: Deployment = {
      transport: (at) => this.network.transport(at),
      runtime: systemRuntime,
      lock: this.#compiled.lock,
      sessionKey: new Uint8Array(32),
      keyWrapper: () => undefined,
      cipherSuite: nodeAeadSuite,
      deadlineMs: 20_000,
    }
    return connect({ schema, region, deployment })
  }
}
