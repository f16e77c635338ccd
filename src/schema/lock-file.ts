/** The text of `meridian.lock.json`. Apart from the lock's types, so that clients do without a parser. */
import * as z from 'zod'
import { MeridianError } from '../core/errors.ts'
import type { SchemaLock } from './lock.ts'

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
