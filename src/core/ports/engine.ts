/** Port: what commits transactions of one consistency mode in one region. */
import type { TransactionRequest, TransactionResult } from '../operations.ts'

/** Commits transactions, each as a whole or not at all. */
export interface TransactionEngine {
  /**
   * Validates and applies the transaction; durable when it resolves. Idempotent by the request's
   * `idempotencyKey`: a repetition answers with the first outcome.
   *
   * @throws MeridianError `CONFLICT` (what was read changed; run again), `NOT_FOUND` (update of a
   * missing row), `ALREADY_EXISTS` (insert over a live row), `CONSTRAINT_VIOLATED`,
   * `CONDITION_FAILED`, `IDEMPOTENCY_REUSED`, `IDEMPOTENCY_EXPIRED`, `NOT_HOME` (pinned),
   * `UNKNOWN_OUTCOME`
   */
  commit(request: TransactionRequest): Promise<TransactionResult>
}
