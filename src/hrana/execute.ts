/** What requests do to a session: statements, batches with conditions, cursors over batches. */
import type { SqlDescription, SqlSession, SqlStatement } from '../core/ports/sql-session.ts'
import type { Clock, Runtime } from '../core/ports/runtime.ts'
import type { SqlRow, SqlValue } from '../core/values.ts'
import { HranaError, isUnexpected, toWireError } from './errors.ts'
import type { HranaLimits } from './limits.ts'
import type {
  BatchCond,
  BatchResult,
  SessionRequest,
  SessionResponse,
  StmtResult,
  WireError,
} from './model.ts'
import type { SqlStream } from './sql-stream.ts'
import type { ResolvedBatch, StoredSql } from './stored-sql.ts'
import { Turns } from './turns.ts'

/** What all executions share. */
export interface ExecuteContext {
  readonly runtime: Runtime
  readonly limits: HranaLimits
  /** Told of failures whose text no client may see. */
  readonly onError: (error: unknown) => void
}

/** How much an answer may still hold. */
export class ResponseBudget {
  readonly #maxBytes: number
  #left: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#left = maxBytes
  }

  /** @throws HranaError `RESPONSE_TOO_LARGE`; the statement has run by then */
  take(result: StmtResult): void {
    let bytes = 0
    for (const { name, decltype } of result.columns) bytes += columnBytes(name, decltype)
    for (const row of result.rows) bytes += rowBytes(row)
    this.#take(bytes)
  }

  /** @throws HranaError `RESPONSE_TOO_LARGE`: a few characters can have thousands of parameters */
  takeDescription({ params, columns }: SqlDescription): void {
    let bytes = 0
    for (const { name } of params) bytes += PARAMETER_BYTES + (name?.length ?? 0)
    for (const { name, decltype } of columns) bytes += columnBytes(name, decltype)
    this.#take(bytes)
  }

  #take(bytes: number): void {
    if (bytes <= this.#left) {
      this.#left -= bytes
      return
    }
    // Refused rows take no room: what ends a transaction must still be answered.
    throw new HranaError(
      'RESPONSE_TOO_LARGE',
      `The answer would exceed ${this.#maxBytes} bytes; ask for fewer rows or use a cursor.`,
    )
  }
}

/** `{"name":null},` */
const PARAMETER_BYTES = 14

function columnBytes(name: string | null, decltype: string | null): number {
  return (name?.length ?? 0) + (decltype?.length ?? 0)
}

/** About what a row takes as JSON: an even bound for all encodings. */
export function rowBytes(row: SqlRow): number {
  let bytes = 2
  for (const value of row) bytes += valueBytes(value)
  return bytes
}

function valueBytes(value: SqlValue): number {
  if (typeof value === 'string') return value.length + 26
  if (value instanceof Uint8Array) return Math.ceil((value.length * 4) / 3) + 28
  return value === null ? 16 : 40
}

/** A request whose SQL texts are known: stored ones may change before it runs. */
export type ResolvedRequest =
  | { readonly type: 'execute'; readonly statement: SqlStatement }
  | { readonly type: 'batch'; readonly batch: ResolvedBatch }
  | { readonly type: 'sequence' | 'describe'; readonly sql: string }
  | { readonly type: 'get_autocommit' }

/** @throws HranaError as the methods of `StoredSql` */
export function resolveRequest(request: SessionRequest, sqls: StoredSql): ResolvedRequest {
  switch (request.type) {
    case 'execute':
      return { type: 'execute', statement: sqls.statement(request.stmt) }
    case 'batch':
      return { type: 'batch', batch: sqls.batch(request.batch) }
    case 'sequence':
    case 'describe':
      return { type: request.type, sql: sqls.text(request.sql) }
    case 'get_autocommit':
      return request
  }
}

/** Runs a request on a stream. @throws what the session throws; HranaError */
export async function runRequest(
  stream: SqlStream,
  request: ResolvedRequest,
  budget: ResponseBudget,
  context: ExecuteContext,
): Promise<SessionResponse> {
  switch (request.type) {
    case 'execute': {
      const { statement } = request
      const result = await stream.call((session) =>
        runStatement(session, statement, context.runtime.clock),
      )
      budget.take(result)
      return { type: 'execute', result }
    }
    case 'batch':
      return { type: 'batch', result: await runBatch(stream, request.batch, budget, context) }
    case 'sequence':
      await stream.call((session) => session.sequence(request.sql))
      return { type: 'sequence' }
    case 'describe': {
      const result = await stream.call((session) => session.describe(request.sql))
      budget.takeDescription(result)
      return { type: 'describe', result }
    }
    case 'get_autocommit':
      return {
        type: 'get_autocommit',
        isAutocommit: await stream.call((session) => session.isAutocommit()),
      }
  }
}

