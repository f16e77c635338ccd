/**
 * The destination's side of one channel: checks what arrives and has it committed, in order.
 *
 * Changes are committed with the position behind them. An advance changes no row, so it moves the
 * position in memory at once and is kept in the store later: with the next changes, together with
 * those of other sources after a while (`keep-timer.ts`), or when the session ends. What a crash takes of it the
 * source tells again. The source is only ever told positions that the store has.
 */
import { sourceRegion, type Change } from '../../src/core/change.ts'
import { asMeridianError, fromWireError, MeridianError } from '../../src/core/errors.ts'
import { maxHlc, type Hlc } from '../../src/core/hlc.ts'
import type { CancelTimer, Runtime } from '../../src/core/ports/runtime.ts'
import type { Channel } from '../../src/core/ports/transport.ts'
import type { StreamFaults } from './faults.ts'
import type { FreshnessTracker } from './freshness.ts'
import { takeFrom, type MaySend } from './import-filter.ts'
import type { KeepTimer } from './keep-timer.ts'
import type { ImportStep, ImportWriter, SourcePosition } from './import-writer.ts'
import {
  decodeExporterMessage,
  encodeImporterMessage,
  type ExporterMessage,
  type ImporterMessage,
  type SchemaMark,
  type StreamBatch,
} from './messages.ts'

/** Steps are joined up to this many changes: one transaction, one fsync. */
const MAX_STEP_CHANGES = 1000

/** What a session is made of. */
export interface ImportSessionOptions {
  /** The region that holds this end. */
  readonly region: string
  /** The region at the other end. */
  readonly from: string
  readonly channel: Channel
  /** Every source of the other region that is followed, with its applied position. */
  readonly positions: ReadonlyMap<string, SourcePosition>
  readonly schema: SchemaMark
  readonly writer: ImportWriter
  readonly maySend: MaySend
  readonly runtime: Runtime
  readonly freshness: FreshnessTracker
  readonly creditBytes: number
  readonly probeIntervalMs: number
  readonly silenceTimeoutMs: number
  /** When advances go into the store. */
  readonly keepTimer: KeepTimer
  readonly faults: StreamFaults
  /** What is applied has moved, or the source's end is better known. */
  readonly onProgress: (progress: ImportProgress) => void
}

/** How far a session is. */
export interface ImportProgress {
  readonly source: string
  /** Readable here. */
  readonly position: number
  /** The source's end, as far as it is known here. */
  readonly end: number
}

interface QueuedStep extends ImportStep {
  readonly bytes: number
}

/** A subscription on one channel, from subscribe to close. */
export class ImportSession {
  readonly #options: ImportSessionOptions
  #source: string | undefined
  /**
   * In order and queued up to `received`; applied up to `applied`, of which the store says `kept`,
   * with nothing but advances between; readable up to `visible`.
   */
  #received = 0
  #applied = 0
  #kept = 0
  #visible = 0
  #end = 0
  /** That of the advances that are not kept yet. */
  #unkeptHlc: Hlc | null = null
  #queue: QueuedStep[] = []
  #isKeepDue = false
  #cancelKeep: CancelTimer | undefined
  #working: Promise<void> | undefined
  #heardMs: number
  #cancelTick: CancelTimer | undefined
  #isClosed = false
  #error: MeridianError | undefined
  #onEnd: (() => void) | undefined

  constructor(options: ImportSessionOptions) {
    this.#options = options
    this.#heardMs = options.runtime.clock.monotonicMs()
  }

  /**
   * Subscribes and imports until the channel ends or `close` is called.
   *
   * @throws MeridianError what ended it, unless the channel just closed
   */
  async run(): Promise<void> {
    const { channel, region, creditBytes, positions, schema, freshness } = this.#options
    const ended = new Promise<void>((resolve) => {
      this.#onEnd = resolve
    })
    channel.onMessage((bytes) => this.#receive(bytes))
    channel.onClose(() => this.close())
    this.#send({
      kind: 'subscribe',
      region,
      credit: creditBytes,
      positions: [...positions].map(([source, { applied }]) => [source, applied]),
      schema,
    })
    this.#tick()
    await ended
    await this.#working
    // What cannot be kept now is told again.
    await this.#keep().catch(() => undefined)
    freshness.reset()
    if (this.#error !== undefined) throw this.#error
  }

