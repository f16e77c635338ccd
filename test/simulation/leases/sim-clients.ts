/** Clients of all regions, and what they saw. */
import type { LocalRead } from '../../../replication/strong/leases/local-read.ts'
import { pointScope, type ReadScope } from '../../../replication/strong/leases/read-scope.ts'
import type { LeaseWorld } from './lease-world.ts'
import { between } from './sim-network.ts'
import type { SimProcess, SimRegion } from './sim-region.ts'
import { ALL_KEYS } from './sim-region.ts'
import {
  PLACES,
  rowKey,
  type RowVersion,
  type SimOutcome,
  type SimStore,
  type Transaction,
} from './sim-store.ts'

/** What a read showed of a row. */
export interface SeenRow {
  readonly key: number
  readonly version: number
  readonly txId: string
}

export type Operation =
  | {
      readonly kind: 'read'
      readonly begunMs: number
      readonly endedMs: number
      readonly rows: readonly SeenRow[]
    }
  | {
      readonly kind: 'write'
      readonly region: number
      readonly begunMs: number
      /** Infinity: never answered. */
      endedMs: number
      readonly tx: Transaction
      answer: 'committed' | 'aborted' | 'unknown'
    }
  /** A change stream showed that the log has come to this index. */
  | { readonly kind: 'emit'; readonly atMs: number; readonly index: number }

interface ReadPlan {
  readonly region: SimRegion
  readonly client: number
  readonly keys: readonly number[]
  readonly scopes: readonly ReadScope[]
  readonly begunMs: number
}

interface Snapshot {
  readonly rows: readonly { readonly key: number; readonly row: RowVersion }[]
  readonly newestRowIndex: number
}

const CLIENTS_PER_REGION = 6
const READ_TIMEOUT_MS = 1500

export class SimClients {
  readonly operations: Operation[] = []
  readonly #world: LeaseWorld
  readonly #batchWindowMs: number
  /** Test-only: until when each client trusts its last lease check. */
  readonly #trusted = new Map<string, number>()
  #transactions = 0

  constructor(world: LeaseWorld, batchWindowMs: number) {
    this.#world = world
    this.#batchWindowMs = batchWindowMs
  }

  start(): void {
    for (const region of this.#world.regions) {
      for (let client = 0; client < CLIENTS_PER_REGION; client++) {
        this.#world.queue.at(between(this.#world.random, 300, 500), () => this.#act(region, client))
      }
    }
  }

  emitted(index: number): void {
    this.operations.push({ kind: 'emit', atMs: this.#nowMs, index })
  }

  get #nowMs(): number {
    return this.#world.queue.nowMs
  }

  #act(region: SimRegion, client: number): void {
    if (this.#nowMs > this.#world.clientsEndMs) return
    if (region.process === undefined) {
      this.#next(region, client)
      return
    }
    const { random } = this.#world
    const plan = { region, client, begunMs: this.#nowMs, ...this.#pickRows() }
    const choice = random.fraction()
    if (choice < 0.65) this.#localRead(plan)
    else if (choice < 0.75) this.#readIndex(plan)
    else this.#write(region, client)
  }

  #next(region: SimRegion, client: number): void {
    this.#world.queue.after(between(this.#world.random, 1, 90), () => this.#act(region, client))
  }

  /** One row, two rows, all of a range, or part of one. */
  #pickRows(): Pick<ReadPlan, 'keys' | 'scopes'> {
    const { random } = this.#world
    const choice = random.below(4)
    if (choice < 3) {
      const keys = random.shuffle([...ALL_KEYS]).slice(0, choice === 2 ? 2 : 1)
      return { keys, scopes: keys.map((key) => pointScope(rowKey(key))) }
    }
    const from = random.below(2)
    const keys = ALL_KEYS.slice(from)
    const bound = from === 0 ? null : rowKey(from).key
    return { keys, scopes: [{ table: 1, from: bound, to: null }] }
  }

