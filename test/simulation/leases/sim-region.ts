/** One region: its store, the processes that live on it one after the other, and their lease core. */
import type { ClockReading } from '../../../replication/strong/leases/lease-clock.ts'
import {
  LeaseCore,
  type OutgoingTransaction,
} from '../../../replication/strong/leases/lease-core.ts'
import type {
  InvalidationHints,
  MeshMessage,
} from '../../../replication/strong/leases/mesh-messages.ts'
import { rowOfNextLife } from '../../../replication/strong/leases/own-lease.ts'
import type { LeaseWorld } from './lease-world.ts'
import { between, REGIONS } from './sim-network.ts'
import type { SimClock } from './sim-clock.ts'
import {
  PLACES,
  rowKey,
  ROW_COUNT,
  type Evaluation,
  type SimStore,
  type Transaction,
} from './sim-store.ts'

/** One life of a region's process. */
export interface SimProcess {
  readonly core: LeaseCore
  readonly store: SimStore
  batch: Transaction[]
  isStopped: boolean
  /** What was evaluated and is being committed. */
  commit: (() => void) | undefined
  isDead: boolean
}

interface Zombie {
  readonly untilMs: number
  readonly process: SimProcess
}

export class SimRegion {
  readonly number: number
  readonly clock: SimClock
  readonly #world: LeaseWorld
  process: SimProcess | undefined
  /** Processes, or old files, that still serve reads although they were replaced. */
  zombies: Zombie[] = []
  backup: SimStore | undefined
  pausedUntilMs = 0
  available = 0
  #waiters: (() => boolean)[] = []

  constructor(world: LeaseWorld, number: number, clock: SimClock) {
    this.#world = world
    this.number = number
    this.clock = clock
  }

  now(): ClockReading {
    return this.clock.read()
  }

  get isPaused(): boolean {
    return this.#world.queue.nowMs < this.pausedUntilMs
  }

  /** A process starts on a store; the one before it may not have noticed its end. */
  open(store: SimStore): void {
    const world = this.#world
    const { mutation, options } = world
    const commit = this.#end()
    // The last transaction of the process before: lost, or before or after the first of this one.
    const fate = world.random.below(3)
    if (fate === 1) commit?.()
    const row = rowOfNextLife(store.leaseRow, mutation)
    store.leaseRow = row
    if (fate === 2) commit?.()
    const core = new LeaseCore({
      region: REGIONS[this.number] as string,
      databaseId: store.databaseId,
      incarnation: row.incarnation,
      durationMs: world.leaseMs,
      driftRate: options.driftRate,
      usesHints: options.phase === 2,
      leases: [...store.leases.values()],
      appliedIndex: store.applied,
      stableIndex: store.stableIndex,
      now: this.now(),
      faults: mutation,
    })
    this.process = {
      core,
      store,
      batch: [],
      isStopped: false,
      commit: undefined,
      isDead: false,
    }
    world.trace(`open ${this.number} ${store.databaseId} ${row.incarnation}`)
  }

  restart(downMs: number): void {
    if (this.process === undefined) return
    this.pausedUntilMs = this.#world.queue.nowMs + downMs
    this.open(this.process.store)
    this.#world.queue.at(this.pausedUntilMs, () => this.step())
  }

  /** The store is replaced by a copy of another one, under a new id. */
  restore(source: SimStore, databaseId: string, downMs: number): void {
    const store = source.copy(databaseId)
    const { mutation } = this.#world
    if (mutation.joinWithoutLeases === true) store.leases.clear()
    this.pausedUntilMs = this.#world.queue.nowMs + downMs
    this.open(store)
    if (mutation.restoreKeepsRow === true && source.leaseRow !== undefined) {
      store.leaseRow = { incarnation: 1, seq: 0, sent: source.leaseRow.sent }
    }
    this.#world.queue.at(this.pausedUntilMs, () => this.step())
  }

  takeBackup(): void {
    const store = this.process?.store
    if (store === undefined) return
    this.backup = store.copy('backup')
    this.backup.leaseRow = store.leaseRow
  }

  /** The region's process is gone for good. */
  kill(): void {
    this.#end()
    this.process = undefined
    this.zombies = []
  }