  /** Asks the source how far it is, once it has accepted. */
  probe(): void {
    if (this.#source === undefined || this.#isClosed) return
    const nowMs = this.#options.runtime.clock.monotonicMs()
    this.#send({ kind: 'probe', id: this.#options.freshness.probe(nowMs) })
  }

  /** Ends the subscription; `run` settles once a commit under way is over. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue = []
    this.#isKeepDue = false
    this.#cancelTick?.()
    this.#cancelKeep?.()
    this.#options.channel.close()
    this.#onEnd?.()
  }

  #fail(error: unknown): void {
    this.#error ??= asMeridianError(error)
    this.close()
  }

  #send(message: ImporterMessage): void {
    this.#options.channel.send(encodeImporterMessage(message))
  }

  /** Probes the source, and gives a silent channel up. */
  #tick(): void {
    const { runtime, probeIntervalMs, silenceTimeoutMs } = this.#options
    const nowMs = runtime.clock.monotonicMs()
    if (nowMs - this.#heardMs > silenceTimeoutMs) {
      this.#fail(
        new MeridianError(
          'REGION_UNREACHABLE',
          `The source was silent for ${silenceTimeoutMs} ms.`,
        ),
      )
      return
    }
    this.probe()
    if (this.#visible < this.#applied) this.#lookAgain()
    this.#cancelTick = runtime.timers.after(probeIntervalMs, () => this.#tick())
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#heardMs = this.#options.runtime.clock.monotonicMs()
    try {
      const message = decodeExporterMessage(bytes)
      if (message.kind === 'refuse') throw fromWireError(message.error)
      if (message.kind === 'accept') this.#accept(message)
      else if (this.#source === undefined) {
        throw new MeridianError('PROTOCOL_MALFORMED', 'The source sent changes before it accepted.')
      } else if (message.kind === 'batch') this.#enqueue(this.#source, message, bytes.length)
      else this.#answer(message)
    } catch (error) {
      this.#fail(error)
    }
  }

  #accept(message: ExporterMessage & { kind: 'accept' }): void {
    if (sourceRegion(message.source) !== this.#options.from) throw broken(message.source)
    this.#source = message.source
    this.#received = message.position
    const known = this.#options.positions.get(message.source)
    if (message.position !== (known?.applied ?? 0)) throw gap()
    this.#applied = message.position
    this.#kept = message.position
    this.#visible = known?.visible ?? message.position
    this.#end = message.end
    this.#report()
    this.#cancelTick?.()
    this.#tick()
  }

  #answer(message: ExporterMessage & { kind: 'answer' }): void {
    // All that was sent before the answer is here before it, or was lost on the way.
    if (message.sent > this.#received) throw gap()
    this.#end = Math.max(this.#end, message.end)
    this.#options.freshness.answer(message.id, message.end, this.#visible)
    this.#report()
  }

  #enqueue(source: string, batch: StreamBatch, bytes: number): void {
    if (batch.position <= this.#received) {
      this.#acknowledge(bytes)
      return
    }
    if (batch.previous > this.#received) throw gap()
    const changes = batch.changes.filter((change) => change.localSeq > this.#received)
    this.#checkChanges(source, batch, changes)
    const { hlc, position } = batch
    this.#queue.push({ source, previous: this.#received, position, hlc, changes, bytes })
    this.#received = position
    this.#end = Math.max(this.#end, position)
    this.#work()
  }

  /** What a source may send: its own changes, whole transactions, in order, within the step. */
  #checkChanges(source: string, batch: StreamBatch, changes: readonly Change[]): void {
    let last = this.#received
    let expected = 0
    let size = 0
    for (const change of changes) {
      const isOwn = change.origin.source === source || this.#options.faults.echoImports === true
      if (expected === size) {
        expected = 0
        size = change.size
      }
      const isNext = change.index === expected && change.size === size && change.localSeq > last
      if (!isOwn || !isNext) throw broken(source)
      expected++
      last = change.localSeq
    }
    if (expected !== size || last > batch.position) throw broken(source)
  }

