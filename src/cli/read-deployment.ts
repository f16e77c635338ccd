/** What commands read of a deployment: its configuration, its schema, where its lock is. */
import { dirname, join, resolve } from 'node:path'
import { parseConfig, type Config } from '../config/parse-config.ts'
import { MeridianError } from '../core/errors.ts'
import { readConfigFile } from '../node/files.ts'
import { loadSchema } from '../node/load-schema.ts'
import { LOCK_FILE } from '../node/schema-lock.ts'
import type { Schema } from '../schema/define.ts'
import type { GivenOptions } from './command.ts'

/** A deployment, as files describe it. */
export interface DeploymentFiles {
  readonly config: Config
  readonly schema: Schema
  /** Beside the configuration, unless another is named. */
  readonly lockFile: string
}

/** @throws MeridianError `CONFIG_INVALID`, `SCHEMA_INVALID` */
export async function readDeployment(
  configFile: string,
  lock: string | boolean | undefined,
): Promise<DeploymentFiles> {
  const config = parseConfig(await readConfigFile(configFile), configFile)
  const folder = dirname(resolve(configFile))
  if (config.schema === null) {
    throw new MeridianError('CONFIG_INVALID', `${configFile} does not say where the schema is.`, {
      fix: 'Add `schema: ./schema.ts`, the module that exports it.',
    })
  }
  const schema = await loadSchema(resolve(folder, config.schema), { once: true })
  const lockFile = typeof lock === 'string' ? resolve(lock) : join(folder, LOCK_FILE)
  return { config, schema, lockFile }
}

/** The text of an option that must be given. @throws MeridianError `INVALID_ARGUMENT` */
export function requireText(given: GivenOptions, name: string): string {
  const value = given[name]
  if (typeof value === 'string' && value !== '') return value
  throw new MeridianError('INVALID_ARGUMENT', `The option \`--${name}\` is missing.`, {
    fix: 'Run the command with `--help` for its options.',
  })
}
