/** Commits transactions on eventual tables: every region at once, without asking another. */
import type { TransactionRequest, TransactionResult } from '../src/core/operations.ts'
import type { TransactionEngine } from '../src/core/ports/engine.ts'
import type { Clock } from '../src/core/ports/runtime.ts'
import type { Store } from '../src/core/ports/store.ts'
import type { StoreClock } from '../src/core/store-clock.ts'
import type { SqlRow } from '../src/core/values.ts'
import type { CompiledSchema } from '../src/schema/compiled.ts'
import { LAST_LOCAL_SEQ } from '../src/schema/system-tables.ts'
import { textClientId } from './client-id.ts'
import { RowLane, type RoundRows } from './lane.ts'
import { checkAge, earlierResult, outcomeLookup, storeOutcome } from './outcomes.ts'
import { evaluate, prepareTransaction, type PreparedTransaction } from './transaction.ts'
import { beginWrite, writeGuarded, WriteSet } from './write-set.ts'

/** What the parts of the eventual mode share, one set a store. */
export interface EventualContext {
  readonly store: Store
  readonly schema: CompiledSchema
  /** The store's clock; the only one that draws its stamps in this process. */
  readonly clock: StoreClock
  readonly wallClock: Pick<Clock, 'nowMs'>
  /** `<region>.<incarnation>` of the store. */
  readonly source: string
  /** Engine, applier and sweeper of a store go through one lane. */
  readonly lane: RowLane
}

/** The context of a store's eventual mode. */
export function createEventualContext(options: Omit<EventualContext, 'lane'>): EventualContext {
  return { ...options, lane: new RowLane(options.store) }
}

/**
 * The engine. `insert` over a live row is refused here, and merges column by column with an insert
 * in another region; a delete leaves a tombstone; conditions and reads are checked against this
 * region's rows.
 *
 * Errors as `TransactionEngine`, and `OVERLOADED`, `MODE_MISMATCH`, `TENANT_REQUIRED`,
 * `UNKNOWN_TABLE`.
 */
export function createEventualEngine(context: EventualContext): TransactionEngine {
  return new EventualEngine(context)
}

class EventualEngine implements TransactionEngine {
  readonly #context: EventualContext
  readonly #clientId: number

  constructor(context: EventualContext) {
    this.#context = context
    this.#clientId = textClientId(context.source)
  }

  async commit(request: TransactionRequest): Promise<TransactionResult> {
    const { lane, schema, wallClock } = this.#context
    checkAge(request, wallClock.nowMs())
    const transaction = prepareTransaction(schema, request)
    return lane.submit({
      rows: transaction.rows,
      lookups: [outcomeLookup(request)],
      alone: false,
      run: (rows, [outcome]) => this.#run(transaction, rows, outcome?.[0]),
    })
  }

  /** Not async: what it refuses is thrown before anything is written, see `LaneJob`. */
  #run(
    transaction: PreparedTransaction,
    rows: RoundRows,
    outcome: SqlRow | undefined,
  ): Promise<TransactionResult> {
    const { store, schema, clock, source } = this.#context
    const { request } = transaction
    const earlier = earlierResult(request, source, outcome)
    if (earlier !== undefined) return Promise.resolve(earlier)
    rows.claim(`${request.tenant} ${request.idempotencyKey}`)
    const hlc = clock.next()
    const writes = new WriteSet(schema, rows)
    const author = { source, hlc, clientId: this.#clientId }
    const updated = evaluate(transaction, rows, writes, author)
    const result = { txId: request.txId, updated, hlc }
    const statements = [
      beginWrite(schema, request.txId, hlc, 'user'),
      ...writes.finish(),
      storeOutcome(request, result, this.#context.wallClock.nowMs()),
      LAST_LOCAL_SEQ,
    ]
    const written = writeGuarded(() => store.write(statements), store, clock)
    return written.then((answers) => ({
      ...result,
      position: { source, seq: Number(answers.at(-1)?.rows[0]?.[0]) },
    }))
  }
}
