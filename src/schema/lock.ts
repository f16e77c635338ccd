/**
 * The lock of a schema, kept in `meridian.lock.json` and committed with it: which name has which
 * immutable id. Ids bind encryption, the change log and the stored rows; none is used twice.
 */
import * as z from 'zod'
import { MeridianError } from '../core/errors.ts'

/** The ids of one table and of its columns. */
export interface TableLock {
  readonly id: number
  readonly nextColumnId: number
  readonly columns: Readonly<Record<string, number>>
  /** Names that columns had before, with their ids. */
  readonly renamed: Readonly<Record<string, number>>
  /** Ids of columns that were removed. */
  readonly retired: readonly number[]
}

/** The ids of a schema. */
export interface SchemaLock {
  /** Version of this file's form. */
  readonly format: 1
  /** The schema's version: rises with each change of it. */
  readonly version: number
  /** Stands for the content of the schema at this version. */
  readonly fingerprint: string
  readonly nextTableId: number
  readonly nextViewId: number
  readonly tables: Readonly<Record<string, TableLock>>
  readonly views: Readonly<Record<string, number>>
  /** Names that tables had before, with their ids. */
  readonly renamed: Readonly<Record<string, number>>
  /** Ids of tables and views that were removed. */
  readonly retired: { readonly tables: readonly number[]; readonly views: readonly number[] }
}

/** The lock before the first version. */
export const EMPTY_LOCK: SchemaLock = {
  format: 1,
  version: 0,
  fingerprint: '',
  nextTableId: 1,
  nextViewId: 1,
  tables: {},
  views: {},
  renamed: {},
  retired: { tables: [], views: [] },
}

const id = z.int().min(1)
const ids = z.array(id)
const idByName = z.record(z.string(), id)
const lockForm = z.strictObject({
  format: z.literal(1),
  version: z.int().min(0),
  fingerprint: z.string(),
  nextTableId: id,
  nextViewId: id,
  tables: z.record(
    z.string(),
    z.strictObject({
      id,
      nextColumnId: id,
      columns: idByName,
      renamed: idByName,
      retired: ids,
    }),
  ),
  views: idByName,
  renamed: idByName,
  retired: z.strictObject({ tables: ids, views: ids }),
})

/** The text of a lock file: the same lock gives the same text. */
export function serializeLock(lock: SchemaLock): string {
  return `${JSON.stringify(lock, null, 2)}\n`
}

/** Reads a lock file. @throws MeridianError `SCHEMA_INVALID` */
export function parseLock(text: string): SchemaLock {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw malformed('it is not JSON', error)
  }
  const parsed = lockForm.safeParse(raw)
  if (!parsed.success) throw malformed(z.prettifyError(parsed.error).replaceAll('\n', '; '))
  const lock = parsed.data
  const tables = Object.values(lock.tables)
  checkIds('table', [...tables.map((t) => t.id), ...lock.retired.tables], lock.nextTableId)
  checkIds('view', [...Object.values(lock.views), ...lock.retired.views], lock.nextViewId)
  for (const table of tables) {
    checkIds('column', [...Object.values(table.columns), ...table.retired], table.nextColumnId)
  }
  return lock
}

/** Merging two branches of a lock file by hand can give one id to two names. */
function checkIds(kind: string, used: readonly number[], next: number): void {
  if (new Set(used).size < used.length) throw malformed(`a ${kind} id is used twice`)
  if (used.some((one) => one >= next)) throw malformed(`a ${kind} id is above the next one`)
}

function malformed(problem: string, cause?: unknown): MeridianError {
  return new MeridianError('SCHEMA_INVALID', `The schema lock is malformed: ${problem}.`, {
    fix: 'Restore meridian.lock.json from version control; do not edit or merge it by hand.',
    cause,
  })
}
