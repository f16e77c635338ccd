/** Secrets by reference: their values come from the environment or a file and go nowhere else. */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { SecretRef } from '../config/process-sections.ts'
import { MeridianError } from '../core/errors.ts'
import type { Log } from '../core/ports/log.ts'

/** Where references lead. */
export interface SecretSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What relative paths are relative to. */
  readonly baseDirectory: string
  readonly log: Log
}

/** Permission bits of the group and of everybody else. */
const OTHERS_MAY = 0o077

/**
 * The value of a secret, without the white space around it. `what` names its use in errors
 * (`auth.nodeKey`). A file that others than its owner may use is reported in the log.
 *
 * @throws MeridianError `CONFIG_INVALID` when it is not there or empty; it names the reference only
 */
export async function readSecret(
  ref: SecretRef,
  what: string,
  sources: SecretSources,
): Promise<string> {
  const value =
    'env' in ref ? sources.environment[ref.env] : await readSecretFile(ref.file, what, sources)
  const trimmed = value?.trim() ?? ''
  if (trimmed !== '') return trimmed
  const place = 'env' in ref ? `the environment variable ${ref.env}` : `the file ${ref.file}`
  throw new MeridianError('CONFIG_INVALID', `${what}: ${place} is not set or empty.`, {
    fix: 'Put the secret there, or point to where it is.',
  })
}

async function readSecretFile(
  file: string,
  what: string,
  { baseDirectory, log }: SecretSources,
): Promise<string> {
  const path = resolve(baseDirectory, file)
  try {
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & OTHERS_MAY) !== 0) {
      const fix = `chmod 600 ${path}`
      log.write('warn', 'secret file is open to others than its owner', { what, path, fix })
    }
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new MeridianError('CONFIG_INVALID', `${what}: the file ${path} cannot be read.`, {
      fix: 'Check the path and who may read it.',
      cause: error,
    })
  }
}

/** A file that the configuration names. @throws MeridianError `CONFIG_INVALID` */
export async function readNamedFile(
  what: string,
  file: string,
  { baseDirectory }: SecretSources,
): Promise<string> {
  const path = resolve(baseDirectory, file)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new MeridianError('CONFIG_INVALID', `${what}: the file ${path} cannot be read.`, {
      fix: 'Check the path and who may read it.',
      cause: error,
    })
  }
}
