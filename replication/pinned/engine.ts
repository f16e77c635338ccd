/** Pinned tables: transactions in the home region's store, one write each. */
import { MeridianError } from '../../src/core/errors.ts'
import type { TransactionRequest, TransactionResult } from '../../src/core/operations.ts'
import type { TransactionEngine } from '../../src/core/ports/engine.ts'
import type { Clock } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type StatementResult, type Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import { LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { rowReader } from '../../src/sql/select.ts'
import { tenantKey } from '../../src/tenancy/tenant-key.ts'
import type { PinnedFaults } from './faults.ts'
import { readOutcome, requireFresh, selectOutcome } from './outcomes.ts'
import { prepareTransaction, type PreparedTransaction } from './prepare.ts'
import { compileProgram, violationCode, type Program, type StepMeaning } from './program.ts'

/** A tenant's place in the directory. */
export interface Home {
  readonly home: string
  readonly epoch: number
  /** `active`, or a step of a move. */
  readonly state: string
}

/** The directory, as far as the engine needs it: a hint, since the write checks it again. */
export interface HomeLookup {
  lookup(tenant: string): Promise<Home | undefined>
}

/** What a pinned engine needs. */
export interface PinnedEngineOptions {
  readonly store: Store
  readonly schema: CompiledSchema
  /** The clock of `store`. */
  readonly clock: StoreClock
  readonly wallClock: Clock
  readonly region: string
  /** The store's source id. */
  readonly source: string
  readonly directory: HomeLookup
  /** Test-only. */
  readonly faults?: PinnedFaults
}

/** How often a transaction is tried while clock, directory and outcomes change under it. */
const MAX_ATTEMPTS = 5

/** Creates the engine of one store. */
export function createPinnedEngine(options: PinnedEngineOptions): TransactionEngine {
  return new PinnedEngine(options)
}

class PinnedEngine implements TransactionEngine {
  readonly #options: PinnedEngineOptions

  constructor(options: PinnedEngineOptions) {
    this.#options = options
  }

  /**
   * Commits a transaction at its tenant's home; durable and in effect when it resolves, and
   * serializable: it ran alone, at one instant, on the rows that it had read. Repeating a request
   * has one effect and one answer.
   *
   * @throws MeridianError as `TransactionEngine.commit` says, and `NOT_HOME` with `{ home, epoch }`
   * in its details, `TENANT_NOT_FOUND`, `TENANT_REQUIRED`, `UNKNOWN_TABLE`, `MODE_MISMATCH`,
   * `TRANSACTION_TOO_LARGE`, `CLOCK_SKEW`, and what the store throws
   */
  async commit(request: TransactionRequest): Promise<TransactionResult> {
    const { schema, wallClock } = this.#options
    const transaction = prepareTransaction(schema, request)
    requireFresh(request, wallClock.nowMs())
    let careful = false
    let refusedEpoch = 0
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const home = await this.#requireHome(request.tenant, refusedEpoch)
      // Stamp and write in one turn: the store takes stamps in the order in which they are drawn.
      const program = this.#compile(transaction, home, careful)
      try {
        return this.#result(request, program, await this.#options.store.write(program.statements))
      } catch (error) {
        if (!(error instanceof StatementFailed)) throw error
        const meaning = program.meanings[error.statementIndex] ?? { kind: 'other' }
        const next = await this.#afterFailure(transaction, program, meaning, error)
        if (typeof next !== 'string') return next
        careful ||= next === 'careful'
        if (next === 'look-up') refusedEpoch = home.epoch
      }
    }
    throw new MeridianError('OVERLOADED', 'The store changed under every attempt to write.', {
      fix: 'Send the write again.',
    })
  }

  #compile(transaction: PreparedTransaction, home: Home, careful: boolean): Program {
    const { clock, region, schema, faults } = this.#options
    return compileProgram(transaction, {
      hlc: clock.next(),
      epoch: home.epoch,
      tenantKey: tenantKey(transaction.request.tenant),
      region,
      schemaVersion: schema.version,
      careful,
      faults: faults ?? {},
    })
  }

  #result(
    request: TransactionRequest,
    program: Program,
    results: readonly StatementResult[],
  ): TransactionResult {
    return {
      txId: request.txId,
      updated: program.updates.map(
        ({ statement, table }) => rowReader(table)(results[statement]?.rows[0] ?? []).image,
      ),
      position: { source: this.#options.source, seq: seqOf(results.at(-1)) },
      hlc: program.hlc,
    }
  }

  /** The stored outcome, or how to try again. @throws MeridianError the refusal */
  async #afterFailure(
    transaction: PreparedTransaction,
    program: Program,
    meaning: StepMeaning,
    failure: StatementFailed,
  ): Promise<TransactionResult | 'again' | 'careful' | 'look-up'> {
    switch (meaning.kind) {
      case 'clock':
        if (failure.kind !== 'raise') throw failure
        await this.#observeClock()
        return 'again'
      case 'home':
        return 'look-up'
      case 'outcome':
        return (await this.#storedResult(transaction, program)) ?? 'again'
      case 'guard':
        throw refusal(meaning)
      case 'write': {
        if (meaning.ambiguous && failure.kind === 'unique') return 'careful'
        const code = violationCode(failure.kind)
        if (code === undefined) throw failure
        throw new MeridianError(code, `A value breaks a constraint of '${meaning.table.name}'.`, {
          details: { table: meaning.table.name, constraint: failure.kind },
          cause: failure,
        })
      }
      case 'other':
        throw failure
    }
  }

  async #observeClock(): Promise<void> {
    const [result] = await this.#options.store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
    const hlc = result?.rows[0]?.[0]
    if (typeof hlc === 'string') this.#options.clock.observe(hlc)
  }

  async #storedResult(
    { request }: PreparedTransaction,
    program: Program,
  ): Promise<TransactionResult | undefined> {
    const { store, source } = this.#options
    const [rows, seq] = await store.read([selectOutcome(request), LAST_LOCAL_SEQ])
    const updates = program.updates.map((update) => update.table)
    const outcome = readOutcome(request, updates, rows?.rows ?? [])
    // At or behind the write's own position: all that a session needs.
    return outcome && { ...outcome, position: { source, seq: seqOf(seq) } }
  }

  /** `refusedEpoch`: the store has just refused this one, whatever the directory says. */
  async #requireHome(tenant: string, refusedEpoch: number): Promise<Home> {
    const { directory, region } = this.#options
    const home = await directory.lookup(tenant)
    if (home === undefined) {
      throw new MeridianError('TENANT_NOT_FOUND', 'The directory does not know the tenant.', {
        fix: 'Create it with `db.tenants.create({ id, home })`.',
        details: { tenant },
      })
    }
    if (home.home === region && home.state === 'active' && home.epoch !== refusedEpoch) return home
    throw notHome(region, home)
  }
}

