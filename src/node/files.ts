/** Small files of an embedded deployment: configuration, schema lock, session key, keyring. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import type { Config } from '../config/parse-config.ts'
import { MeridianError } from '../core/errors.ts'
import { newShortId } from '../core/ids.ts'
import type { KeyWrapper } from '../core/ports/key-wrapper.ts'
import type { Random } from '../core/ports/runtime.ts'
import { createDevelopmentKeyring, openKeyringFile } from '../drivers/keys/keyring-file.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import type { SchemaLock } from '../schema/lock.ts'
import { parseLock, serializeLock } from '../schema/lock-file.ts'

const SESSION_KEY_BYTES = 32
const OWNER_ONLY = 0o600

/** @throws MeridianError `CONFIG_INVALID` when the file cannot be read */
export async function readConfigFile(path: string): Promise<string> {
  const text = await readIfThere(path)
  if (text !== undefined) return text.toString('utf8')
  throw new MeridianError('CONFIG_INVALID', `There is no configuration file ${path}.`, {
    fix: 'Check the path, or leave it out for the defaults.',
  })
}

/** The lock, or `undefined` where there is none yet. @throws MeridianError `SCHEMA_INVALID` */
export async function readLockFile(path: string): Promise<SchemaLock | undefined> {
  const text = await readIfThere(path)
  return text === undefined ? undefined : parseLock(text.toString('utf8'))
}

/** Writes the lock when it differs from the one that was read. */
export async function writeLockFile(
  path: string,
  known: SchemaLock | undefined,
  lock: SchemaLock,
  random: Random,
): Promise<void> {
  const text = serializeLock(lock)
  if (known !== undefined && serializeLock(known) === text) return
  await replaceFile(path, text, random)
}

/** The key that signs session tokens; drawn at the first start. */
export async function openSessionKey(path: string, random: Random): Promise<Uint8Array> {
  const known = await readIfThere(path)
  if (known !== undefined && known.length >= SESSION_KEY_BYTES) return new Uint8Array(known)
  const key = random.bytes(SESSION_KEY_BYTES)
  await replaceFile(path, key, random)
  return key
}

/** Where keys come from. */
export interface KeyOptions {
  readonly config: Config
  readonly directory: string
  readonly compiled: CompiledSchema
  readonly keyWrapper?: KeyWrapper
  readonly onNotice: (notice: string) => void
}

/**
 * What wraps data keys: the wrapper given in code, the configured keyring, or development keys,
 * with a notice. `undefined` when no column is encrypted.
 */
export async function openKeys(options: KeyOptions): Promise<KeyWrapper | undefined> {
  const { config, directory, compiled, keyWrapper } = options
  if (keyWrapper !== undefined) return keyWrapper
  if (config.keys?.kind === 'keyring') {
    const { file } = config.keys
    return openKeyringFile({ path: isAbsolute(file) ? file : join(directory, file) })
  }
  if (!compiled.tables.some((table) => table.encrypted.length > 0)) return undefined
  const path = join(directory, 'development-keyring.json')
  const notice = `Encrypted columns use development keys from ${path}: they protect nothing.`
  options.onNotice(notice)
  return createDevelopmentKeyring({ regions: config.regions, path })
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MeridianError('CONFIG_INVALID', `The file ${path} cannot be read.`, { cause: error })
  }
}

/** Whole or not at all: a reader never meets half a file. */
async function replaceFile(
  path: string,
  content: string | Uint8Array,
  random: Random,
): Promise<void> {
  const draft = join(dirname(path), `.${newShortId(random)}.new`)
  await writeFile(draft, content, { mode: OWNER_ONLY, flush: true })
  await rename(draft, path)
}
