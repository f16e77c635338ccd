/** One run: three regions of the real strong engine through a seed's faults, then without any. */
import { decodeRecord, encodeRecord } from '../../../replication/strong/record.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { readOutbox } from '../../../cdc/capture/outbox-reader.ts'
import { logSource, type Change } from '../../../src/core/change.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import type { Statement, Store } from '../../../src/core/ports/store.ts'
import { Connection } from '../../../src/drivers/store/connection.ts'
import { createSchema } from '../../../src/schema/ddl.ts'
import { SYSTEM_TABLES } from '../../../src/schema/system-tables.ts'
import {
  account,
  accounts,
  insert,
  replicatedState,
  rowsOf,
  schema,
  sessions,
} from '../../support/strong-region.ts'
import { groupState } from '../../support/reseed-world.ts'
import { SimLog, type LogMutants } from '../world/commit-log.ts'
import type { Counters } from '../world/counters.ts'
import { DatabasePool } from '../world/database-pool.ts'
import { SimDisk, type DiskMutants } from '../world/disk.ts'
import { SimNetwork } from '../world/network.ts'
import { PeerNetwork } from '../world/peer-network.ts'
import { EPOCH_MS, MachineClock } from '../world/process.ts'
import { World } from '../world/world.ts'
import { ChangeConsumer } from './change-consumer.ts'
import { violationsOf, type FinalRegion } from './checks.ts'
import { BANK, Client, COUNTER, OPENING_BALANCE } from './client.ts'
import { Recorder } from './history.ts'
import { Neighbour } from './neighbour.ts'
import { KIND, ROSTER } from './range-work.ts'
import { Nemesis, type Machine } from './nemesis.ts'
import { drawPlan, REGIONS, type Plan } from './plan.ts'
import { GROUP, SimRegion } from './region.ts'
import { Session } from './session.ts'

/** What is broken on purpose. */
export interface Mutants {
  readonly engine?: StrongFaults
  readonly disk?: DiskMutants
  readonly log?: LogMutants
}

/** What a run is made from. */
export interface RunOptions {
  readonly seed: number
  readonly mutants?: Mutants
  /** Changes what the seed drew. */
  readonly adapt?: (plan: Plan) => Plan
  /** Schedules what else happens, when faults begin. */
  readonly direct?: (world: World, machines: readonly Machine[]) => void
}

/** What came of a run. */
export interface RunReport {
  readonly seed: number
  /** Equal for equal runs, in any process. */
  readonly hash: string
  readonly violations: readonly string[]
  readonly operations: number
  readonly virtualMs: number
  readonly events: number
  readonly counters: Counters
  /** The last lines of the trace. */
  readonly last: readonly string[]
}

/** After the last fault everything must be over by then. */
const PROGRESS_MS = 60_000
const PROBES = 2
/** Of the release before control records. */
const OLD_VERSION = 2
const PROBE_PAUSE_MS = 200

let pool: DatabasePool | undefined

function openDatabase(): Connection {
  const connection = new Connection(':memory:')
  for (const sql of [...SYSTEM_TABLES, ...createSchema(schema)]) {
    connection.execute({ sql, args: [] }, 0)
  }
  return connection
}

/** Runs a seed. One at a time: the turns of two would mix, and a run's order is that of its turns. */
export async function simulate(options: RunOptions): Promise<RunReport> {
  pool ??= new DatabasePool(openDatabase)
  const run = new Run(options, pool)
  const { stackTraceLimit } = Error
  // Nobody looks at the stacks of the errors that a run is full of, and they cost much.
  Error.stackTraceLimit = 0
  try {
    return await run.run()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    run.release()
  }
}

class Run {
  readonly #options: RunOptions
  readonly #world: World
  readonly #plan: Plan
  readonly #network: SimNetwork
  readonly #log: SimLog
  readonly #peers: PeerNetwork
  readonly #machines: readonly Machine[]
  readonly #recorder: Recorder
  readonly #clients: readonly Client[]
  readonly #readers: readonly Client[]
  readonly #nemesis: Nemesis
  readonly #failures: string[] = []

