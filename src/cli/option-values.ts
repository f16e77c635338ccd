/** The values of options: read, checked, and refused in the same words everywhere. */
import { MeridianError } from '../core/errors.ts'
import type { GivenOptions } from './command.ts'

/** A path, or `undefined` where the option was not given. @throws MeridianError `INVALID_ARGUMENT` */
export function fileOption(given: GivenOptions, name: string): string | undefined {
  const value = given[name]
  if (typeof value !== 'string') return undefined
  if (value !== '') return value
  throw new MeridianError('INVALID_ARGUMENT', `The option \`--${name}\` is empty.`, {
    fix: 'Give it a path.',
  })
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
