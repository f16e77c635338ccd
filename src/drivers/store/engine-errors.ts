/** What the engine's errors mean. */
import { MeridianError, type ErrorCode } from '../../core/errors.ts'
import type { StoreFailureKind } from '../../core/ports/store.ts'

/** An error that the engine raised. */
interface EngineError extends Error {
  readonly code: string
  readonly rawCode?: number
}

const BUSY = 5
const IO_ERROR = 10
const CORRUPT = 11
const FULL = 13
const CANNOT_OPEN = 14
const NOT_A_DATABASE = 26
const READ_ONLY = 8
const OUT_OF_MEMORY = 7
const IO_ERROR_FSYNC = 1034
const IO_ERROR_DIR_FSYNC = 1290

const KIND_BY_RAW_CODE: Readonly<Record<number, StoreFailureKind>> = {
  275: 'check',
  787: 'foreign-key',
  1299: 'not-null',
  1555: 'unique',
  1811: 'raise',
  2067: 'unique',
  2579: 'unique',
  3091: 'type',
}

/** What an engine's code means to a caller. */
interface Meaning {
  readonly code: ErrorCode
  readonly text: string
  readonly fix: string
}

const MEANING_BY_PRIMARY_CODE: Readonly<Record<number, Meaning>> = {
  [BUSY]: {
    code: 'STORE_UNAVAILABLE',
    text: 'is locked by another connection',
    fix: 'Close other programs that write to the file, then try again.',
  },
  [READ_ONLY]: {
    code: 'STORE_UNAVAILABLE',
    text: 'cannot be written',
    fix: 'Check the permissions of the file and its folder.',
  },
  [OUT_OF_MEMORY]: {
    code: 'STORE_UNAVAILABLE',
    text: 'ran out of memory',
    fix: 'Give the process more memory.',
  },
  [IO_ERROR]: {
    code: 'STORE_UNAVAILABLE',
    text: 'had an input/output error',
    fix: 'Check the disk, then open the store again.',
  },
  [CANNOT_OPEN]: {
    code: 'STORE_UNAVAILABLE',
    text: 'cannot be opened',
    fix: 'Check that the folder exists and that this process may write to it.',
  },
  [FULL]: {
    code: 'STORE_FULL',
    text: 'has no space left',
    fix: 'Free disk space or raise the size limit; nothing of this write was stored.',
  },
  [CORRUPT]: {
    code: 'STORE_CORRUPT',
    text: 'is damaged',
    fix: 'Restore the file from a backup or seed the region again.',
  },
  [NOT_A_DATABASE]: {
    code: 'STORE_CORRUPT',
    text: 'is damaged or not a database',
    fix: 'Name another file, or restore this one from a backup.',
  },
}

/** Whether the engine raised this. */
export function isEngineError(error: unknown): error is EngineError {
  const code = error instanceof Error ? (error as Partial<EngineError>).code : undefined
  return typeof code === 'string' && code !== ''
}

function primaryCode(error: EngineError): number {
  return (error.rawCode ?? 0) & 0xff
}

/** Whether the file is held by another connection, so that waiting may help. */
export function isBusy(error: unknown): boolean {
  return isEngineError(error) && primaryCode(error) === BUSY
}

/** Whether a statement tried to write through a connection that only reads. */
export function isReadOnlyRefusal(error: unknown): boolean {
  return isEngineError(error) && primaryCode(error) === READ_ONLY
}

/** Whether the disk may hold less than it reported: repeating proves nothing. */
export function isSyncFailure(error: unknown): boolean {
  return (
    isEngineError(error) &&
    (error.rawCode === IO_ERROR_FSYNC || error.rawCode === IO_ERROR_DIR_FSYNC)
  )
}

/** Which kind of constraint a statement's error is about. */
export function failureKind(error: EngineError): StoreFailureKind {
  return KIND_BY_RAW_CODE[error.rawCode ?? 0] ?? 'other'
}

/** The error as one of the store itself, or `undefined` when it is the statement's own. */
export function storeError(error: unknown, path: string): MeridianError | undefined {
  if (error instanceof MeridianError) return error
  if (!isEngineError(error)) return openError(error, path)
  return meaningError(MEANING_BY_PRIMARY_CODE[primaryCode(error)], path, error)
}

/** Opening fails with an error that carries the engine's code only in its text. */
function openError(error: unknown, path: string): MeridianError | undefined {
  const text = error instanceof Error ? error.message : String(error)
  if (!text.startsWith('ConnectionFailed')) return undefined
  const code = Number(/: (\d+)"\)$/.exec(text)?.[1] ?? CANNOT_OPEN)
  return meaningError(MEANING_BY_PRIMARY_CODE[code & 0xff], path, error)
}

/** The error of a primary result code of SQLite, or `undefined` when it is a statement's own. */
export function primaryCodeError(
  code: number,
  path: string,
  cause: unknown,
): MeridianError | undefined {
  return meaningError(MEANING_BY_PRIMARY_CODE[code], path, cause)
}

function meaningError(
  meaning: Meaning | undefined,
  path: string,
  cause: unknown,
): MeridianError | undefined {
  if (meaning === undefined) return undefined
  return new MeridianError(meaning.code, `Store ${path} ${meaning.text}.`, {
    fix: meaning.fix,
    details: { path, ...(isEngineError(cause) ? { engineCode: cause.code } : {}) },
    cause,
  })
}
