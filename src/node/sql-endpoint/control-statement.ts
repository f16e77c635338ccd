/** Statements that begin and end transactions, as clients of libSQL write them. */
import { SqlError } from '../../core/ports/sql-session.ts'
import { firstToken, lowerAscii, tokenize } from '../../sql/tokens.ts'

/** What a statement does to a session's transaction. */
export type ControlStatement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' }
  /** Names are in lower case. */
  | { readonly kind: 'savepoint' | 'release' | 'rollback-to'; readonly name: string }

const WRITES = new Set(
  `alter analyze attach create delete detach drop insert reindex replace update vacuum`.split(
    /\s+/,
  ),
)
const CONTROLS = new Set(['begin', 'commit', 'end', 'rollback', 'savepoint', 'release'])

/** A refusal of what would change something. */
function readOnlyError(what: string): SqlError {
  return new SqlError(
    'SQL_READ_ONLY',
    `This endpoint only reads; it does not run ${what}. Write by Meridian's client.`,
  )
}

/**
 * Reads a control statement; undefined: the text is something else.
 *
 * @throws SqlError `SQL_READ_ONLY` for statements and transactions that write; `SQL_PARSE_ERROR`
 */
export function readControl(sql: string): ControlStatement | undefined {
  const token = firstToken(sql)
  const first = token?.kind === 'word' ? lowerAscii(token.name) : ''
  if (WRITES.has(first)) throw readOnlyError(first.toUpperCase())
  if (first === 'explain') {
    throw new SqlError('QUERY_REFUSED', 'EXPLAIN shows how rows are stored, which is internal.')
  }
  if (!CONTROLS.has(first)) return undefined
  const tokens = tokenize(sql)
  if (tokens.at(-1)?.text === ';') tokens.pop()
  const names = tokens.map((token) => lowerAscii(token.name))
  const control = parse(names)
  if (control !== undefined && tokens.every(({ kind }) => kind === 'word' || kind === 'quoted')) {
    return control
  }
  throw new SqlError('SQL_PARSE_ERROR', `The ${first.toUpperCase()} is not understood.`)
}

function parse([first, ...rest]: readonly string[]): ControlStatement | undefined {
  switch (first) {
    case 'begin':
      return begin(rest)
    case 'commit':
    case 'end':
      return isOptional(rest, 'transaction') ? { kind: 'commit' } : undefined
    case 'rollback': {
      const behind = rest[0] === 'transaction' ? rest.slice(1) : rest
      if (behind.length === 0) return { kind: 'rollback' }
      return behind[0] === 'to' ? named('rollback-to', behind.slice(1)) : undefined
    }
    case 'savepoint':
      return rest.length === 1 ? named('savepoint', rest) : undefined
    case 'release':
      return named('release', rest)
    default:
      return undefined
  }
}

function begin(rest: readonly string[]): ControlStatement | undefined {
  const words = rest.filter((word) => word !== 'transaction')
  if (words.length > 1 || rest.length - words.length > 1) return undefined
  const [mode = 'deferred'] = words
  if (mode === 'immediate' || mode === 'exclusive' || mode === 'concurrent') {
    throw readOnlyError(`BEGIN ${mode.toUpperCase()}`)
  }
  return mode === 'deferred' || mode === 'readonly' ? { kind: 'begin' } : undefined
}

function named(
  kind: 'savepoint' | 'release' | 'rollback-to',
  words: readonly string[],
): ControlStatement | undefined {
  const [name, ...more] = words[0] === 'savepoint' && words.length > 1 ? words.slice(1) : words
  return name === undefined || more.length > 0 ? undefined : { kind, name }
}

function isOptional(words: readonly string[], word: string): boolean {
  return words.length === 0 || (words.length === 1 && words[0] === word)
}
