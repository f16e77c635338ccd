/**
 * Idempotency: the outcome of a transaction, stored in the transaction's own write. A repetition
 * is answered from it; refusals are not stored, since they did nothing.
 */
import { MeridianError } from '../src/core/errors.ts'
import { IDEMPOTENCY_RETENTION_MS } from '../src/core/limits.ts'
import type { TransactionRequest, TransactionResult } from '../src/core/operations.ts'
import type { Statement } from '../src/core/ports/store.ts'
import type { SqlRow } from '../src/core/values.ts'
import { LAST_LOCAL_SEQ } from '../src/schema/system-tables.ts'
import { decodeValue, encodeValue } from '../src/protocol/codec.ts'
import type { Lookup } from './lane.ts'

/** Reads the outcome of an earlier send, and where the store stands. */
export function outcomeLookup(request: TransactionRequest): Lookup {
  return { sql: FIND, args: [request.tenant, request.idempotencyKey] }
}

const FIND = `SELECT j.key, o.hash, o.result, (${LAST_LOCAL_SEQ.sql})
  FROM json_each(?) j CROSS JOIN _outcomes o
  ON o.tenant = j.value->>0 AND o.key = j.value->>1`

/**
 * The answer of an earlier send, `undefined` when there was none. Its position is where the store
 * stands now, which is not before where it stood then.
 *
 * @throws MeridianError `IDEMPOTENCY_REUSED`
 */
export function earlierResult(
  request: TransactionRequest,
  source: string,
  found: SqlRow | undefined,
): TransactionResult | undefined {
  if (found === undefined) return undefined
  const [hash, result, seq] = found
  if (hash !== request.contentHash) {
    throw new MeridianError(
      'IDEMPOTENCY_REUSED',
      `Idempotency key ${request.idempotencyKey} was used for another transaction.`,
      { fix: 'Use a fresh key for every transaction.' },
    )
  }
  const stored = decodeValue(result as Uint8Array) as Omit<TransactionResult, 'position'>
  return { ...stored, position: { source, seq: Number(seq) } }
}

/** Stores the outcome; fails (kind `unique`) when another send got ahead. */
export function storeOutcome(
  request: TransactionRequest,
  result: Omit<TransactionResult, 'position'>,
  nowMs: number,
): Statement {
  return {
    sql: 'INSERT INTO _outcomes (tenant, key, hash, tx, at_ms, result) VALUES (?, ?, ?, ?, ?, ?)',
    args: [
      request.tenant,
      request.idempotencyKey,
      request.contentHash,
      request.txId,
      nowMs,
      encodeValue(result),
    ],
  }
}

/** Outcomes are kept for a time: a key that is older may have been used. */
export function checkAge(request: TransactionRequest, nowMs: number): void {
  if (nowMs - request.issuedAtMs <= IDEMPOTENCY_RETENTION_MS) return
  throw new MeridianError(
    'IDEMPOTENCY_EXPIRED',
    `Idempotency key ${request.idempotencyKey} was first sent more than ${IDEMPOTENCY_RETENTION_MS} ms ago.`,
    { fix: 'Check by reading whether the write happened, then send it under a fresh key.' },
  )
}