  constructor(options: RunOptions, databases: DatabasePool) {
    const { seed, mutants = {}, adapt = (plan: Plan) => plan } = options
    this.#options = options
    this.#world = new World(seed)
    this.#plan = adapt(drawPlan(this.#world.fork()))
    this.#network = new SimNetwork(this.#world, (from, to) => this.#delayMs(from, to))
    this.#log = new SimLog(this.#world, this.#network, mutants.log)
    this.#peers = new PeerNetwork(this.#world, this.#network)
    this.#machines = REGIONS.map((name, i) => this.#machine(name, i, databases))
    this.#recorder = new Recorder(this.#world)
    let unique = 0
    this.#clients = Array.from({ length: this.#plan.clients }, (_, i) =>
      this.#client(i, () => ++unique),
    )
    this.#readers = Array.from({ length: this.#plan.readers }, (_, i) =>
      this.#client(this.#plan.readersAt, () => ++unique, `reader${i}`),
    )
    const [plan, network, log, machines] = [this.#plan, this.#network, this.#log, this.#machines]
    this.#nemesis = new Nemesis({ world: this.#world, plan, network, log, machines })
  }

  async run(): Promise<RunReport> {
    this.#layPrefix()
    for (const { region } of this.#machines) region.start()
    const violations: string[] = []
    try {
      await this.#runPhases(violations)
    } catch (error) {
      violations.push(`progress: ${error instanceof Error ? error.message : String(error)}`)
    }
    return this.#report(violations)
  }

  async #runPhases(violations: string[]): Promise<void> {
    const { scheduler } = this.#world
    if (await this.#within(this.#openBooks(), PROGRESS_MS)) {
      this.#nemesis.start()
      this.#options.direct?.(this.#world, this.#machines)
      const endMs = scheduler.nowMs() + this.#plan.safetyMs
      const { thinkMs } = this.#plan
      const working = Promise.all([
        ...this.#clients.map((client) => this.#repeat(() => client.step(), thinkMs, endMs)),
        ...this.#readers.map((client) => this.#repeat(() => client.look(), thinkMs / 4, endMs)),
      ])
      await scheduler.runUntil(() => false, this.#plan.safetyMs)
      violations.push(...(await this.#recover(working)))
    } else violations.push('progress: the first transaction did not end')
    if (!(await scheduler.runUntil(() => this.#isLevel(), PROGRESS_MS))) {
      const at = this.#machines.map(({ region }) => region.applied() ?? '-')
      violations.push(`progress: regions are at ${at.join()} of ${this.#log.end(GROUP)}`)
    }
  }

  /** Liveness: two regions go on without the third, then all three. Returns what did not. */
  async #recover(working: Promise<unknown>): Promise<string[]> {
    const { lateRegion } = this.#plan
    if (lateRegion !== undefined) {
      this.#nemesis.heal(lateRegion)
      const others = this.#clients.filter((_, i) => i % this.#machines.length !== lateRegion)
      if (!(await this.#within(this.#probeAll(others), PROGRESS_MS))) {
        return [`progress: nothing succeeded without ${REGIONS[lateRegion]}`]
      }
      this.#world.count('run.two-regions')
    }
    this.#nemesis.heal()
    if (!(await this.#within(working, PROGRESS_MS))) return ['progress: calls did not end']
    if (await this.#within(this.#probeAll(this.#clients), PROGRESS_MS)) return []
    return ['progress: no transaction succeeded after all faults had ended']
  }

  release(): void {
    for (const { disk, region } of this.#machines) {
      if (!region.isDown()) region.crash()
      disk.release()
    }
  }

  /** Whether the work was over within the time. */
  async #within(work: Promise<unknown>, limitMs: number): Promise<boolean> {
    let isOver = false
    void work.then(() => {
      isOver = true
    })
    return this.#world.scheduler.runUntil(() => isOver, limitMs)
  }

  #isLevel(): boolean {
    const end = this.#log.end(GROUP)
    return this.#machines.every(({ region }) => region.applied() === end)
  }

  async #report(violations: string[]): Promise<RunReport> {
    const { scheduler, trace, counters } = this.#world
    const regions = await this.#finalRegions()
    const window = this.#plan.limits.outcomeWindowRecords as number
    const entries = this.#log.entries(GROUP)
    violations.push(...this.#failures, ...this.#ahead(entries))
    violations.push(...violationsOf(entries, window, this.#recorder, regions))
    for (const { group } of regions) trace.fold(group)
    counters.add('log.records', entries.length)
    const raised = entries.filter(({ payload }) => decodeRecord(payload).kind === 'control')
    counters.add('log.raised', raised.length)
    for (const { emitted } of regions) counters.add('changes.told', emitted?.length ?? 0)
    for (const { neighbour } of this.#machines)
      counters.add('neighbour.written', neighbour.written())
    return {
      seed: this.#options.seed,
      hash: trace.hash(),
      violations,
      operations: this.#recorder.operations(),
      virtualMs: scheduler.nowMs(),
      events: scheduler.events(),
      counters,
      last: trace.last(),
    }
  }

  /** Rule 15: no record carries a clock that is far ahead. */
  #ahead(entries: readonly LogEntry[]): string[] {
    const { mostAheadMs } = this.#plan
    const appendedMs = this.#log.appendedMs(GROUP)
    return entries.flatMap(({ index, payload }) => {
      const aheadMs = decodeRecord(payload).nowMs - EPOCH_MS - (appendedMs[index - 1] as number)
      return mostAheadMs === undefined || aheadMs <= mostAheadMs
        ? []
        : [`clock: record ${index} is ${Math.round(aheadMs)} ms ahead`]
    })
  }

  #finalRegions(): Promise<FinalRegion[]> {
    const all = this.#machines.map(async ({ region, disk, consumer, neighbour }) => {
      const store = { read: async (statements: readonly Statement[]) => disk.inspect(statements) }
      // It is read and nothing else.
      const entries = await readOutbox(
        store as Store,
        schema,
        `${region.name}.1`,
        0,
        Number.MAX_SAFE_INTEGER,
      )
      return {
        name: region.name,
        changes: entries.map(({ change }) => change),
        emitted: disk.hasForgotten() ? undefined : consumer.emitted,
        complaints: neighbour.complaints(disk),
        accounts: await rowsOf(store, accounts),
        sessions: await rowsOf(store, sessions),
        group: await groupState(store),
        outbox: region.wasSeeded() ? undefined : await replicatedState(store),
      }
    })
    return Promise.all(all)
  }

  /** Empty records, as of nobody. */
  #layPrefix(): void {
    const [machineVersion, schemaVersion] = [1, schema.version]
    for (let i = 1; i <= this.#plan.prefix; i++) {
      const nowMs = this.#machines[0]?.clock.nowMs() ?? 0
      const payload = encodeRecord({
        ...{ machineVersion, schemaVersion, nowMs, kind: 'commands', commands: [] },
      })
      this.#log.append(GROUP, `prefix${i}`, payload)
    }
  }

  async #openBooks(): Promise<void> {
    const rows = [
      account(COUNTER),
      ...BANK.map((id) => account(id, { balance: OPENING_BALANCE })),
      ...ROSTER.slice(0, 2).map((id) => account(id, { ratio: KIND.roster })),
    ]
    const session = this.#session('books', 0)
    const draft = { tenant: '', ops: [insert(accounts, ...rows)], reads: [] }
    for (;;) {
      await session.refresh()
      const { kind } = await session.commit(draft)
      if (kind === 'committed') return
    }
  }

  async #repeat(step: () => Promise<void>, thinkMs: number, endMs: number): Promise<void> {
    const { scheduler } = this.#world
    const random = this.#world.fork()
    while (scheduler.nowMs() < endMs) {
      await step()
      await scheduler.sleep(thinkMs * 2 * random.fraction())
    }
  }

  /** Each of the clients has calls that succeed. */
  async #probeAll(clients: readonly Client[]): Promise<void> {
    const probe = async (client: Client): Promise<void> => {
      for (let done = 0; done < PROBES;) {
        if (await client.probe()) done += 1
        else await this.#world.scheduler.sleep(PROBE_PAUSE_MS)
      }
    }
    await Promise.all(clients.map(probe))
  }

  #machine(name: string, i: number, databases: DatabasePool): Machine {
    const { mutants = {} } = this.#options
    const drawn = this.#plan.clocks[i] as Plan['clocks'][number]
    const clock = new MachineClock(this.#world.scheduler, drawn.rate, drawn.errorMs)
    const disk = new SimDisk(this.#world, name, databases, mutants.disk)
    const consumer = new ChangeConsumer((last) => this.#toldOf(name, last))
    const neighbour = new Neighbour(name, this.#plan.neighbours, this.#world.fork())
    const region = new SimRegion({
      ...{ name, world: this.#world, random: this.#world.fork(), clock, disk, log: this.#log },
      peers: this.#peers,
      regions: REGIONS,
      maxRetainedRecords: this.#plan.maxRetainedRecords,
      limits: this.#plan.limits,
      faults: mutants.engine ?? {},
      sweepEveryMs: this.#plan.sweepEveryMs,
      ...{ consumer, neighbour, maxSkewMs: this.#plan.maxSkewMs },
      firstMachineVersion: this.#plan.upgradesAtMs[i] === undefined ? undefined : OLD_VERSION,
      onFailure: (error) => this.#failures.push(`stopped: ${name}: ${String(error)}`),
    })
    return { region, disk, clock, consumer, neighbour }
  }

  /** Whoever is told of a change knows that the log has come to it. */
  #toldOf(region: string, { origin, localSeq }: Change): void {
    this.#world.note(`${region} told of ${localSeq}`)
    if (origin.source === logSource(GROUP)) this.#recorder.told(origin.seq)
  }

  #client(i: number, unique: () => number, id = `c${i}`): Client {
    const session = this.#session(id, i)
    const { clock } = this.#machines[i % this.#machines.length] as Machine
    const random = this.#world.fork()
    const { mix } = this.#plan
    return new Client({ session, recorder: this.#recorder, random, clock, mix, unique })
  }

  #session(id: string, i: number): Session {
    const regions = this.#machines.map(({ region }) => region)
    const { timeoutMs, maxAttempts } = this.#plan
    return new Session({
      ...{ id, regions, timeoutMs, maxAttempts },
      home: regions[i % regions.length] as SimRegion,
      world: this.#world,
      network: this.#network,
      random: this.#world.fork(),
      recorder: this.#recorder,
    })
  }

  #delayMs(from: string, to: string): number {
    const [a, b] = [place(from), place(to)]
    return a === b ? 0.3 : (this.#plan.delays.get(`${a}>${b}`) ?? 0.3)
  }
}

/** Clients are where their region is. */
function place(name: string): string {
  return name.startsWith('client:') ? name.slice('client:'.length) : name
}
