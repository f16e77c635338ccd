/**
 * The parameters of user SQL, by SQLite's rules (https://sqlite.org/lang_expr.html#varparam): `?` is
 * the next number, `?N` is N, and a name has the number that it got where it stood first. In what
 * runs all of them are `?N`, so that the scope's own can follow.
 */
import { MeridianError } from '../core/errors.ts'
import type { SqlValue } from '../core/values.ts'
import { isNamedParameter, type Token } from './tokens.ts'

/** Values for parameters. */
export interface QueryArguments {
  /** By number, beginning with `?1`. */
  readonly positional: readonly SqlValue[]
  /** By name, with or without its sigil. */
  readonly named?: ReadonlyMap<string, SqlValue>
  /** Integral `number`s are what SQL calls REAL; integers come as `bigint`. Default: integers. */
  readonly exactTypes?: boolean
}

/** Parameters with the values that they get. */
export interface BoundParameters {
  /** The text of each token. */
  readonly texts: readonly string[]
  /** By number. */
  readonly values: readonly SqlValue[]
}

/** The engine's own limit of a parameter's number. */
const MAX_PARAMETERS = 32_766

/**
 * The parameters by number: a name, or null for one that is known by its place alone.
 *
 * @throws MeridianError `INVALID_ARGUMENT` for a number out of range
 */
export function parameterNames(tokens: readonly Token[]): (string | null)[] {
  return layOut(tokens).names
}

/**
 * Gives each parameter its value.
 *
 * @throws MeridianError `INVALID_ARGUMENT` when one has none, or a value has no parameter
 */
export function bindParameters(tokens: readonly Token[], args: QueryArguments): BoundParameters {
  const { names, numbers } = layOut(tokens)
  const { positional, named = new Map<string, SqlValue>() } = args
  if (positional.length > names.length || (named.size === 0 && positional.length < names.length)) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `The query does not have as many parameters as the ${positional.length} arguments given.`,
      { fix: "Pass one argument for each '?'." },
    )
  }
  requireKnown(names, named)
  const used = new Set(numbers)
  const values = names.map((name, i) => {
    const byName = valueOf(name, named)
    const value = byName === undefined ? positional[i] : byName
    if (value !== undefined) return value
    if (!used.has(i + 1)) return null
    throw new MeridianError(
      'INVALID_ARGUMENT',
      `Parameter ${name ?? `?${i + 1}`} of the query has no value.`,
      { fix: 'Pass a value for each parameter, by name or by place.' },
    )
  })
  const texts = tokens.map((token, i) => {
    const number = numbers[i]
    if (number === undefined) return token.text
    const value = values[number - 1]
    const isReal = args.exactTypes === true && typeof value === 'number' && Number.isInteger(value)
    // The store binds integral numbers as integers. The sign keeps the type from counting as a
    // column's, which would change how it compares.
    return isReal ? `(+CAST(?${number} AS REAL))` : `?${number}`
  })
  return { texts, values }
}

/** Gives names of result columns, which may be the text of an expression, as the user wrote them. */
export function writtenNames(tokens: readonly Token[]): (name: string) => string {
  let written: ReadonlyMap<number, string> | undefined
  return (name) => {
    if (!name.includes('?')) return name
    const byNumber = (written ??= firstTexts(tokens))
    return name.replace(
      PARAMETER_TEXT,
      (text, real: string | undefined, plain: string) =>
        byNumber.get(Number(real ?? plain)) ?? text,
    )
  }
}

/** How each parameter is written where it stands first. */
function firstTexts(tokens: readonly Token[]): ReadonlyMap<number, string> {
  const texts = new Map<number, string>()
  layOut(tokens).numbers.forEach((number, i) => {
    if (number !== undefined && !texts.has(number)) texts.set(number, tokens[i]?.text ?? '')
  })
  return texts
}

/** What `bindParameters` writes. */
const PARAMETER_TEXT = /\(\+CAST\(\?(\d+) AS REAL\)\)|\?(\d+)/g

interface Layout {
  readonly names: (string | null)[]
  /** Of each token that is a parameter, its number. */
  readonly numbers: readonly (number | undefined)[]
}

function layOut(tokens: readonly Token[]): Layout {
  const names: (string | null)[] = []
  const byName = new Map<string, number>()
  const numbers = tokens.map((token) => {
    if (token.kind !== 'parameter') return undefined
    const known = byName.get(token.text)
    if (known !== undefined) return known
    const isNumbered = !isNamedParameter(token) && token.text !== '?'
    const number = isNumbered ? Number(token.text.slice(1)) : names.length + 1
    if (number < 1 || number > MAX_PARAMETERS) {
      throw new MeridianError('INVALID_ARGUMENT', 'The number of a parameter is out of range.', {
        fix: `Use ?1 to ?${MAX_PARAMETERS}.`,
      })
    }
    while (names.length < number) names.push(null)
    if (token.text !== '?') {
      byName.set(token.text, number)
      names[number - 1] ??= token.text
    }
    return number
  })
  return { names, numbers }
}

function requireKnown(
  names: readonly (string | null)[],
  named: ReadonlyMap<string, SqlValue>,
): void {
  if (named.size === 0) return
  const known = new Set(names.flatMap((name) => (name === null ? [] : [name, name.slice(1)])))
  for (const given of named.keys()) {
    if (known.has(given)) continue
    throw new MeridianError('INVALID_ARGUMENT', 'An argument has a name that the query does not.', {
      fix: 'Pass the names of the parameters, with or without their sigil.',
    })
  }
}

function valueOf(name: string | null, named: ReadonlyMap<string, SqlValue>): SqlValue | undefined {
  if (name === null) return undefined
  const exact = named.get(name)
  return exact === undefined ? named.get(name.slice(1)) : exact
}