  renew(): void {
    const { process } = this
    if (process === undefined || process.isStopped || this.isPaused) return
    const { random, mutation, network, log } = this.#world
    const sent = this.now()
    const record = process.core.renew(sent)
    if (record === undefined) return
    if (mutation.leaseBeforeApply === true) {
      process.store.leaseRow = { ...record.stamp, sent }
    }
    const isLate = network.isFaulty && random.fraction() < 0.1
    log.append(this.number, { kind: 'lease', record }, isLate ? between(random, 0, 300) : 0)
  }

  release(stoppedMs: number): void {
    const { process } = this
    if (process === undefined || process.isStopped || this.isPaused) return
    process.isStopped = true
    const { row, record } = process.core.release()
    if (row !== undefined) process.store.writeLeaseRow(row)
    this.#world.log.append(this.number, { kind: 'lease', record })
    this.#world.queue.after(stoppedMs, () => {
      process.isStopped = false
      process.core.resume()
    })
  }

  /** Timers: acknowledge again, see leases run out. */
  tick(): void {
    if (this.process === undefined || this.isPaused) return
    this.broadcast(this.process.core.acknowledgement())
    this.advance(this.process)
  }

  /** Appends transactions as one record, and tells of them in parallel. */
  send(transactions: readonly Transaction[]): void {
    const { process } = this
    if (process === undefined) return
    const { mutation } = this.#world
    const outgoing = transactions.map(({ id, keys, isRange }): OutgoingTransaction => {
      if (!isRange) return { txId: id, keys: keys.map(rowKey) }
      const guess = keys.filter((key) => process.store.rows[key]?.isLive === true)
      return { txId: id, keys: mutation.guessWriteSets === true ? guess.map(rowKey) : null }
    })
    const hints = process.core.beforeAppend(outgoing)
    if (hints !== undefined) this.broadcast(hints)
    this.#world.log.append(this.number, { kind: 'transactions', transactions })
  }

  /** Transactions of one process that are sent within a moment share a record. */
  enqueue(transaction: Transaction, windowMs: number): void {
    const { process } = this
    if (process === undefined) return
    process.batch.push(transaction)
    if (process.batch.length > 1) return
    this.#world.queue.after(windowMs, () => {
      const batch = process.batch.slice(0, PLACES)
      process.batch = []
      if (!process.isDead) this.send(batch)
    })
  }

  broadcast(message: MeshMessage): void {
    for (const to of [0, 1, 2]) {
      if (to === this.number) continue
      this.#world.network.mesh(this.number, to, () => this.#world.regions[to]?.receive(message))
    }
  }

  receive(message: MeshMessage): void {
    const { process } = this
    if (process === undefined) return
    if (this.isPaused) {
      this.#world.queue.at(this.pausedUntilMs, () => this.receive(message))
      return
    }
    const { core } = process
    const decoded = this.#world.overTheWire(message)
    switch (decoded.kind) {
      case 'applied':
        core.onApplied(decoded)
        break
      case 'hint-ack':
        core.onHintAck(decoded)
        break
      case 'hints': {
        const { mutation, random, queue } = this.#world
        if (mutation.ackBeforeMark === true) {
          const { region, databaseId } = core.acknowledgement()
          const txIds = decoded.hints.map(({ txId }) => txId)
          this.broadcast({ kind: 'hint-ack', region, databaseId, stamp: core.stamp, txIds })
          queue.after(between(random, 0, 120), () => core.onHints(decoded))
          break
        }
        this.#answerHints(core, decoded)
        // A process that was replaced may still hear of it, mark and acknowledge.
        for (const zombie of this.zombies) {
          const isUp = zombie.untilMs > queue.nowMs && random.fraction() < 0.3
          if (isUp) this.#answerHints(zombie.process.core, decoded)
        }
      }
    }
    this.advance(process)
  }

  #answerHints(core: LeaseCore, hints: InvalidationHints): void {
    const ack = core.onHints(hints)
    if (ack !== undefined) this.broadcast(ack)
  }

  visible(index: number): void {
    this.available = Math.max(this.available, index)
    this.#world.queue.after(between(this.#world.random, 0, 0.5), () => this.step())
  }

  /** Applies the next record: evaluate, commit, and only then tell. */
  step(): void {
    const { process } = this
    if (process === undefined || process.commit !== undefined) return
    const { queue, log, random, mutation, isStressed, network } = this.#world
    if (this.isPaused) {
      queue.at(this.pausedUntilMs, () => this.step())
      return
    }
    const entry = log.entries[process.store.applied]
    if (entry === undefined || process.store.applied >= this.available) return
    const evaluation = process.store.evaluate(entry, mutation.fenceNotBinding === true)
    const { record } = evaluation
    const told =
      mutation.dirtyAfterCommit === true
        ? { ...record, writes: [] as typeof record.writes }
        : record
    const { top, row } = process.core.beforeCommit(told, this.now())
    process.commit = () => {
      process.store.commit(evaluation, top, row, mutation)
      process.commit = undefined
    }
    if (mutation.ackBeforeCommit === true) {
      this.broadcast({ ...process.core.acknowledgement(), appliedIndex: record.index })
    }
    const isSlow = network.isFaulty && random.fraction() < (isStressed ? 0.12 : 0.01)
    const commitMs = isSlow ? between(random, 50, 400) : random.fraction() < 0.8 ? 0 : 1
    if (commitMs === 0) this.#finish(process, evaluation)
    else queue.after(commitMs, () => this.#finish(process, evaluation))
  }

  /** Calls `check` now and whenever something moves here, until it is done. */
  wait(check: () => boolean): void {
    if (!check()) this.#waiters.push(check)
  }

  /** Any process' view: what it knows, or what a successor on its store wrote there. */
  stableIndexOf({ core, store }: SimProcess): number {
    return Math.max(core.stableIndex, store.stableIndex)
  }

  advance(process: SimProcess): void {
    const { mutation } = this.#world
    const before = process.store.stableIndex
    const stable = process.core.advance(this.now())
    if (stable > before) {
      process.store.stableIndex = stable
      this.#world.trace(`stable ${this.number} ${stable}`)
      if (mutation.emitAtApply !== true) {
        for (let index = before + 1; index <= stable; index++) this.#world.emit(index)
      }
    }
    this.#waiters = this.#waiters.filter((check) => !check())
  }

  #finish(process: SimProcess, evaluation: Evaluation): void {
    if (process.isDead) return
    const { queue, random, network, isStressed } = this.#world
    process.commit?.()
    const { index } = evaluation.record
    // The answer of the commit reaches the process a moment after readers see its effects.
    const isLate = network.isFaulty && random.fraction() < (isStressed ? 0.1 : 0.02)
    if (!isLate) {
      this.#committed(process, evaluation)
      return
    }
    process.commit = () => undefined
    queue.after(between(random, 1, isStressed ? 150 : 5), () => {
      if (process.isDead || process.store.applied !== index) return
      process.commit = undefined
      this.#committed(process, evaluation)
    })
  }

  #committed(process: SimProcess, { record }: Evaluation): void {
    const { mutation } = this.#world
    if (mutation.dirtyAfterCommit === true) process.core.beforeCommit(record, this.now())
    const ack = process.core.afterCommit(record.index)
    this.#world.trace(`applied ${this.number} ${record.index}`)
    if (mutation.emitAtApply === true) this.#world.emit(record.index)
    this.broadcast(ack)
    this.advance(process)
    if (process.store.applied < this.available) {
      this.#world.queue.after(between(this.#world.random, 0.2, 1), () => this.step())
    }
  }

  /** A process ends in the middle of whatever it does; gives the transaction that was under way. */
  #end(): (() => void) | undefined {
    const { process } = this
    if (process === undefined) return undefined
    const { commit } = process
    process.commit = undefined
    process.isDead = true
    const untilMs = this.#world.queue.nowMs + 1.2 * this.#world.leaseMs
    this.zombies.push({ untilMs, process })
    return commit
  }
}

/** Every row of the table. */
export const ALL_KEYS: readonly number[] = Array.from({ length: ROW_COUNT }, (_, key) => key)