async function runStatement(
  session: SqlSession,
  statement: SqlStatement,
  clock: Clock,
): Promise<StmtResult> {
  const startedMs = clock.monotonicMs()
  const result = await session.execute(statement)
  return {
    columns: result.columns,
    rows: statement.wantRows ? result.rows : [],
    affectedRowCount: result.affectedRowCount,
    lastInsertRowid: result.lastInsertRowid,
    durationMs: clock.monotonicMs() - startedMs,
  }
}

async function runBatch(
  stream: SqlStream,
  batch: ResolvedBatch,
  budget: ResponseBudget,
  context: ExecuteContext,
): Promise<BatchResult> {
  const results: (StmtResult | null)[] = new Array<null>(batch.steps.length).fill(null)
  const errors: (WireError | null)[] = new Array<null>(batch.steps.length).fill(null)
  const run = new BatchRun(stream, batch, context, budget)
  for (;;) {
    const outcome = await run.next()
    if (outcome === undefined) return { results, errors }
    if (outcome.result !== undefined) results[outcome.step] = outcome.result
    else errors[outcome.step] = outcome.error
  }
}

/** What became of a step that was not skipped. */
export type StepOutcome =
  | { readonly step: number; readonly result: StmtResult }
  | { readonly step: number; readonly result: undefined; readonly error: WireError }

/** A batch in progress: one step at a time. */
export class BatchRun {
  readonly #stream: SqlStream
  readonly #batch: ResolvedBatch
  readonly #context: ExecuteContext
  readonly #budget: ResponseBudget | undefined
  readonly #succeeded: (boolean | undefined)[] = []
  readonly #turns: Turns
  #step = 0

  /** @param budget without it, answers are not bounded: whoever takes steps one by one holds one */
  constructor(
    stream: SqlStream,
    batch: ResolvedBatch,
    context: ExecuteContext,
    budget?: ResponseBudget,
  ) {
    this.#stream = stream
    this.#batch = batch
    this.#context = context
    this.#budget = budget
    this.#turns = new Turns(context.runtime)
  }

  /**
   * Runs the next step whose condition holds; `undefined` at the end. A statement's failure is an
   * outcome.
   *
   * @throws HranaError why the stream was ended
   */
  async next(): Promise<StepOutcome | undefined> {
    while (this.#step < this.#batch.steps.length) {
      await this.#turns.next()
      const step = this.#step++
      const outcome = await this.#stream.call((session) => this.#run(session, step))
      this.#succeeded[step] = outcome === undefined ? undefined : outcome.result !== undefined
      if (outcome !== undefined) return outcome
    }
    return undefined
  }

  async #run(session: SqlSession, step: number): Promise<StepOutcome | undefined> {
    const planned = this.#batch.steps[step]
    if (planned === undefined) return undefined
    try {
      if (planned.condition !== undefined && !(await this.#holds(planned.condition, session))) {
        return undefined
      }
      const result = await runStatement(session, planned.statement, this.#context.runtime.clock)
      this.#budget?.take(result)
      return { step, result }
    } catch (error) {
      if (isUnexpected(error)) this.#context.onError(error)
      return { step, result: undefined, error: toWireError(error) }
    }
  }

  async #holds(condition: BatchCond, session: SqlSession): Promise<boolean> {
    switch (condition.type) {
      case 'ok':
        return this.#succeeded[condition.step] === true
      case 'error':
        return this.#succeeded[condition.step] === false
      case 'not':
        return !(await this.#holds(condition.cond, session))
      case 'and':
        for (const part of condition.conds) if (!(await this.#holds(part, session))) return false
        return true
      case 'or':
        for (const part of condition.conds) if (await this.#holds(part, session)) return true
        return false
      case 'is_autocommit':
        return session.isAutocommit()
    }
  }
}

/** Whether a condition asks for the autocommit state, which Hrana 2 does not know. */
export function asksAutocommit(condition: BatchCond): boolean {
  switch (condition.type) {
    case 'not':
      return asksAutocommit(condition.cond)
    case 'and':
    case 'or':
      return condition.conds.some(asksAutocommit)
    case 'is_autocommit':
      return true
    case 'ok':
    case 'error':
      return false
  }
}
