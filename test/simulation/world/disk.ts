/**
 * A region's disk and the store on it. Writes take effect in the order of calls, several in one commit
 * of the product's own writer, when their sync is over; a crash before that loses them, or does not and
 * loses the answer. A disk that lies also loses what it called synced for some time.
 */
import { MeridianError } from '../../../src/core/errors.ts'
import type {
  DescribedResult,
  Statement,
  StatementResult,
  Store,
} from '../../../src/core/ports/store.ts'
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import { bindArguments, type BoundStatement } from '../../../src/drivers/store/bind.ts'
import type { Connection } from '../../../src/drivers/store/connection.ts'
import { commitGroup } from '../../../src/drivers/store/group-commit.ts'
import type { DatabasePool } from './database-pool.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

/** How a disk works, and fails. Shares are of calls. */
export interface DiskRates {
  /** What a sync takes, about. */
  readonly syncMs: number
  /** A call that is refused: the disk is full, or away. */
  readonly refused: number
  /** A write whose outcome the caller does not learn. */
  readonly inDoubt: number
  /** A sync or a read that takes up to `slowMs`. */
  readonly slow: number
  readonly slowMs: number
  /** What was called synced this recently is lost at a crash. 0: the disk does not lie. */
  readonly lieMs: number
}

export const SOUND: DiskRates = {
  ...{ syncMs: 2, refused: 0, inDoubt: 0, slow: 0, slowMs: 0, lieMs: 0 },
}

/** Breaks of the port's contract, to show that they are noticed. */
export interface DiskMutants {
  /** Rule 14: a write is answered before the commit that it is in. */
  readonly answerBeforeCommit?: boolean
  /** Rule 14: a transaction that fails takes those with it that share its commit. */
  readonly shareFate?: boolean
  /** Rule 14: what a transaction did before it failed stays, in the commit of its neighbours. */
  readonly keepFailed?: boolean
}

interface Pending {
  readonly statements: readonly BoundStatement[]
  readonly process: SimProcess
  readonly settle: (outcome: Settled) => void
}

type Settled =
  | { readonly ok: true; readonly results: readonly StatementResult[] }
  | { readonly ok: false; readonly error: unknown }

const READ_MS = 0.4
const MAX_GROUP_SIZE = 16

export class SimDisk {
  rates: DiskRates = SOUND
  readonly #world: World
  readonly #name: string
  readonly #random: SeededRandom
  readonly #pool: DatabasePool
  readonly #mutants: DiskMutants
  #connection: Connection
  #queue: Pending[] = []
  #isSyncing = false
  #life = 0
  #hasForgotten = false
  #duringSync: (() => void) | undefined
  /** What was committed, to begin again without the end of it. */
  #committed: { readonly statements: readonly BoundStatement[]; readonly atMs: number }[] = []

  constructor(world: World, name: string, pool: DatabasePool, mutants: DiskMutants = {}) {
    this.#world = world
    this.#name = name
    this.#random = world.fork()
    this.#pool = pool
    this.#mutants = mutants
    this.#connection = pool.take()
  }

  /** The store as one process sees it. */
  open(process: SimProcess): Store {
    return new SimStore(this, process)
  }

