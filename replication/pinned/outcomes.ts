/**
 * Idempotency (protocol rule 6): the outcome of a transaction is stored in the transaction itself,
 * in rows that replicate with the tenant. One row holds who and when; each updated row is a part
 * of its own, since SQL knows it only once it has updated it.
 */
import { MeridianError } from '../../src/core/errors.ts'
import type { Hlc } from '../../src/core/hlc.ts'
import { IDEMPOTENCY_RETENTION_MS, MAX_CLOCK_DRIFT_MS } from '../../src/core/limits.ts'
import type { TransactionRequest } from '../../src/core/operations.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../src/core/values.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { decodeImage, imageSql } from '../../src/schema/image.ts'
import { keyColumns } from '../../src/sql/json-cells.ts'

/** Separates a key from the number of a part; no key holds control characters. */
const PART = '\x1f'
const BEHIND_PARTS = '\x20'
const PART_DIGITS = 6

/** Outcomes outlive the keys that they belong to: a refusal by age must come first. */
const PRUNE_MARGIN_MS = 60 * 60 * 1000

/**
 * Refuses requests that are too old to tell whether they ran.
 *
 * @throws MeridianError `IDEMPOTENCY_EXPIRED`, `CLOCK_SKEW` (issued in the future)
 */
export function requireFresh(request: TransactionRequest, nowMs: number): void {
  const ageMs = nowMs - request.issuedAtMs
  if (ageMs > IDEMPOTENCY_RETENTION_MS) {
    throw new MeridianError(
      'IDEMPOTENCY_EXPIRED',
      `The write was first sent ${ageMs} ms ago; outcomes are kept ${IDEMPOTENCY_RETENTION_MS} ms.`,
      { fix: 'Read whether it happened, then write anew with another key.' },
    )
  }
  if (ageMs < -MAX_CLOCK_DRIFT_MS) {
    throw new MeridianError(
      'CLOCK_SKEW',
      `The write was first sent ${-ageMs} ms in the future of this region's clock.`,
      { fix: 'Set the clock of the caller.' },
    )
  }
}

/** Stores the outcome; fails (kind `unique`) when the key has one. */
export function insertOutcome(request: TransactionRequest, hlc: Hlc, nowMs: number): Statement {
  return {
    sql: `INSERT INTO _outcomes (tenant, key, hash, tx, at_ms, result)
      VALUES (?, ?, ?, ?, ?, CAST(? AS BLOB))`,
    args: [
      request.tenant,
      request.idempotencyKey,
      request.contentHash,
      request.txId,
      Math.max(nowMs, request.issuedAtMs),
      hlc,
    ],
  }
}

/** Stores the row with this key, as it is now, as the next part of the outcome. */
export function insertOutcomePart(
  request: TransactionRequest,
  table: CompiledTable,
  key: readonly SqlValue[],
  part: number,
  nowMs: number,
): Statement {
  const keySql = keyColumns(table).map((column) => `r.${column.name} = ?`)
  return {
    sql: `INSERT INTO _outcomes (tenant, key, hash, tx, at_ms, result)
      SELECT ?, ?, '', ?, ?, CAST(${imageSql(table, 'r')} AS BLOB)
      FROM ${table.physicalName} r WHERE r.tenant = ? AND ${keySql.join(' AND ')}`,
    args: [
      request.tenant,
      partKey(request.idempotencyKey, part),
      request.txId,
      Math.max(nowMs, request.issuedAtMs),
      request.tenant,
      ...key,
    ],
  }
}

function partKey(key: string, part: number): string {
  return `${key}${PART}${String(part).padStart(PART_DIGITS, '0')}`
}

/** Reads the outcome of a key. Read the rows with `readOutcome`. */
export function selectOutcome(request: TransactionRequest): Statement {
  const { tenant, idempotencyKey: key } = request
  return {
    sql: `SELECT hash, tx, result FROM _outcomes WHERE tenant = ? AND key >= ? AND key < ?
      ORDER BY key`,
    args: [tenant, key, key + BEHIND_PARTS],
  }
}

/** A stored outcome. */
export interface StoredOutcome {
  readonly txId: string
  readonly hlc: Hlc
  readonly updated: readonly (readonly SqlValue[])[]
}

/**
 * The outcome that is stored for a request; undefined: none. `updates`: the tables of its updates.
 *
 * @throws MeridianError `IDEMPOTENCY_REUSED` when it is that of other content
 */
export function readOutcome(
  request: TransactionRequest,
  updates: readonly CompiledTable[],
  rows: readonly SqlRow[],
): StoredOutcome | undefined {
  const [main, ...parts] = rows
  if (main === undefined) return undefined
  const [hash, txId, hlc] = main
  if (hash !== request.contentHash) {
    throw new MeridianError('IDEMPOTENCY_REUSED', 'The idempotency key belongs to another write.', {
      fix: 'Use a new key for every write.',
      details: { txId },
    })
  }
  return {
    txId: txId as string,
    hlc: textOf(hlc),
    updated: updates.map((table, i) => decodeImage(table, textOf(parts[i]?.[2]))),
  }
}

function textOf(bytes: SqlValue | undefined): string {
  return new TextDecoder().decode(bytes as Uint8Array)
}

/**
 * Deletes up to `limit` outcomes whose keys are refused by age. Resolves with how many.
 */
export async function pruneOutcomes(store: Store, nowMs: number, limit: number): Promise<number> {
  const before = nowMs - IDEMPOTENCY_RETENTION_MS - PRUNE_MARGIN_MS
  const [result] = await store.write([
    {
      sql: `DELETE FROM _outcomes WHERE (tenant, key) IN (
        SELECT tenant, key FROM _outcomes WHERE at_ms < ? ORDER BY at_ms LIMIT ?)`,
      args: [before, limit],
    },
  ])
  return result?.rowsAffected ?? 0
}
