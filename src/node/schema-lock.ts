/**
 * The schema and its lock, as a process opens them. Ids in the lock bind stored rows, encryption
 * and the streams between regions: processes of one deployment must never number differently.
 */
import { MeridianError } from '../core/errors.ts'
import type { Random } from '../core/ports/runtime.ts'
import { compileSchema, type CompileResult } from '../schema/compile.ts'
import type { Schema } from '../schema/define.ts'
import { readLockFile, writeLockFile } from './files.ts'

/** The name of the file. */
export const LOCK_FILE = 'meridian.lock.json'

/** A schema with its ids. */
export interface LockedSchema extends CompileResult {
  /** Whether the lock's file lacks something of the schema. */
  readonly isBehind: boolean
  /** Writes the file if it is behind: after the stores are open, so that a refused start changes nothing. */
  save(random: Random): Promise<void>
}

/** Compiles a schema by its lock file. @throws MeridianError `SCHEMA_INVALID` */
export async function openSchemaLock(schema: Schema, lockFile: string): Promise<LockedSchema> {
  const known = await readLockFile(lockFile)
  const compiled = compileSchema(schema, known)
  return {
    ...compiled,
    isBehind: known === undefined || known.version !== compiled.lock.version,
    save: (random) => writeLockFile(lockFile, known, compiled.lock, random),
  }
}

/**
 * The same, for a process that is one of several: each would draw ids for what its file lacks, so
 * the file must be complete.
 *
 * @throws MeridianError `SCHEMA_INVALID` when the file is not there or behind the schema
 */
export async function requireSchemaLock(schema: Schema, lockFile: string): Promise<LockedSchema> {
  const locked = await openSchemaLock(schema, lockFile)
  if (!locked.isBehind) return locked
  const problem = `The schema lock ${lockFile} is not there or older than the schema.`
  throw new MeridianError('SCHEMA_INVALID', problem, {
    fix: 'Run `meridian lock --config FILE` once, and give every node the same file.',
  })
}
