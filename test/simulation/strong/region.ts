/** A region: a machine with a disk and a clock, and on it a node that serves the strong engine. */
import { createStrongEngine, type StrongEngine } from '../../../replication/strong/strong-engine.ts'
import { ClockMonitor, tellClock } from '../../../replication/strong/clocks/clock-monitor.ts'
import { createSnapshotServer } from '../../../replication/strong/snapshot-server.ts'
import { startTrimmer } from '../../../replication/strong/trimmer.ts'
import { createOutboxFeed } from '../../../cdc/capture/outbox-feed.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { selectPosition, readPosition } from '../../../replication/strong/log-batch.ts'
import type { LogGroupLimits } from '../../../replication/strong/log-group-options.ts'
import { asMeridianError, MeridianError } from '../../../src/core/errors.ts'
import type { ListQuery } from '../../../src/core/list-query.ts'
import type { TransactionRequest } from '../../../src/core/operations.ts'
import type { Channel } from '../../../src/core/ports/transport.ts'
import type { Statement, StatementResult, Store } from '../../../src/core/ports/store.ts'
import { PROCESS_CALLER } from '../../../src/core/principal.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import { StoreClock } from '../../../src/core/store-clock.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import type { CompiledTable } from '../../../src/schema/compiled.ts'
import { selectList, takePage, type StoredRow } from '../../../src/sql/select.ts'
import { accounts, schema } from '../../support/strong-region.ts'
import type { ChangeConsumer } from './change-consumer.ts'
import type { Neighbour } from './neighbour.ts'
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
  | {
      readonly kind: 'scan'
      readonly level: 'strong' | 'local'
      readonly table: CompiledTable
      readonly tenant: string
      readonly queries: readonly ListQuery[]
      readonly timeoutMs: number
    }

/** What it answers. */
export type NodeAnswer =
  | { readonly kind: 'committed'; readonly index: number; readonly updated: readonly SqlRow[] }
  /** Rows of one moment, and the index of that moment. */
  | { readonly kind: 'rows'; readonly index: number; readonly rows: readonly SqlRow[] }
  /** Ranges of one moment; `nowMs`: what expiry was judged by. */
  | {
      readonly kind: 'pages'
      readonly index: number
      readonly nowMs: number
      readonly pages: readonly (readonly StoredRow[])[]
    }
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
  readonly consumer: ChangeConsumer
  readonly neighbour: Neighbour
  /** How far a clock may be from those of most regions; undefined: nobody asks. */
  readonly maxSkewMs: number | undefined
  /** What the node is at first; `upgrade` makes it of this release. Undefined: it is already. */
  readonly firstMachineVersion: number | undefined
  /** Told when the group stopped: a correct run never does. */
  readonly onFailure: (error: unknown) => void
}

const OPEN_AGAIN_MS = 100
/** Small parts, so that much happens between them. */
const PAGE_ROWS = 4
const SEEDING = { creditBytes: 1_000, silenceTimeoutMs: 3_000, maxBackoffMs: 1_000 }
const ASK_CLOCKS_MS = 5_000
const TRIMMING = { reportIntervalMs: 700, trimIntervalMs: 1_500 }
const ROW_COLUMNS = `tenant, ${accounts.physical.map((c) => c.name).join(', ')}, _ver`

export class SimRegion {
  readonly name: string
  readonly #parts: RegionParts
  #wasSeeded = false
  #machineVersion: number | undefined
  #process: SimProcess
  #engine: StrongEngine | undefined
  #store: Store | undefined

  constructor(parts: RegionParts) {
    this.name = parts.name
    this.#parts = parts
    this.#machineVersion = parts.firstMachineVersion
    this.#process = new SimProcess(parts.world.scheduler, parts.clock, parts.random)
    this.#process.kill()
  }

  /** Whether its copy may have been made from a peer's: one that crashes then may not say so. */
  wasSeeded(): boolean {
    return this.#wasSeeded
  }

