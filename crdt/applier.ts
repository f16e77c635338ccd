/** Merges changes that other regions made. */
import type { Change } from '../src/core/change.ts'
import { MeridianError } from '../src/core/errors.ts'
import { hlcMs, maxHlc, stampHlc, type Hlc } from '../src/core/hlc.ts'
import { MAX_CLOCK_DRIFT_MS } from '../src/core/limits.ts'
import type { ChangeApplier } from '../src/core/ports/changes.ts'
import type { Statement, StatementResult } from '../src/core/ports/store.ts'
import { sameBytes, type SqlRow } from '../src/core/values.ts'
import type { CompiledTable } from '../src/schema/compiled.ts'
import { decodeDelta, encodeDelta } from './codec.ts'
import { conflictRows, type RowLoss } from './conflict-rows.ts'
import { findLosses } from './conflicts.ts'
import type { EventualContext } from './engine.ts'
import { dueChanges, heldLookup, holdRows, READ_HELD, releaseRows } from './held-rows.ts'
import { StaleRound, type LaneJob, type Lookup, type RoundRows } from './lane.ts'
import { merge } from './merge.ts'
import { lastStamp, type RowState } from './state.ts'
import { rowRef, type RowRef, type StoredRow } from './stored-rows.ts'
import { beginWrite, writeGuarded, WriteSet } from './write-set.ts'

/** Applies changes of eventual tables. */
export interface EventualApplier extends ChangeApplier {
  /**
   * Applies changes of other regions. `commit` begins the write's context with a stamp drawn from
   * the store's clock then, and hands it to the store before its first await. Changes whose stamp is more than `MAX_CLOCK_DRIFT_MS` ahead of this region's clock are
   * stored aside, and those of their source behind them, so that a source's changes stay in order.
   *
   * @throws MeridianError `CONFLICT` (retry: safe) when another writer of the store was in the
   * way; nothing was written
   */
  apply: ChangeApplier['apply']

  /** Applies the held changes whose time has come. Returns how many. */
  releaseHeld(): Promise<number>
}

/** The applier of a store. */
export function createEventualApplier(context: EventualContext): EventualApplier {
  return new Applier(context)
}

/** A change, decoded. */
interface Incoming {
  readonly change: Change
  readonly ref: RowRef
  readonly delta: RowState
  readonly hlc: Hlc
}

type Commit = (statements: readonly Statement[]) => Promise<void>

class Applier implements EventualApplier {
  readonly #context: EventualContext
  #releasing: Promise<unknown> = Promise.resolve()

  constructor(context: EventualContext) {
    this.#context = context
  }