  #snapshot(store: SimStore, keys: readonly number[]): Snapshot {
    const rows = keys.map((key) => ({ key, row: store.rows[key] as RowVersion }))
    let newest = 0
    // What a query returns: rows that are there. Of deleted ones the core must know.
    for (const { row } of rows) if (row.isLive) newest = Math.max(newest, row.version)
    return { rows, newestRowIndex: Math.floor(newest / PLACES) }
  }

  /** A process that serves the read: sometimes one that was replaced and does not know it. */
  #server(region: SimRegion): SimProcess {
    const { random } = this.#world
    region.zombies = region.zombies.filter(({ untilMs }) => untilMs > this.#nowMs)
    if (region.zombies.length > 0 && random.fraction() < 0.4) {
      return random.pick(region.zombies).process
    }
    return region.process as SimProcess
  }

  #localRead(plan: ReadPlan): void {
    const { region, keys, scopes, client } = plan
    const { mutation, random } = this.#world
    const server = this.#server(region)
    const read = server.core.beginRead(scopes, region.now())
    const early = this.#snapshot(server.store, keys)
    let hasWaited = false
    const judge = (snapshot: Snapshot, row: SimStore['leaseRow']): void => {
      const leaseRow = mutation.renewedRow === true ? server.store.leaseRow : row
      const judged = read.judge({ leaseRow, ...snapshot }, region.now())
      const isTrusted = this.#isTrusted(`${region.number} ${client}`, judged.kind === 'wait-stable')
      if (judged.kind === 'wait-stable') this.#finish(plan, server, snapshot, judged.index)
      else if (isTrusted) this.#finish(plan, server, snapshot, read.readIndexNeeds(snapshot))
      else if (random.fraction() < 0.3) this.#readIndex(plan)
      else this.#next(region, client)
    }
    const snap = (): void => {
      const snapshot = this.#snapshot(server.store, keys)
      const row = server.store.leaseRow
      if (mutation.marksAfterSnapshot === true) {
        this.#later(this.#pauseMs(), () => {
          if (read.look(region.now()) === 'snapshot') judge(snapshot, row)
          else this.#next(region, client)
        })
        return
      }
      this.#later(this.#pauseMs(), () => judge(snapshot, row))
    }
    region.wait(() => {
      const seen = mutation.marksAfterSnapshot === true ? 'snapshot' : read.look(region.now())
      if (seen === 'wait') {
        hasWaited = true
        return this.#nowMs > plan.begunMs + READ_TIMEOUT_MS && this.#nextOf(region, client)
      }
      if (seen === 'read-index') this.#readIndex(plan)
      else if (hasWaited && mutation.skipRereadAfterWait === true) {
        judge(early, server.store.leaseRow)
      } else this.#later(random.pick([0.1, this.#pauseMs()]), snap)
      return true
    })
  }

  #readIndex(plan: ReadPlan): void {
    const { region, client, keys, scopes } = plan
    this.#world.log.readIndex(region.number, (index) => {
      region.wait(() => {
        const { process } = region
        if (process === undefined || process.store.applied < index) {
          return this.#nowMs > plan.begunMs + READ_TIMEOUT_MS && this.#nextOf(region, client)
        }
        const read: LocalRead = process.core.beginRead(scopes, region.now())
        const snapshot = this.#snapshot(process.store, keys)
        this.#finish(plan, process, snapshot, read.readIndexNeeds(snapshot))
        return true
      })
    })
  }

  /** Waits for the stable index, and answers. */
  #finish(plan: ReadPlan, server: SimProcess, snapshot: Snapshot, index: number): void {
    const { region, client, begunMs } = plan
    let { rows } = snapshot
    const answer = (): void => {
      this.#later(this.#pauseMs(), () => {
        const seen = rows.map(({ key, row }) => ({ key, version: row.version, txId: row.txId }))
        this.operations.push({ kind: 'read', begunMs, endedMs: this.#nowMs, rows: seen })
        this.#world.trace(`read ${region.number} ${seen.map(({ version }) => version).join()}`)
        this.#next(region, client)
      })
    }
    const giveUpMs = this.#nowMs + READ_TIMEOUT_MS
    region.wait(() => {
      const stable = region.stableIndexOf(server)
      if (stable < index && this.#world.mutation.serveOldVersion === true) {
        rows = rows.map(({ key }) => ({ key, row: stableVersion(server.store, key, stable) }))
      } else if (stable < index) {
        return this.#nowMs > giveUpMs && this.#nextOf(region, client)
      }
      answer()
      return true
    })
  }

  #write(region: SimRegion, client: number): void {
    const { random, queue, regions } = this.#world
    const tx = this.#newTransaction(region)
    const operation: Operation = {
      kind: 'write',
      region: region.number,
      begunMs: this.#nowMs,
      endedMs: Infinity,
      tx,
      answer: 'unknown',
    }
    this.operations.push(operation)
    region.enqueue(tx, between(random, 0, this.#batchWindowMs))
    if (!this.#world.options.isCalm && random.fraction() < 0.12) {
      const other = random.pick(regions)
      queue.after(between(random, 50, 1500), () => {
        if (!other.isPaused) other.send([tx])
      })
    }
    const isHasty = !this.#world.options.isCalm && random.fraction() < 0.1
    const giveUpMs = isHasty ? this.#nowMs + between(random, 100, 300) : Infinity
    // Some leave it open; the others fence it, to know.
    const fences = random.fraction() < 0.6
    let isFenced = false
    region.wait(() => {
      const { process } = region
      if (process === undefined) return false
      const decided = this.#answerOf(process, tx, region)
      if (decided === undefined) {
        if (this.#nowMs <= giveUpMs) return false
        if (!fences || this.#nowMs > giveUpMs + READ_TIMEOUT_MS) return this.#nextOf(region, client)
        if (!isFenced && !region.isPaused) {
          isFenced = true
          this.#world.log.append(region.number, { kind: 'fence', txId: tx.id })
        }
        return false
      }
      operation.endedMs = this.#nowMs
      operation.answer = decided.isCommitted ? 'committed' : 'aborted'
      this.#world.trace(`answered ${tx.id} ${operation.answer}`)
      this.#sawWhatItMet(decided, operation.begunMs)
      return this.#nextOf(region, client)
    })
  }

  #nextOf(region: SimRegion, client: number): true {
    this.#next(region, client)
    return true
  }

  /** Undefined while nothing may be said of the transaction. */
  #answerOf(process: SimProcess, tx: Transaction, region: SimRegion): SimOutcome | undefined {
    const { core, store } = process
    const outcome = store.outcomes.get(tx.id)
    const fencedAt = store.fences.get(tx.id)
    const known: SimOutcome | undefined =
      fencedAt === undefined
        ? outcome
        : { index: fencedAt, isCommitted: false, met: null, keys: [] }
    if (known === undefined) return undefined
    const kind = known.isCommitted ? 'commit' : 'abort'
    return core.mayAnswer(known.index, kind, region.now()) ? known : undefined
  }

  /** An abort shows its client what it met: that is a read. */
  #sawWhatItMet({ isCommitted, met }: SimOutcome, begunMs: number): void {
    if (isCommitted || met === null) return
    const { key, row } = met
    const rows = [{ key, version: row.version, txId: row.txId }]
    this.operations.push({ kind: 'read', begunMs, endedMs: this.#nowMs, rows })
  }

  #newTransaction(region: SimRegion): Transaction {
    const { random } = this.#world
    this.#transactions += 1
    const choice = random.fraction()
    const isRange = choice > 0.88 && !this.#world.options.isCalm
    const picked = random.shuffle([...ALL_KEYS]).slice(0, random.fraction() < 0.25 ? 2 : 1)
    const key = random.pick(picked)
    const txId = region.process?.store.rows[key]?.txId ?? ''
    return {
      id: `t${this.#transactions}`,
      keys: isRange ? ALL_KEYS : picked,
      isDelete: choice > 0.75,
      isRange,
      expected: random.fraction() < 0.35 ? { key, txId } : null,
    }
  }

  #isTrusted(client: string, isGood: boolean): boolean {
    if (this.#world.mutation.cachedLeaseCheck !== true) return false
    if (isGood) this.#trusted.set(client, this.#nowMs + 1000)
    return (this.#trusted.get(client) ?? 0) > this.#nowMs
  }

  /** How long a client is held up in the middle of what it does. */
  #pauseMs(): number {
    const { random, isStressed, options } = this.#world
    if (options.isCalm) return 0
    if (isStressed) return random.pick([0, 0, between(random, 0, 60), between(random, 100, 900)])
    if (random.fraction() < 0.7) return 0
    return random.fraction() < 0.9 ? between(random, 0, 60) : between(random, 100, 900)
  }

  #later(delayMs: number, run: () => void): void {
    this.#world.queue.after(delayMs, run)
  }
}

function stableVersion(store: SimStore, key: number, stable: number): RowVersion {
  const versions = store.versions[key] ?? []
  return versions.findLast(({ version }) => version < (stable + 1) * PLACES) as RowVersion
}
