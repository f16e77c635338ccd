/**
 * The keyring file: a region's key-encryption keys on disk, as JSON that only its owner may read.
 *
 *     { "format": "meridian-keyring", "version": 1, "development": false,
 *       "regions": { "eu-west": { "id": "5f1c2b7e", "key": "<base64 of 32 bytes>" } } }
 */
import { constants } from 'node:fs'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { randomBytes } from 'node:crypto'
import { MeridianError } from '../../core/errors.ts'
import {
  createLocalKeyWrapper,
  KEY_BYTES,
  randomRegionKek,
  regionKek,
  type LocalKeyWrapper,
  type RegionKek,
} from './local-key-wrapper.ts'

const FORMAT = 'meridian-keyring'
const VERSION = 1
const OWNER_ONLY = 0o600
const MAX_FILE_BYTES = 1024 * 1024

interface Keyring {
  readonly development: boolean
  readonly keks: readonly RegionKek[]
}

/**
 * Opens a keyring file.
 * @throws MeridianError `CONFIG_INVALID` when it is absent, readable by others than its owner, or
 *   no keyring
 */
export async function openKeyringFile(options: {
  readonly path: string
}): Promise<LocalKeyWrapper> {
  const keyring = await readKeyring(options.path)
  return createLocalKeyWrapper(keyring.keks, keyring.development)
}

/**
 * Creates a keyring file with a new random key for each region, readable by its owner alone.
 * @throws MeridianError `ALREADY_EXISTS`: a keyring is never overwritten
 */
export async function createKeyringFile(options: {
  readonly path: string
  readonly regions: readonly string[]
}): Promise<LocalKeyWrapper> {
  const keyring = { development: false, keks: options.regions.map(randomRegionKek) }
  await writeKeyring(options.path, keyring, link)
  return createLocalKeyWrapper(keyring.keks, keyring.development)
}

/**
 * Opens the development keyring at `path`, or makes one: regions that it lacks get a key. Without a
 * path its keys end with the process. It has `development: true`, of which the caller tells users.
 * @throws MeridianError `CONFIG_INVALID`
 */
export async function createDevelopmentKeyring(options: {
  readonly regions: readonly string[]
  readonly path?: string
}): Promise<LocalKeyWrapper> {
  const { regions, path } = options
  if (path === undefined) return createLocalKeyWrapper(regions.map(randomRegionKek), true)
  const known = await readKeyringIfThere(path)
  if (known?.development === false) throw notForDevelopment(path)
  const held = known?.keks ?? []
  const missing = regions.filter((region) => !held.some((kek) => kek.region === region))
  const keyring = { development: true, keks: [...held, ...missing.map(randomRegionKek)] }
  if (missing.length > 0) await writeKeyring(path, keyring, known === undefined ? link : rename)
  return createLocalKeyWrapper(keyring.keks, true)
}

async function readKeyringIfThere(path: string): Promise<Keyring | undefined> {
  try {
    return await readKeyring(path)
  } catch (error) {
    if (error instanceof MeridianError && hasErrno(error.cause, 'ENOENT')) return undefined
    throw error
  }
}

async function readKeyring(path: string): Promise<Keyring> {
  const bytes = await readOwnerOnly(path)
  try {
    return parseKeyring(path, bytes.toString('utf8'))
  } finally {
    bytes.fill(0)
  }
}

/** Mode and content of the same open file: a path may change between two looks. */
async function readOwnerOnly(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    throw invalid(path, 'cannot be opened', 'Create it, or correct the path.', error)
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) throw notAKeyring(path)
    // Windows has no such modes: there the file's access list decides.
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw invalid(path, 'may be read by others than its owner', `Run: chmod 600 ${path}`)
    }
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** No cause is kept: the parser's messages quote the text, which is keys. */
function parseKeyring(path: string, text: string): Keyring {
  const json = parseJson(text)
  if (!isRecord(json) || json['format'] !== FORMAT) throw notAKeyring(path)
  if (json['version'] !== VERSION) {
    throw invalid(path, 'has a format that this version does not know', 'Use a newer version.')
  }
  const { development, regions } = json
  if (typeof development !== 'boolean' || !isRecord(regions)) throw notAKeyring(path)
  const keks = Object.entries(regions).map(([region, entry]) => parseKek(path, region, entry))
  return { development, keks }
}

function parseKek(path: string, region: string, entry: unknown): RegionKek {
  if (!isRecord(entry)) throw notAKeyring(path)
  const { id, key } = entry
  if (typeof id !== 'string' || !/^[0-9a-f]{8}$/.test(id) || typeof key !== 'string') {
    throw notAKeyring(path)
  }
  const secret = Buffer.from(key, 'base64')
  if (secret.length !== KEY_BYTES || secret.toString('base64') !== key) {
    throw invalid(
      path,
      `has a key for region ${region} that is not ${KEY_BYTES} bytes in base64`,
      'Put the original file back.',
    )
  }
  return regionKek(region, id, secret)
}

/** Durable and never half written: a new file beside it takes its place once it is complete. */
async function writeKeyring(
  path: string,
  keyring: Keyring,
  place: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const regions = Object.fromEntries(
    keyring.keks.map(({ region, id, key }) => [
      region,
      { id, key: key.export().toString('base64') },
    ]),
  )
  const content = { format: FORMAT, version: VERSION, development: keyring.development, regions }
  const draft = `${path}.${randomBytes(4).toString('hex')}.new`
  const file = await open(draft, 'wx', OWNER_ONLY).catch((error: unknown) => {
    throw invalid(path, 'cannot be written', 'Check that its folder exists.', error)
  })
  try {
    await file.writeFile(`${JSON.stringify(content, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await putInPlace(draft, path, place)
}

async function putInPlace(
  draft: string,
  path: string,
  place: (from: string, to: string) => Promise<void>,
): Promise<void> {
  try {
    await place(draft, path)
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
    throw new MeridianError('ALREADY_EXISTS', `There is a keyring at ${path} already.`, {
      fix: 'Open it, or choose another path: without it, what it encrypted is lost.',
    })
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  // Windows cannot open a folder.
  if (process.platform === 'win32') return
  const folder = await open(dirname(path), constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function notAKeyring(path: string): MeridianError {
  return invalid(path, 'is not a keyring', 'Create one with `createKeyringFile`.')
}

function notForDevelopment(path: string): MeridianError {
  return invalid(path, 'is not a development keyring', 'Name it in the configuration (`keys`).')
}

function invalid(path: string, problem: string, fix: string, cause?: unknown): MeridianError {
  return new MeridianError('CONFIG_INVALID', `The keyring ${path} ${problem}.`, { fix, cause })
}
