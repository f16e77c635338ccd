/** Reads the files of stores beside their nodes and servers: SQLite lets readers in. */
import { join } from 'node:path'
import Database from 'libsql'
import type { Statement, StatementResult } from '../../core/ports/store.ts'
import { LAST_LOCAL_SEQ } from '../../schema/system-tables.ts'

/** Runs statements on the store of a region, whose folder is in `directory`. */
export function readStoreFile(
  directory: string,
  region: string,
  statements: readonly Statement[],
): readonly StatementResult[] {
  const file = new Database(join(directory, region, 'store.db'), { readonly: true })
  try {
    return statements.map(({ sql, args }) => ({
      rows: file
        .prepare(sql)
        .raw()
        .all(...args) as StatementResult['rows'],
      rowsAffected: 0,
    }))
  } finally {
    file.close()
  }
}

/** localSeq of the last change of a region's store. */
export function endOfStore(directory: string, region: string): number {
  const [end] = readStoreFile(directory, region, [LAST_LOCAL_SEQ])
  return Number(end?.rows[0]?.[0])
}