  /** Queries what is committed, at once and outside of the run. */
  inspect(statements: readonly Statement[]): readonly StatementResult[] {
    return statements.map((statement, i) => this.#connection.execute(bound(statement), i))
  }

  /** Whether it has lost what it had called synced. */
  hasForgotten(): boolean {
    return this.#hasForgotten
  }

  /** Runs `run` once, while the next write is on its way to the disk. */
  duringNextSync(run: () => void): void {
    this.#duringSync = run
  }

  /** The machine stops: writes under way are lost, or are not and nobody hears of it. */
  crash(): void {
    this.#life += 1
    while (this.#queue.length > 0 && this.#random.fraction() < 0.4) {
      this.#world.count('disk.answer-lost')
      this.#commit()
    }
    this.#world.count('disk.write-lost', this.#queue.length)
    this.#queue = []
    this.#isSyncing = false
    if (this.rates.lieMs > 0) this.#forget(this.rates.lieMs)
  }

  /** Ends the disk's use; nothing of its process may run afterwards. */
  release(): void {
    this.#pool.give(this.#connection)
  }

  write(
    statements: readonly Statement[],
    process: SimProcess,
    onCommit: () => void,
  ): Promise<readonly StatementResult[]> {
    const members = statements.map(bound)
    return new Promise((resolve, reject) => {
      const doubt = this.#happens(this.rates.inDoubt)
      if (this.#happens(this.rates.refused) || (doubt && this.#random.fraction() < 0.5)) {
        this.#world.count(doubt ? 'disk.in-doubt' : 'disk.refused')
        process.after(this.#drawMs(this.rates.syncMs), () => reject(away(doubt)))
        return
      }
      if (doubt) this.#world.count('disk.in-doubt')
      const settle = (outcome: Settled): void => {
        if (outcome.ok) onCommit()
        if (outcome.ok && !doubt) resolve(outcome.results)
        else reject(outcome.ok ? away(true) : outcome.error)
      }
      if (this.#mutants.answerBeforeCommit === true) process.after(0, () => resolve([]))
      this.#queue.push({ statements: members, process, settle })
      this.#sync()
    })
  }

  read(statements: readonly Statement[], process: SimProcess): Promise<readonly StatementResult[]> {
    const members = statements.map(bound)
    return new Promise((resolve, reject) => {
      const isRefused = this.#happens(this.rates.refused)
      if (isRefused) this.#world.count('disk.refused')
      process.after(this.#drawMs(READ_MS), () => {
        if (isRefused) return reject(away(false))
        try {
          resolve(members.map((statement, i) => this.#connection.execute(statement, i)))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  columns(statement: Statement): DescribedResult['columns'] {
    return this.#connection.columns(bound(statement))
  }

  #sync(): void {
    if (this.#isSyncing || this.#queue.length === 0) return
    this.#isSyncing = true
    const life = this.#life
    const syncMs = this.#drawMs(this.rates.syncMs)
    const interrupt = this.#duringSync
    this.#duringSync = undefined
    if (interrupt !== undefined) {
      this.#world.scheduler.after(syncMs * this.#random.fraction(), interrupt)
    }
    this.#world.scheduler.after(syncMs, () => {
      if (life !== this.#life) return
      this.#isSyncing = false
      this.#commit()
      this.#sync()
    })
  }

  /** One commit of what waits. Effects are there even where the process is paused. */
  #commit(): void {
    const group = this.#queue.splice(0, MAX_GROUP_SIZE)
    const outcomes = commitGroup(
      this.#connection,
      group.map(({ statements }) => statements),
      'memory',
      this.#mutants,
    )
    const failed = outcomes.find((outcome) => !outcome.ok)
    this.#world.note(`${this.#name} commit ${outcomes.map(({ ok }) => (ok ? 1 : 0)).join('')}`)
    group.forEach(({ statements, process, settle }, i) => {
      const outcome = outcomes[i] as (typeof outcomes)[number]
      if (outcome.ok) this.#committed.push({ statements, atMs: this.#world.scheduler.nowMs() })
      const told = this.#mutants.shareFate === true && failed !== undefined ? failed : outcome
      process.enter(() => settle(told))
    })
  }

  /** Makes the database anew from what was committed longer ago than this. */
  #forget(lieMs: number): void {
    const fromMs = this.#world.scheduler.nowMs() - lieMs * this.#random.fraction()
    const kept = this.#committed.filter(({ atMs }) => atMs < fromMs)
    if (kept.length === this.#committed.length) return
    this.#hasForgotten = true
    this.#world.count('disk.synced-write-lost', this.#committed.length - kept.length)
    const connection = this.#pool.take()
    for (const { statements } of kept) commitGroup(connection, [statements], 'memory')
    this.#pool.give(this.#connection)
    this.#connection = connection
    this.#committed = kept
  }

  #drawMs(usualMs: number): number {
    if (!this.#happens(this.rates.slow)) return usualMs * (0.5 + this.#random.fraction())
    this.#world.count('disk.slow')
    return usualMs + this.#random.fraction() * this.rates.slowMs
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.fraction() < share
  }
}

class SimStore implements Store {
  readonly #disk: SimDisk
  readonly #process: SimProcess
  readonly #listeners = new Set<() => void>()

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk
    this.#process = process
  }

  write(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    if (this.#process.isKilled()) return never()
    return this.#disk.write(statements, this.#process, () => {
      for (const listener of this.#listeners) listener()
    })
  }

  read(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return this.#process.isKilled() ? never() : this.#disk.read(statements, this.#process)
  }

  async query(statement: Statement): Promise<DescribedResult> {
    const [result] = await this.read([statement])
    return { ...(result as StatementResult), columns: this.#disk.columns(statement) }
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}

function away(inDoubt: boolean): MeridianError {
  return new MeridianError('STORE_UNAVAILABLE', 'The disk does not answer.', {
    retry: inDoubt ? 'unknown-outcome' : 'safe',
  })
}

function bound(statement: Statement): BoundStatement {
  return { ...statement, args: bindArguments(statement.args) }
}
