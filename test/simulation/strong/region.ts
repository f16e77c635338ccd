/** A region: a machine with a disk and a clock, and on it a node that serves the strong engine. */
import { createStrongEngine, type StrongEngine } from '../../../replication/strong/strong-engine.ts'
import { createSnapshotServer } from '../../../replication/strong/snapshot-server.ts'
import { startTrimmer } from '../../../replication/strong/trimmer.ts'
import { createOutboxFeed } from '../../../cdc/capture/outbox-feed.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { selectPosition, readPosition } from '../../../replication/strong/log-batch.ts'
import type { LogGroupLimits } from '../../../replication/strong/log-group-options.ts'
import { asMeridianError, MeridianError } from '../../../src/core/errors.ts'
import type { TransactionRequest } from '../../../src/core/operations.ts'
import type { Store } from '../../../src/core/ports/store.ts'
import { PROCESS_CALLER } from '../../../src/core/principal.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import { StoreClock } from '../../../src/core/store-clock.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import { accounts, schema } from '../../support/strong-region.ts'
import type { SimLog } from '../world/commit-log.ts'
import type { SimDisk } from '../world/disk.ts'
import type { PeerNetwork } from '../world/peer-network.ts'
import { SimProcess, type MachineClock } from '../world/process.ts'
import type { World } from '../world/world.ts'

/** The log group of the simulated tables. */
export const GROUP = 'main'

/** What a node is asked. */
export type NodeRequest =
  | { readonly kind: 'commit'; readonly request: TransactionRequest; readonly timeoutMs: number }
  /** `strong`: linearizable; `local`: whatever this region has applied. */
  | {
      readonly kind: 'read'
      readonly level: 'strong' | 'local'
      readonly ids: readonly string[]
      readonly timeoutMs: number
    }

/** What it answers. */
export type NodeAnswer =
  | { readonly kind: 'committed'; readonly index: number; readonly updated: readonly SqlRow[] }
  /** Rows of one moment, and the index of that moment. */
  | { readonly kind: 'rows'; readonly index: number; readonly rows: readonly SqlRow[] }
  | { readonly kind: 'failed'; readonly error: MeridianError }

/** What a region is made of. */
export interface RegionParts {
  readonly name: string
  readonly world: World
  readonly random: SeededRandom
  readonly clock: MachineClock
  readonly disk: SimDisk
  readonly log: SimLog
  readonly peers: PeerNetwork
  /** All regions, this one too. */
  readonly regions: readonly string[]
  /** Records that a region which is away may hold back; undefined: the log is not trimmed. */
  readonly maxRetainedRecords: number | undefined
  readonly limits: Partial<LogGroupLimits>
  readonly faults: StrongFaults
  readonly sweepEveryMs: number
  /** Told when the group stopped: a correct run never does. */
  readonly onFailure: (error: unknown) => void
}

const OPEN_AGAIN_MS = 100
/** Small parts, so that much happens between them. */
const PAGE_ROWS = 4
const SEEDING = { creditBytes: 1_000, silenceTimeoutMs: 3_000, maxBackoffMs: 1_000 }
const TRIMMING = { reportIntervalMs: 700, trimIntervalMs: 1_500 }
const ROW_COLUMNS = `tenant, ${accounts.physical.map((c) => c.name).join(', ')}, _ver`

export class SimRegion {
  readonly name: string
  readonly #parts: RegionParts
  #reseeds = 0
  #process: SimProcess
  #engine: StrongEngine | undefined
  #store: Store | undefined

  constructor(parts: RegionParts) {
    this.name = parts.name
    this.#parts = parts
    this.#process = new SimProcess(parts.world.scheduler, parts.clock, parts.random)
    this.#process.kill()
  }

  /** How often its copy was made from a peer's. */
  reseeds(): number {
    return this.#reseeds
  }

  /** The last index that the running node has applied; undefined where none runs. */
  applied(): number | undefined {
    if (this.#process.isKilled() || this.#engine === undefined) return undefined
    const { applied, reseeding } = this.#engine.status()
    return reseeding === undefined ? applied : undefined
  }

  isRunning(): boolean {
    return this.#process.isRunning()
  }

  isDown(): boolean {
    return this.#process.isKilled()
  }

  start(): void {
    const { world, clock, random, disk } = this.#parts
    if (!this.#process.isKilled()) return
    this.#note('start')
    const process = new SimProcess(world.scheduler, clock, random)
    this.#process = process
    this.#store = disk.open(process)
    void this.#open(process, this.#store)
  }

  /** The process ends without a word; the disk loses what was not synced. */
  crash(): void {
    this.#note('crash')
    this.#process.kill()
    this.#engine = undefined
    this.#parts.disk.crash()
  }

  pause(): void {
    this.#note('pause')
    this.#process.pause()
  }

  resume(): void {
    this.#note('resume')
    this.#process.resume()
  }

  /** Handles a request that arrived; `answer` is called at most once, by a process that runs. */
  receive(request: NodeRequest, answer: (answer: NodeAnswer) => void): void {
    const process = this.#process
    if (process.isKilled()) return answer({ kind: 'failed', error: refused(this.name) })
    process.enter(() => {
      void this.#handle(request).then((value) => {
        if (!process.isKilled()) answer(value)
      })
    })
  }