  /** Runs what waits, one after the other. */
  #work(): void {
    this.#working ??= this.#runQueue().finally(() => {
      this.#working = undefined
      // What came after the last look, but before this turn.
      if (this.#hasWork()) this.#work()
    })
  }

  #hasWork(): boolean {
    return this.#queue.length > 0 || this.#isKeepDue
  }

  async #runQueue(): Promise<void> {
    while (this.#hasWork()) {
      try {
        if (this.#queue.length > 0) await this.#take(this.#takeStep())
        else await this.#keep()
      } catch (error) {
        this.#fail(error)
        return
      }
    }
  }

  async #take(step: QueuedStep): Promise<void> {
    if (step.changes.length === 0) this.#advance(step)
    else await this.#commit(step)
    this.#acknowledge(step.bytes)
    this.#report()
  }

  /** Moves the position in memory: no row changes, so nothing else has to be stored with it. */
  #advance(step: ImportStep): void {
    if (this.#visible === this.#applied) this.#visible = step.position
    this.#applied = step.position
    this.#unkeptHlc = laterHlc(this.#unkeptHlc, step.hlc)
    this.#keepSoon()
  }

  /** Commits changes, and the advances before them, from the position that the store has. */
  async #commit(step: ImportStep): Promise<void> {
    const { writer, maySend } = this.#options
    const changes = await takeFrom(maySend, step.changes)
    const hlc = laterHlc(this.#unkeptHlc, step.hlc)
    await writer.commit({ ...step, previous: this.#kept, hlc, changes })
    const mayHold = this.#visible < this.#applied || writer.hasEarly(step)
    this.#applied = step.position
    this.#onKept(step.position)
    this.#visible = mayHold ? await this.#readVisible() : step.position
  }

  #keepSoon(): void {
    if (this.#cancelKeep !== undefined || this.#isClosed) return
    this.#cancelKeep = this.#options.keepTimer.soon(() => {
      this.#cancelKeep = undefined
      this.#isKeepDue = true
      this.#work()
    })
  }

  /** Stores the position, where advances have moved it. */
  async #keep(): Promise<void> {
    this.#isKeepDue = false
    const [source, previous, position] = [this.#source, this.#kept, this.#applied]
    if (source === undefined || position === previous) return
    const hlc = this.#unkeptHlc
    await this.#options.writer.commit({ source, previous, position, hlc, changes: [] })
    this.#onKept(position)
    if (!this.#isClosed) this.#acknowledge(0)
  }

  /** The store has the position now, and all advances before it. */
  #onKept(position: number): void {
    this.#kept = position
    this.#unkeptHlc = null
    this.#isKeepDue = false
    this.#cancelKeep?.()
    this.#cancelKeep = undefined
  }

  /** The source prunes behind what it is told here: never behind a position that a crash undoes. */
  #acknowledge(credit: number): void {
    const isBroken = this.#options.faults.acknowledgeUnkept === true
    this.#send({ kind: 'ack', credit, position: isBroken ? this.#applied : this.#kept })
  }

  /** Readable is what is applied, but for what is held. */
  async #readVisible(): Promise<number> {
    // As of before the look: what is applied after it may be held, too.
    const applied = this.#applied
    const known = (await this.#options.writer.positions()).get(this.#source ?? '')
    if (known === undefined) return applied
    return known.visible < known.applied ? known.visible : Math.max(applied, known.applied)
  }

  /** What was held may have been applied meanwhile. */
  #lookAgain(): void {
    this.#readVisible().then(
      (visible) => {
        this.#visible = Math.max(this.#visible, visible)
        this.#report()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  /** Joins what waits into one step. */
  #takeStep(): QueuedStep {
    const steps: QueuedStep[] = []
    let count = 0
    for (const step of this.#queue) {
      if (steps.length > 0 && count + step.changes.length > MAX_STEP_CHANGES) break
      steps.push(step)
      count += step.changes.length
    }
    this.#queue.splice(0, steps.length)
    const [first] = steps as [QueuedStep]
    const last = steps.at(-1) as QueuedStep
    return {
      source: first.source,
      previous: first.previous,
      position: last.position,
      hlc: steps.reduce<Hlc | null>((latest, step) => laterHlc(latest, step.hlc), null),
      changes: steps.length === 1 ? first.changes : steps.flatMap((step) => step.changes),
      bytes: steps.reduce((sum, step) => sum + step.bytes, 0),
    }
  }

  #report(): void {
    if (this.#source === undefined) return
    this.#options.freshness.advance(this.#visible)
    this.#options.onProgress({ source: this.#source, position: this.#visible, end: this.#end })
  }
}

function laterHlc(a: Hlc | null, b: Hlc | null): Hlc | null {
  return a === null || b === null ? (a ?? b) : maxHlc(a, b)
}

function gap(): MeridianError {
  return new MeridianError('LOG_GAP', 'A message of the source was lost.', {
    retry: 'safe',
    fix: 'Subscribe again from the applied position.',
  })
}

function broken(source: string): MeridianError {
  return new MeridianError('PROTOCOL_MALFORMED', `Store ${source} sent a broken transaction.`, {
    fix: 'Bring both regions to the same version.',
  })
}
