/**
 * The engine beneath `@libsql/client`, as far as it is used here; its own types lack some of it.
 * It has no prepared-statement cache, frees statements and connections when they are collected as
 * garbage, and ends the process on some inputs: each of its users says how it avoids those.
 */
import { pathToFileURL } from 'node:url'
import Database from 'libsql'
import type { SqlValue } from '../../core/values.ts'

/** What the engine binds exactly: a `number` becomes a REAL, a `bigint` an INTEGER. */
export type BoundValue = null | string | number | bigint | Uint8Array

/** A connection. Nothing may be asked of a closed one. */
export interface EngineDatabase {
  readonly inTransaction: boolean
  prepare(sql: string): EngineStatement
  exec(sql: string): void
  interrupt(): void
  close(): void
}

/** A prepared statement. */
export interface EngineStatement {
  /** Whether it gives rows. */
  readonly reader: boolean
  /** Rows come as arrays. */
  raw(): void
  /** Whether integers come as `bigint`s. */
  safeIntegers(on: boolean): void
  run(args: readonly BoundValue[]): EngineRun
  iterate(args: readonly BoundValue[]): IterableIterator<SqlValue[]>
  /** The first row. Unlike the others it resets the statement afterwards. */
  get(args: readonly BoundValue[]): unknown
  columns(): EngineColumn[]
}

/** What a statement without rows did. */
export interface EngineRun {
  readonly changes: number
  readonly lastInsertRowid: number
}

/** A column of a statement: its name, where it comes from, and the type declared there. */
export interface EngineColumn {
  readonly name: string
  readonly table: string | null
  readonly column: string | null
  readonly type: string | null
}

/**
 * Opens a file, made when it is absent. `uriQuery`: settings of the file's URI, as `mode=ro`.
 * Throws what the engine throws.
 */
export function openEngine(path: string, uriQuery?: string): EngineDatabase {
  const location = uriQuery === undefined ? path : `${pathToFileURL(path).href}?${uriQuery}`
  return new Database(location) as unknown as EngineDatabase
}

/** Ends a statement that has more rows to give: it would hold its snapshot. */
export function abandon(db: EngineDatabase, iterator: IterableIterator<SqlValue[]>): void {
  db.interrupt()
  try {
    for (let step = iterator.next(); step.done !== true; step = iterator.next());
  } catch {
    // The interruption itself.
  }
}
