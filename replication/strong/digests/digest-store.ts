/** Digests as a store keeps them, in the same transaction as the rows that they are of. */
import type { Statement, StatementResult } from '../../../src/core/ports/store.ts'
import { GroupSums, readSums, type StretchDigits } from './group-sums.ts'

/** Rises when the same rows have another digest; digests of another format are made anew. */
export const DIGEST_FORMAT = 1

/** Which digests can be compared: those of the same tables, summed in the same way. */
export interface DigestKind {
  readonly group: string
  readonly fingerprint: string
  readonly windowRecords: number
  /** Test-only: see `StrongFaults.digestWithoutPruning`. */
  readonly keepsPruned?: boolean
}

/** Reads what a store keeps; `readStoredSums` makes it of the result. */
export function selectStoredSums(group: string): Statement {
  return {
    sql: 'SELECT key, value FROM _meta WHERE key = ? OR (key > ? AND key < ?)',
    args: [mainKey(group), stretchKey(group, ''), `${mainKey(group)};`],
  }
}

/** The sums at `index`; undefined: the store has none of this index and kind. */
export function readStoredSums(
  kind: DigestKind,
  index: number,
  result: StatementResult | undefined,
): GroupSums | undefined {
  const rows = (result?.rows ?? []).map(([key, value]) => [String(key), String(value)] as const)
  const main = rows.find(([key]) => key === mainKey(kind.group))?.[1]
  const stored = main === undefined ? undefined : (JSON.parse(main) as StoredMain)
  // Written by a node that keeps no digests, the position has moved without them.
  const isOfKind =
    stored?.format === DIGEST_FORMAT &&
    stored.fingerprint === kind.fingerprint &&
    stored.index === index
  if (!isOfKind) return undefined
  const prefix = stretchKey(kind.group, '')
  const tables = readSums(Object.entries(stored.tables))
  const stretches = readSums(
    rows
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, digits]) => [Number(key.slice(prefix.length)), digits] as const),
  )
  if (tables === undefined || stretches === undefined) return undefined
  return new GroupSums(kind, index, tables, stretches)
}

interface StoredMain {
  readonly format: number
  readonly fingerprint: string
  readonly index: number
  readonly tables: Readonly<Record<string, string>>
}

/** Stores what changed since the last call. */
export function storeChanged(kind: DigestKind, index: number, sums: GroupSums): Statement[] {
  const { changed, gone } = sums.takeChanged()
  const keys = gone.map((stretch) => stretchKey(kind.group, stretch))
  return [
    ...(gone.length === 0 ? [] : [deleteKeys(keys)]),
    put(kind, index, sums.tables(), changed),
  ]
}

/** Stores all of it, whatever was there. */
export function storeAll(kind: DigestKind, index: number, sums: GroupSums): Statement[] {
  sums.takeChanged()
  return [forgetStored(kind.group), put(kind, index, sums.tables(), sums.stretches())]
}

/** Nothing that was stored counts any more. */
export function forgetStored(group: string): Statement {
  return {
    sql: 'DELETE FROM _meta WHERE key = ? OR (key > ? AND key < ?)',
    args: [mainKey(group), stretchKey(group, ''), `${mainKey(group)};`],
  }
}

function put(
  { group, fingerprint }: DigestKind,
  index: number,
  tables: StoredMain['tables'],
  stretches: readonly StretchDigits[],
): Statement {
  const main: StoredMain = { format: DIGEST_FORMAT, fingerprint, index, tables }
  const rows = [
    [mainKey(group), JSON.stringify(main)],
    ...stretches.map(([stretch, digits]) => [stretchKey(group, stretch), digits]),
  ]
  return {
    sql: `INSERT INTO _meta (key, value) SELECT value->>0, value->>1 FROM json_each(?) WHERE true
      ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    args: [JSON.stringify(rows)],
  }
}

function deleteKeys(keys: readonly string[]): Statement {
  return {
    sql: 'DELETE FROM _meta WHERE key IN (SELECT value FROM json_each(?))',
    args: [JSON.stringify(keys)],
  }
}

function mainKey(group: string): string {
  return `digest:${group}`
}

function stretchKey(group: string, stretch: number | ''): string {
  return `${mainKey(group)}:${stretch}`
}
