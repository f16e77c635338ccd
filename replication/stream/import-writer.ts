/** Commits what another region's store sent: rows, outbox rows and position in one transaction. */
import type { Change } from '../../src/core/change.ts'
import { asMeridianError, isErrorCode, MeridianError } from '../../src/core/errors.ts'
import { hlcMs, HLC_ZERO, maxHlc, type Hlc } from '../../src/core/hlc.ts'
import { MAX_CLOCK_DRIFT_MS } from '../../src/core/limits.ts'
import type { ChangeApplier } from '../../src/core/ports/changes.ts'
import type { Clock } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import type { StreamFaults } from './faults.ts'

const WRITE_ATTEMPTS = 5

/** Applies changes of other regions, one applier a consistency mode. */
export interface ChangeAppliers {
  readonly pinned: ChangeApplier
  readonly eventual: ChangeApplier
}

/** What an import writer is made of. */
export interface ImportWriterOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  /** The store's clock, shared by all its writers. */
  readonly storeClock: StoreClock
  readonly clock: Clock
  readonly appliers: ChangeAppliers
  readonly faults: StreamFaults
}

/** How far a source is followed. */
export interface SourcePosition {
  /** Committed here. */
  readonly applied: number
  /** Readable here: below the first change that is held until this clock comes near its stamp. */
  readonly visible: number
}

/** A step of a source's position with the changes in it: whole transactions, or none. */
export interface ImportStep {
  readonly source: string
  readonly previous: number
  readonly position: number
  readonly hlc: Hlc | null
  readonly changes: readonly Change[]
}

export class ImportWriter {
  readonly #options: ImportWriterOptions

  constructor(options: ImportWriterOptions) {
    this.#options = options
  }

  /** The sources that are followed, and how far. */
  async positions(): Promise<ReadonlyMap<string, SourcePosition>> {
    const [result] = await this.#options.store.read([
      {
        sql: `SELECT source, seq, (SELECT min(h.seq) - 1 FROM _held h WHERE h.source = p.source)
          FROM _positions p`,
        args: [],
      },
    ])
    return new Map(
      (result?.rows ?? []).map(([source, seq, held]) => [
        String(source),
        { applied: Number(seq), visible: Number(held ?? seq) },
      ]),
    )
  }

  /** Whether the step has stamps that are too far ahead of this clock to be applied now. */
  hasEarly(step: ImportStep): boolean {
    const limitMs = this.#latestMs()
    return step.changes.some((change) => hlcMs(change.hlc) > limitMs)
  }

  /**
   * Commits the step, or nothing.
   *
   * @throws MeridianError `LOG_GAP` (retry: safe) when the store's position is not `previous`,
   * `SCHEMA_INCOMPATIBLE`, and `CONSTRAINT_VIOLATED` or the applier's own error (retry: never) for
   * a transaction that cannot be applied; those before it are committed then
   */
  async commit(step: ImportStep): Promise<void> {
    this.#check(step)
    try {
      await this.#apply(step)
    } catch (error) {
      if (!isPoison(error)) throw error
      await this.#commitSingly(step)
    }
  }

  #check(step: ImportStep): void {
    const { schema } = this.#options
    for (const change of step.changes) {
      if (change.schemaVersion <= schema.version && schema.tableById.has(change.tableId)) continue
      throw new MeridianError(
        'SCHEMA_INCOMPATIBLE',
        `Store ${step.source} writes schema ${change.schemaVersion}; this region has ${schema.version}.`,
        { fix: 'Bring this region to the newer schema.' },
      )
    }
  }

  #latestMs(): number {
    return this.#options.clock.nowMs() + MAX_CLOCK_DRIFT_MS
  }

  /** Applies; computes anew what another writer of the store was in the way of. */
  async #apply(step: ImportStep): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#applyOnce(step)
        return
      } catch (error) {
        if (!isErrorCode(error, 'CONFLICT') || attempt === WRITE_ATTEMPTS) throw error
      }
    }
  }

  async #applyOnce(step: ImportStep): Promise<void> {
    const { schema, appliers } = this.#options
    const of = (consistency: string): readonly Change[] =>
      step.changes.filter(
        (change) => schema.tableById.get(change.tableId)?.consistency === consistency,
      )
    const pinned = of('pinned')
    const eventual = of('eventual')
    const withPinned: ChangeApplier['apply'] = (changes, commit) =>
      changes.length === 0 ? commit([]) : appliers.pinned.apply(changes, commit)
    const withEventual: ChangeApplier['apply'] = (changes, commit) =>
      changes.length === 0 ? commit([]) : appliers.eventual.apply(changes, commit)
    await withPinned(pinned, (first) =>
      withEventual(eventual, (second) => this.#write(step, [...first, ...second])),
    )
  }

  async #write(step: ImportStep, statements: readonly Statement[]): Promise<void> {
    const { store, faults } = this.#options
    const position = positionStatements(step)
    if (faults.positionApart === true) await store.write(position)
    const guarded = faults.positionApart === true ? [] : position
    const isAdvance = step.changes.length === 0
    for (let attempt = 1; ; attempt++) {
      try {
        await store.write(isAdvance ? position : [this.#context(step), ...guarded, ...statements])
        return
      } catch (error) {
        if (!(error instanceof StatementFailed)) throw error
        const index = error.statementIndex + (isAdvance ? 1 : 0)
        if (index === 1 && error.kind === 'check') throw moved(step)
        if (index !== 0 || attempt === WRITE_ATTEMPTS) throw error
        await this.#observeStore()
      }
    }
  }

  #context(step: ImportStep): Statement {
    const { storeClock, schema } = this.#options
    // A clock that is far ahead must not pull this one along (protocol rule 17).
    const latestMs = this.#latestMs()
    const stamps = step.changes.map(({ hlc }) => hlc).filter((hlc) => hlcMs(hlc) <= latestMs)
    storeClock.observe(stamps.reduce(maxHlc, HLC_ZERO))
    return beginContext({
      txId: `${step.source}:${step.position}`,
      hlc: storeClock.next(),
      epoch: 0,
      cause: 'user',
      schemaVersion: schema.version,
      capture: false,
      origin: null,
    })
  }

  async #observeStore(): Promise<void> {
    const { store, storeClock } = this.#options
    const [result] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
    storeClock.observe(String(result?.rows[0]?.[0]))
  }

  /** Commits transaction by transaction, up to the one that cannot be applied. */
  async #commitSingly(step: ImportStep): Promise<void> {
    let previous = step.previous
    const transactions = splitTransactions(step.changes)
    for (const [place, changes] of transactions.entries()) {
      const isLast = place === transactions.length - 1
      const position = isLast ? step.position : (changes.at(-1) as Change).localSeq
      try {
        await this.#apply({ ...step, previous, position, changes, hlc: isLast ? step.hlc : null })
      } catch (error) {
        throw isPoison(error) ? quarantine(step.source, changes, error) : error
      }
      previous = position
    }
  }
}

