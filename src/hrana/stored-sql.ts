/**
 * SQL texts that a client stored to send them once, and the resolution of what requests refer to.
 * A text is looked up when its request is accepted, so that a later `close_sql` does not reach it.
 */
import type { SqlStatement } from '../core/ports/sql-session.ts'
import { HranaError } from './errors.ts'
import type { HranaLimits } from './limits.ts'
import type { Batch, BatchCond, SqlRef, Stmt, StoreRequest } from './model.ts'

/** A batch whose statements are known. */
export interface ResolvedBatch {
  readonly steps: readonly {
    readonly condition: BatchCond | undefined
    readonly statement: SqlStatement
  }[]
}

/** The texts of one stream (HTTP) or one socket. */
export class StoredSql {
  readonly #limits: HranaLimits
  readonly #texts = new Map<number, string>()
  #length = 0

  constructor(limits: HranaLimits) {
    this.#limits = limits
  }

  /** @throws HranaError `SQL_EXISTS`, `SQL_STORE_TOO_MANY`, `SQL_STORE_TOO_LARGE` */
  apply(request: StoreRequest): void {
    if (request.type === 'close_sql') {
      this.#length -= this.#texts.get(request.sqlId)?.length ?? 0
      this.#texts.delete(request.sqlId)
      return
    }
    const { sqlId, sql } = request
    if (this.#texts.has(sqlId)) {
      throw new HranaError('SQL_EXISTS', `A SQL text with the id ${sqlId} is stored already.`)
    }
    if (this.#texts.size >= this.#limits.maxStoredSqls) {
      throw new HranaError(
        'SQL_STORE_TOO_MANY',
        `No more than ${this.#limits.maxStoredSqls} SQL texts can be stored.`,
      )
    }
    if (this.#length + sql.length > this.#limits.maxStoredSqlLength) {
      throw new HranaError(
        'SQL_STORE_TOO_LARGE',
        `Stored SQL texts may have ${this.#limits.maxStoredSqlLength} characters together.`,
      )
    }
    this.#texts.set(sqlId, sql)
    this.#length += sql.length
  }

  /** @throws HranaError `SQL_NOT_FOUND`, `SQL_AMBIGUOUS` */
  text(ref: SqlRef): string {
    if ((ref.sql === undefined) === (ref.sqlId === undefined)) {
      throw new HranaError('SQL_AMBIGUOUS', 'Exactly one of `sql` and `sql_id` must be given.')
    }
    if (ref.sql !== undefined) return ref.sql
    const text = ref.sqlId === undefined ? undefined : this.#texts.get(ref.sqlId)
    if (text === undefined) {
      throw new HranaError('SQL_NOT_FOUND', `No SQL text with the id ${ref.sqlId} is stored.`)
    }
    return text
  }

  /** @throws HranaError as `text` */
  statement(stmt: Stmt): SqlStatement {
    return {
      sql: this.text(stmt),
      args: stmt.args,
      namedArgs: stmt.namedArgs,
      wantRows: stmt.wantRows,
    }
  }

  /** @throws HranaError as `text`; `BATCH_TOO_LARGE`, `BATCH_COND_BAD_STEP` */
  batch(batch: Batch): ResolvedBatch {
    if (batch.steps.length > this.#limits.maxBatchSteps) {
      throw new HranaError(
        'BATCH_TOO_LARGE',
        `A batch may have ${this.#limits.maxBatchSteps} steps; this one has ${batch.steps.length}.`,
      )
    }
    return {
      steps: batch.steps.map(({ condition, stmt }, index) => {
        if (condition !== undefined) checkSteps(condition, index)
        return { condition, statement: this.statement(stmt) }
      }),
    }
  }
}

/** A condition may ask only for what has happened by then. */
function checkSteps(condition: BatchCond, before: number): void {
  switch (condition.type) {
    case 'ok':
    case 'error':
      if (condition.step < before) return
      throw new HranaError(
        'BATCH_COND_BAD_STEP',
        `The condition of step ${before} refers to step ${condition.step}, which is not before it.`,
      )
    case 'not':
      checkSteps(condition.cond, before)
      return
    case 'and':
    case 'or':
      for (const part of condition.conds) checkSteps(part, before)
      return
    case 'is_autocommit':
  }
}
