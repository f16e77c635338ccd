/**
 * Where result columns come from. The protocol tells their names and declared types, not their
 * tables; the engine of this process does. So a query is prepared, not run, on an empty database
 * in memory that has the server's tables and views. The server's schema version tells whether that
 * is still so.
 */
import type { ColumnOrigin } from '../../../core/ports/store.ts'
import type { SqlRow, SqlValue } from '../../../core/values.ts'
import type { BoundStatement } from '../bind.ts'
import { Connection } from '../connection.ts'
import type { BatchStep, StepOutcome } from './batch.ts'

/** Changes with every definition. */
export const SCHEMA_VERSION: BatchStep = { sql: 'PRAGMA schema_version', args: [] }

const DEFINITIONS: BatchStep = {
  sql: `SELECT sql FROM sqlite_schema WHERE type IN ('table', 'view') AND sql IS NOT NULL
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid`,
  args: [],
}

/** Reads through the server. */
export type ReadSteps = (steps: readonly BatchStep[]) => Promise<readonly StepOutcome[]>

export class ColumnOrigins {
  readonly #read: ReadSteps
  #version: SqlValue | undefined
  #copy: Connection | undefined

  constructor(read: ReadSteps) {
    this.#read = read
  }

  /** `names`: as the server gave them; where the copy cannot tell there are no origins. */
  async of(
    statement: BoundStatement,
    version: SqlValue | undefined,
    names: readonly string[],
  ): Promise<readonly ColumnOrigin[]> {
    if (this.#copy === undefined || version !== this.#version) await this.#renew()
    try {
      const columns = this.#copy?.columns(statement) ?? []
      if (columns.length === names.length) return columns
    } catch {
      // A function or module that the server has and this engine has not.
    }
    return names.map((name) => ({ name, table: null, column: null }))
  }

  close(): void {
    this.#copy?.close()
    this.#copy = undefined
  }

  async #renew(): Promise<void> {
    const [version, definitions] = (await this.#read([SCHEMA_VERSION, DEFINITIONS])).map(rowsOf)
    const copy = new Connection(':memory:')
    for (const [sql] of definitions ?? []) {
      try {
        copy.once(String(sql))
      } catch {
        // What cannot be made here has no origins to tell.
      }
    }
    this.close()
    this.#copy = copy
    this.#version = version?.[0]?.[0]
  }
}

function rowsOf(outcome: StepOutcome): readonly SqlRow[] {
  return outcome?.ok === true ? outcome.rows : []
}