  async #open(process: SimProcess, store: Store): Promise<void> {
    const { log, peers, faults, limits, onFailure } = this.#parts
    const name = this.name
    try {
      const [row] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
      const engine = await createStrongEngine({
        schema,
        group: GROUP,
        log: log.open(this.name, process),
        store,
        clock: new StoreClock(process.runtime.clock, row?.rows[0]?.[0] as string),
        runtime: process.runtime,
        admit: () => Promise.resolve(),
        limits,
        faults,
        seeding: {
          region: name,
          peers: this.#parts.regions.filter((other) => other !== name),
          transport: peers.transport(name, process),
          retention: log.retention(name, process),
          onProgress: (_group, progress) => this.#noteReseed(progress?.peer),
          ...SEEDING,
        },
        onFailure,
      })
      this.#engine = engine
      this.#serve(process, store, engine)
      this.#note(`open at ${engine.applied()}`)
      this.#sweep(process, engine)
    } catch (error) {
      this.#note(`open failed ${asMeridianError(error).code}`)
      process.after(OPEN_AGAIN_MS, () => void this.#open(process, store))
    }
  }

  /** Snapshots for the others, and a log no longer than all need. */
  #serve(process: SimProcess, store: Store, engine: StrongEngine): void {
    const { log, peers, regions, maxRetainedRecords } = this.#parts
    const { name } = this
    const { runtime } = process
    const source = `${name}.1`
    const feed = createOutboxFeed({ store, schema, source })
    const server = createSnapshotServer({
      source,
      regions: regions.filter((other) => other !== name),
      groups: [engine.offer(() => ({ feed, onPosition: () => undefined }), PAGE_ROWS)],
      runtime,
    })
    peers.serve(name, process, (channel) => server.accept(channel, PROCESS_CALLER))
    if (maxRetainedRecords === undefined) return
    startTrimmer({
      region: name,
      regions,
      groups: [{ group: GROUP, retainFrom: () => engine.retainFrom() }],
      log: log.open(name, process),
      retention: log.retention(name, process),
      runtime,
      maxRetainedRecords,
      ...TRIMMING,
    })
  }

  #noteReseed(peer: string | null | undefined): void {
    if (peer === undefined) this.#reseeds += 1
    this.#parts.world.count(peer === undefined ? 'reseed.whole' : 'reseed.asked')
    this.#note(`reseed ${peer ?? 'whole'}`)
  }

  #sweep(process: SimProcess, engine: StrongEngine): void {
    process.after(this.#parts.sweepEveryMs, () => {
      engine.sweep({ timeoutMs: 2_000 }).then(
        () => this.#sweep(process, engine),
        () => this.#sweep(process, engine),
      )
    })
  }

  async #handle(request: NodeRequest): Promise<NodeAnswer> {
    try {
      const engine = this.#engine
      if (engine === undefined) throw refused(this.name)
      if (request.kind === 'read') return await this.#read(engine, request)
      const { timeoutMs } = request
      const result = await engine.commit(request.request, { timeoutMs })
      return { kind: 'committed', index: result.position.seq, updated: result.updated }
    } catch (error) {
      return { kind: 'failed', error: asMeridianError(error) }
    }
  }

  /** As a node reads: what the level asks for first, then rows and position of one moment. */
  async #read(
    engine: StrongEngine,
    request: Extract<NodeRequest, { kind: 'read' }>,
  ): Promise<NodeAnswer> {
    const { level, ids, timeoutMs } = request
    const checkWhole = engine.seal()
    if (level === 'strong') {
      const { clock } = this.#parts
      const deadlineMs = clock.elapsedMs() + timeoutMs
      const index = await engine.readIndex({ timeoutMs })
      await engine.waitApplied(index, { timeoutMs: deadlineMs - clock.elapsedMs() })
    }
    const [position, rows] = await (this.#store as Store).read([selectPosition(GROUP), byIds(ids)])
    checkWhole()
    return { kind: 'rows', index: readPosition(position).index, rows: rows?.rows ?? [] }
  }

  #note(what: string): void {
    this.#parts.world.note(`${this.name} ${what}`)
  }
}

/** Accounts as `rowsOf` gives them. */
function byIds(ids: readonly string[]): {
  readonly sql: string
  readonly args: readonly string[]
  readonly bigints: true
} {
  const id = `c${accounts.primaryKey[0]?.id}`
  return {
    sql: `SELECT ${ROW_COLUMNS} FROM ${accounts.physicalName}
      WHERE ${id} IN (SELECT value FROM json_each(?)) ORDER BY 1, 2`,
    args: [JSON.stringify(ids)],
    bigints: true,
  }
}

function refused(name: string): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', `Nothing serves in ${name}.`, { retry: 'safe' })
}
