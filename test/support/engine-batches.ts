/**
 * What a libSQL server does with batches, played by the engine in this process: for tests that need
 * to look at what was sent, or to lose an answer, end a transaction or refuse a statement.
 */
import type { SqlValue } from '../../src/core/values.ts'
import { readRow } from '../../src/drivers/store/bind.ts'
import { openEngine, type EngineDatabase } from '../../src/drivers/libsql/engine.ts'
import {
  BatchRefused,
  type BatchConnection,
  type BatchStep,
  type Condition,
  type RemoteFailure,
  type StepOutcome,
} from '../../src/drivers/store/remote/batch.ts'

/** Called before a step runs; what it returns is the step's outcome instead. */
export type StepHook = (step: BatchStep, place: number) => StepOutcome | void

export class EngineBatches implements BatchConnection {
  readonly db: EngineDatabase = openEngine(':memory:')
  /** Every batch that came, in order. */
  readonly sent: (readonly BatchStep[])[] = []
  /** Called before a batch runs; may throw, as a lost connection does. */
  onBatch: (steps: readonly BatchStep[]) => void = () => undefined
  /** Called after it; may throw: the answer is lost, what it did is not. */
  onAnswer: (steps: readonly BatchStep[]) => void = () => undefined
  onStep: StepHook = () => undefined
  /** Statements that the server cannot read. */
  unreadable = /^$/

  async batch(steps: readonly BatchStep[]): Promise<readonly StepOutcome[]> {
    await Promise.resolve()
    this.sent.push(steps)
    this.onBatch(steps)
    const refused = steps.find(({ sql }) => this.unreadable.test(sql))
    if (refused !== undefined) throw new BatchRefused(UNREADABLE)
    const outcomes: StepOutcome[] = []
    for (const [place, step] of steps.entries()) {
      const runs = step.when === undefined || this.#holds(step.when, outcomes)
      outcomes.push(runs ? (this.onStep(step, place) ?? this.#run(step)) : undefined)
    }
    if (this.db.inTransaction) this.db.exec('ROLLBACK')
    this.onAnswer(steps)
    return outcomes
  }

  async describe(statements: readonly string[]): Promise<readonly (RemoteFailure | undefined)[]> {
    return statements.map((sql) => (this.unreadable.test(sql) ? UNREADABLE : undefined))
  }

  close(): void {
    this.db.close()
  }

  /** The first column of what a statement gives. */
  values(sql: string): readonly SqlValue[] {
    const outcome = this.#run({ sql, args: [] })
    return outcome?.ok === true ? outcome.rows.map((row) => row[0] ?? null) : []
  }

  #holds(condition: Condition, outcomes: readonly StepOutcome[]): boolean {
    if (condition === 'autocommit') return !this.db.inTransaction
    if ('not' in condition) return !this.#holds(condition.not, outcomes)
    if ('all' in condition) return condition.all.every((one) => this.#holds(one, outcomes))
    return outcomes[condition.ok]?.ok === true
  }

  #run({ sql, args }: BatchStep): StepOutcome {
    try {
      const statement = this.db.prepare(sql)
      if (!statement.reader) {
        const { changes } = statement.run(args)
        return { ok: true, columns: [], rows: [], rowsAffected: changes }
      }
      statement.raw()
      statement.safeIntegers(true)
      const columns = statement.columns().map(({ name }) => name)
      const rows = [...statement.iterate(args)].map(readRow)
      return { ok: true, columns, rows, rowsAffected: 0 }
    } catch (error) {
      const { code = '', message } = error as Error & { readonly code?: string }
      return { ok: false, failure: { code: code.replace(/^(SQLITE_[A-Z]+)_.*/, '$1'), message } }
    }
  }
}

const UNREADABLE = {
  code: 'SQL_PARSE_ERROR',
  message: 'SQL string could not be parsed: near "x"',
}