  async apply(changes: readonly Change[], commit: Commit): Promise<void> {
    const incoming = changes.map((change) => this.#decode(change))
    const sources = [...new Set(changes.map((change) => change.origin.source))]
    const job = {
      rows: incoming.map(({ ref }) => ref),
      lookups: [...sources.map(positionLookup), ...sources.map(heldLookup)],
      alone: true,
      run: (rows: RoundRows, found: readonly (readonly SqlRow[])[]): Promise<void> => {
        const applied = new Map(
          sources.map((source, i) => [source, Number(found[i]?.[0]?.[0] ?? 0)]),
        )
        const held = sources.filter((_, i) => found[sources.length + i]?.length === 1)
        const aside = this.#takeEarly(incoming, new Set(held))
        const due = incoming.filter((item) => !aside.has(item))
        const statements = this.#merge(due, rows, applied)
        statements.push(...holdRows([...aside].map(({ change }) => change)))
        return this.#write(() => commit(statements).then(() => []))
      },
    }
    return this.#submitOnce(job)
  }

  releaseHeld(): Promise<number> {
    const released = this.#releasing.then(() => this.#release())
    this.#releasing = released.catch(() => undefined)
    return released
  }

  async #release(): Promise<number> {
    const { lane, store, schema, clock, wallClock } = this.#context
    let count = 0
    for (;;) {
      const [result] = await store.read([READ_HELD])
      const latestMs = wallClock.nowMs() + MAX_CLOCK_DRIFT_MS
      const changes = dueChanges(result?.rows ?? [], latestMs)
      if (changes.length === 0) return count
      const incoming = changes.map((change) => this.#decode(change))
      await lane.submit({
        rows: incoming.map(({ ref }) => ref),
        lookups: [],
        alone: true,
        run: (rows) => {
          const statements = this.#merge(incoming, rows, new Map())
          const begin = beginWrite(schema, changes[0]?.txId ?? '', clock.next(), 'user')
          return this.#write(() => store.write([begin, ...statements, ...releaseRows(changes)]))
        },
      })
      count += changes.length
    }
  }

  /** `commit` is called once: a write that met another writer is the caller's to repeat. */
  async #submitOnce(job: LaneJob<void>): Promise<void> {
    let stale = false
    await this.#context.lane.submit({
      ...job,
      run: (rows, found) =>
        job.run(rows, found).then(undefined, (error: unknown) => {
          if (!(error instanceof StaleRound)) throw error
          stale = true
        }),
    })
    if (!stale) return
    throw new MeridianError('CONFLICT', 'Another writer of the store changed the rows.', {
      fix: 'Apply the changes again.',
    })
  }

  #decode(change: Change): Incoming {
    const { schema } = this.#context
    const table = schema.tableById.get(change.tableId)
    if (table?.consistency !== 'eventual' || change.delta === null) throw unfit(change, table)
    const delta = decodeDelta(change.delta)
    for (const slot of delta.registers.keys()) {
      if (!table.columnById.has(Math.floor(slot / 2))) throw unfit(change, table)
    }
    const last = lastStamp(delta)
    const hlc = last === null ? change.hlc : maxHlc(change.hlc, stampHlc(last))
    return { change, ref: rowRef(table, change.tenant, change.key), delta, hlc }
  }

  /** What must wait: stamps too far ahead, and everything of a source that has such. */
  #takeEarly(incoming: readonly Incoming[], held: Set<string>): ReadonlySet<Incoming> {
    const latestMs = this.#context.wallClock.nowMs() + MAX_CLOCK_DRIFT_MS
    const early = new Set<Incoming>()
    for (const item of incoming) {
      const { source } = item.change.origin
      if (hlcMs(item.hlc) > latestMs) held.add(source)
      if (held.has(source)) early.add(item)
    }
    return early
  }

  /** The statements that merge the changes. Their versions are below the next stamp. */
  #merge(
    incoming: readonly Incoming[],
    rows: RoundRows,
    applied: ReadonlyMap<string, number>,
  ): Statement[] {
    const { schema, clock } = this.#context
    const writes = new WriteSet(schema, rows)
    const current = new Map<string, StoredRow>()
    const losses: RowLoss[] = []
    for (const item of incoming) clock.observe(item.hlc)
    for (const { change, ref, delta } of incoming) {
      const row = current.get(ref.id) ?? rows.get(ref)
      const state = merge(row.state, delta, ref.table.onConcurrentDelete)
      const { source, seq } = change.origin
      const again = seq <= (applied.get(source) ?? 0)
      if (again && sameState(row.state, state)) continue
      for (const loss of findLosses(ref.table, row.state, delta)) losses.push({ ref, loss })
      const { txId, hlc, cause } = change
      if (row.version !== null) clock.observe(row.version)
      const facts = { txId, hlc, cause, origin: { source, seq } }
      const version = clock.next()
      const bytes = change.delta as Uint8Array
      current.set(ref.id, writes.change({ row, state, delta: bytes, version, facts }))
    }
    return [...writes.finish(), ...conflictRows(losses)]
  }

  async #write(write: () => Promise<readonly StatementResult[]>): Promise<void> {
    await writeGuarded(write, this.#context.store, this.#context.clock)
  }
}

function sameState(a: RowState, b: RowState): boolean {
  return sameBytes(encodeDelta(a), encodeDelta(b))
}

function positionLookup(source: string): Lookup {
  return { sql: FIND_POSITION, args: source }
}

const FIND_POSITION = `SELECT j.key, p.seq
  FROM json_each(?) j CROSS JOIN _positions p ON p.source = j.value`

function unfit(change: Change, table: CompiledTable | undefined): MeridianError {
  const name = table === undefined ? `table ${change.tableId}` : `\`${table.name}\``
  return new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `A change of schema version ${change.schemaVersion} does not fit ${name} as this store has it.`,
    { fix: 'Bring this region to the newer schema; the change is applied then.' },
  )
}
