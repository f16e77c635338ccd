/** The values of options: read, checked, and refused in the same words everywhere. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { MeridianError } from '../core/errors.ts'
import type { GivenOptions } from './command.ts'

/** A text, or `undefined` where the option was not given. @throws MeridianError `INVALID_ARGUMENT` */
export function textOption(given: GivenOptions, name: string): string | undefined {
  return nonEmpty(given, name, 'Give it a value, or leave it out.')
}

/** A path, or `undefined` where the option was not given. @throws MeridianError `INVALID_ARGUMENT` */
export function fileOption(given: GivenOptions, name: string): string | undefined {
  return nonEmpty(given, name, 'Give it a path.')
}

/**
 * The path of a file that can be written, or `undefined` where the option was not given: said at once
 * rather than at the end of a long run. @throws MeridianError `INVALID_ARGUMENT`
 */
export function outputFileOption(given: GivenOptions, name: string): string | undefined {
  const file = fileOption(given, name)
  if (file === undefined || canWrite(resolve(file))) return file
  throw new MeridianError('INVALID_ARGUMENT', `\`--${name} ${file}\` cannot be written.`, {
    fix: 'Give the path of a file in a folder that you may write to.',
  })
}

/** A name that is not among those that there are. */
export function unknownName(problem: string, there: readonly string[]): MeridianError {
  return new MeridianError('INVALID_ARGUMENT', problem, { fix: `There are: ${there.join(', ')}.` })
}

/** What a number may be. */
export interface NumberBounds {
  readonly least: number
  readonly most?: number
  readonly whole?: boolean
}

/** A number, or `undefined` where the option was not given. @throws MeridianError `INVALID_ARGUMENT` */
export function numberOption(
  given: GivenOptions,
  name: string,
  bounds: NumberBounds,
): number | undefined {
  const value = given[name]
  if (typeof value !== 'string') return undefined
  const { least, most = Number.MAX_SAFE_INTEGER, whole = false } = bounds
  const read = value.trim() === '' ? Number.NaN : Number(value)
  if (read >= least && read <= most && (!whole || Number.isInteger(read))) return read
  const range = bounds.most === undefined ? `of ${least} or more` : `from ${least} to ${most}`
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `The option \`--${name}\` is ${JSON.stringify(value)}.`,
    { fix: `Give it a ${whole ? 'whole ' : ''}number ${range}.` },
  )
}

function nonEmpty(given: GivenOptions, name: string, fix: string): string | undefined {
  const value = given[name]
  if (typeof value !== 'string') return undefined
  if (value !== '') return value
  throw new MeridianError('INVALID_ARGUMENT', `The option \`--${name}\` is empty.`, { fix })
}

/** Folders that are not there yet are made. */
function canWrite(path: string): boolean {
  if (existsSync(path) && statSync(path).isDirectory()) return false
  let folder = dirname(path)
  while (!existsSync(folder)) folder = dirname(folder)
  try {
    accessSync(folder, constants.W_OK)
    return statSync(folder).isDirectory()
  } catch {
    return false
  }
}