/** Whether an error comes from the changes themselves: the same changes will fail again. */
function isPoison(error: unknown): boolean {
  if (!(error instanceof MeridianError)) return true
  return error.retry === 'never' && error.code !== 'CLOSED'
}

function positionStatements(step: ImportStep): readonly [Statement, Statement] {
  return [
    {
      sql: `INSERT INTO _guard SELECT 1
        WHERE coalesce((SELECT seq FROM _positions WHERE source = ?), 0) <> ?`,
      args: [step.source, step.previous],
    },
    {
      sql: `INSERT INTO _positions VALUES (?, ?, ?)
        ON CONFLICT (source) DO UPDATE SET seq = excluded.seq, hlc = max(hlc, excluded.hlc)`,
      args: [step.source, step.position, step.hlc ?? HLC_ZERO],
    },
  ]
}

function splitTransactions(changes: readonly Change[]): (readonly Change[])[] {
  const transactions: Change[][] = []
  for (const change of changes) {
    if (change.index === 0) transactions.push([])
    transactions.at(-1)?.push(change)
  }
  return transactions
}

function moved(step: ImportStep): MeridianError {
  return new MeridianError('LOG_GAP', `The position of ${step.source} is not ${step.previous}.`, {
    retry: 'safe',
    fix: 'Subscribe again from the stored position.',
  })
}

function quarantine(source: string, changes: readonly Change[], cause: unknown): MeridianError {
  const [first] = changes
  const code =
    cause instanceof StatementFailed ? 'CONSTRAINT_VIOLATED' : asMeridianError(cause).code
  return new MeridianError(
    code,
    `Transaction ${first?.txId} of ${source} cannot be applied; its stream stands still.`,
    {
      retry: 'never',
      fix: 'Repair the row or the schema in this region, then start the stream again.',
      details: {
        source,
        txId: first?.txId,
        position: first?.localSeq,
        tableId: first?.tableId,
      },
      cause,
    },
  )
}