  /** The last index that the running node has applied; undefined where none runs. */
  applied(): number | undefined {
    if (this.#process.isKilled() || this.#engine === undefined) return undefined
    const { applied, reseeding } = this.#engine.status()
    return reseeding === undefined ? applied : undefined
  }

  /** Whether its copy is being made from a peer's. */
  isSeeding(): boolean {
    return !this.isDown() && this.#engine?.status().reseeding !== undefined
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
    this.#store = this.#parts.neighbour.beside(disk.open(process))
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

  isOld(): boolean {
    return this.#machineVersion !== undefined
  }

  /** From the next start on its node is of this release. */
  upgrade(): void {
    this.#note('upgrade')
    this.#machineVersion = undefined
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
    const { log, peers, regions, faults, limits, onFailure } = this.#parts
    const name = this.name
    this.#listen(process, (channel) => channel.close())
    const monitor = this.#watchClock(process)
    const machineVersion = this.#machineVersion
    await monitor?.firstRound()
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
        faults: machineVersion === undefined ? faults : { ...faults, machineVersion },
        versions: { region: name, regions, support: log.support(name, process) },
        ...(monitor === undefined ? {} : { requireInStep: () => monitor.requireInStep() }),
        seeding: {
          region: name,
          peers: regions.filter((other) => other !== name),
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

  /** A node tells its clock from its start on, and has a snapshot when it is open. */
  #listen(process: SimProcess, onSnapshot: (channel: Channel) => void): void {
    this.#parts.peers.serve(this.name, process, (channel, service) => {
      if (service === 'clock') tellClock(channel, process.runtime.clock)
      else onSnapshot(channel)
    })
  }

  #watchClock(process: SimProcess): ClockMonitor | undefined {
    const { regions, maxSkewMs, peers, faults } = this.#parts
    if (maxSkewMs === undefined) return undefined
    const { runtime } = process
    return new ClockMonitor({
      peers: regions.filter((other) => other !== this.name),
      regionCount: regions.length,
      transport: peers.transport(this.name, process),
      onChange: ({ isInStep }) => this.#note(`clock in step ${isInStep}`),
      ...{ maxSkewMs, runtime, faults, intervalMs: ASK_CLOCKS_MS },
    })
  }

  /** Snapshots for the others, and a log no longer than all need. */
  #serve(process: SimProcess, store: Store, engine: StrongEngine): void {
    const { log, regions, maxRetainedRecords, consumer } = this.#parts
    const { name } = this
    const { runtime } = process
    const source = `${name}.1`
    const feed = createOutboxFeed({ store, schema, source })
    consumer.follow(process, feed)
    const server = createSnapshotServer({
      source,
      regions: regions.filter((other) => other !== name),
      groups: [engine.offer(() => ({ feed, onPosition: () => undefined }), PAGE_ROWS)],
      runtime,
    })
    this.#listen(process, (channel) => server.accept(channel, PROCESS_CALLER))
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
    this.#wasSeeded = true
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
      if (request.kind === 'scan') return await this.#scan(engine, request)
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
    const [rows, index] = await this.#select(engine, request, () => [byIds(request.ids)])
    return { kind: 'rows', index, rows: rows[0]?.rows ?? [] }
  }

  async #scan(
    engine: StrongEngine,
    request: Extract<NodeRequest, { kind: 'scan' }>,
  ): Promise<NodeAnswer> {
    const { table, tenant, queries } = request
    let nowMs = 0
    const [results, index] = await this.#select(engine, request, () => {
      nowMs = engine.logTimeMs()
      return queries.map((query) => selectList(table, tenant, query, nowMs))
    })
    const pages = queries.map(({ limit }, i) => takePage(table, limit, results[i]?.rows ?? []).rows)
    return { kind: 'pages', index, nowMs, pages }
  }

  /** Reads once the region is where the level asks for; the position is of the same moment. */
  async #select(
    engine: StrongEngine,
    { level, timeoutMs }: Extract<NodeRequest, { kind: 'read' | 'scan' }>,
    statements: () => readonly Statement[],
  ): Promise<readonly [results: readonly StatementResult[], index: number]> {
    const checkWhole = engine.seal()
    if (level === 'strong') {
      const { clock } = this.#parts
      const deadlineMs = clock.elapsedMs() + timeoutMs
      const index = await engine.readIndex({ timeoutMs })
      await engine.waitApplied(index, { timeoutMs: deadlineMs - clock.elapsedMs() })
    }
    const read = [selectPosition(GROUP), ...statements()]
    const [position, ...results] = await (this.#store as Store).read(read)
    checkWhole()
    return [results, readPosition(position).index]
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