function notHome(region: string, home: Home): MeridianError {
  const moving = home.home === region
  return new MeridianError(
    'NOT_HOME',
    moving ? 'The tenant is on the move.' : `The tenant's home is ${home.home}.`,
    {
      fix: moving ? 'Send the write again.' : `Send the write to ${home.home}.`,
      details: { home: home.home, epoch: home.epoch },
    },
  )
}

const REFUSALS: Readonly<Record<string, readonly [message: string, fix?: string]>> = {
  CONFLICT: ["A row of '{table}' that was read has changed.", 'Run the transaction again.'],
  NOT_FOUND: ["Table '{table}' has no row with this key to update.", 'Insert it, or use `upsert`.'],
  ALREADY_EXISTS: ["Table '{table}' has a row with this key.", 'Use `update` or `upsert`.'],
  CONDITION_FAILED: ["A condition on a row of '{table}' does not hold."],
}

function refusal({ code, table }: StepMeaning & { readonly kind: 'guard' }): MeridianError {
  const [message, fix] = REFUSALS[code] ?? ["Table '{table}' refused the transaction."]
  return new MeridianError(code, message.replace('{table}', table.name), {
    ...(fix === undefined ? {} : { fix }),
    details: { table: table.name },
  })
}

function seqOf(result: StatementResult | undefined): number {
  return Number(result?.rows[0]?.[0] ?? 0)
}
