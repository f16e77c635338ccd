/** Loads the schema that a configuration names: a TypeScript or JavaScript module. */
import { stat } from 'node:fs/promises'
import { createJiti } from 'jiti'
import { fromWireError, MeridianError, type WireError } from '../core/errors.ts'
import type { Schema } from '../schema/define.ts'

/** How a module is loaded. */
export interface LoadOptions {
  /**
   * As this process loads its own modules, where it can, and once: quick. Left out, the module and
   * what it imports are read again from disk at every call.
   */
  readonly once?: boolean
}

/**
 * The schema that the module at `path` exports, as `schema` or by default.
 *
 * @throws MeridianError `CONFIG_INVALID` (no such file, no schema in it, the module fails), and
 * `SCHEMA_INVALID` as `defineSchema` throws it in the module
 */
export async function loadSchema(path: string, options: LoadOptions = {}): Promise<Schema> {
  if (!(await isFile(path))) {
    throw new MeridianError('CONFIG_INVALID', `There is no schema module ${path}.`, {
      fix: 'Correct `schema` in the configuration.',
    })
  }
  const found = schemaOf(await load(path, options.once === true))
  if (found !== undefined) return found
  throw new MeridianError('CONFIG_INVALID', `The module ${path} exports no schema.`, {
    fix: 'Write `export const schema = defineSchema({ … })` in it.',
  })
}

async function load(path: string, once: boolean): Promise<unknown> {
  try {
    // Without a cache on disk: a start must not write beside the sources.
    const jiti = createJiti(import.meta.url, {
      fsCache: false,
      moduleCache: once,
      tryNative: once,
    })
    return await jiti.import(path)
  } catch (error) {
    if (isMeridianError(error)) throw fromWireError({ ...error, message: error.message })
    const text = error instanceof Error ? error.message : String(error)
    throw new MeridianError('CONFIG_INVALID', `The schema module ${path} fails: ${text}.`, {
      fix: 'Correct the module; it must run by itself.',
      cause: error,
    })
  }
}

/** The module may bring a copy of this package of its own, whose errors are of another class. */
function isMeridianError(error: unknown): error is WireError {
  return error instanceof Error && error.name === 'MeridianError' && 'code' in error
}

function schemaOf(module: unknown): Schema | undefined {
  const { schema, default: main } = (module ?? {}) as Record<string, unknown>
  return [schema, main].find(isSchema)
}

function isSchema(value: unknown): value is Schema {
  if (typeof value !== 'object' || value === null) return false
  const { tables, views } = value as Record<string, unknown>
  return isRecord(tables) && isRecord(views) && Object.values(tables).every(isTable)
}

function isTable(value: unknown): boolean {
  return isRecord(value) && isRecord(value['columns']) && typeof value['consistency'] === 'string'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
