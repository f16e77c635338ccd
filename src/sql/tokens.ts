/**
 * The tokens of SQL text, by the rules of SQLite's tokenizer (https://sqlite.org/lang.html,
 * tokenize.c). Text that SQLite might read differently is refused, and callers write the tokens out
 * again one by one, so that what was checked is what runs.
 */
import { MeridianError } from '../core/errors.ts'

/** What a token is. */
export type TokenKind =
  /** A bare identifier or keyword. */
  | 'word'
  /** An identifier in double quotes, backticks or brackets. */
  | 'quoted'
  | 'string'
  | 'blob'
  | 'number'
  /** `?`, `?N`, or a named one: `:name`, `@name`, `$name`. */
  | 'parameter'
  /** Operators and punctuation. */
  | 'symbol'

/** One token. */
export interface Token {
  readonly kind: TokenKind
  /** As written. */
  readonly text: string
  /** Words in upper case; the name of a quoted identifier; '' for every other kind. */
  readonly name: string
  /** Where it starts, in UTF-16 code units. */
  readonly at: number
}

/** A refusal of user SQL. `kind` names what was found; `fix` what to do. */
export function refused(kind: string, at: number, fix: string): MeridianError {
  return new MeridianError('QUERY_REFUSED', `The query has ${kind} at character ${at}.`, {
    fix,
    details: { kind, at },
  })
}

// Identifier characters: ASCII letters, digits, _ and $, and everything beyond ASCII.
const ID = String.raw`A-Za-z0-9_$\u0080-\uffff`
const PATTERNS: readonly (readonly [TokenKind | 'space', RegExp])[] = [
  ['space', /[ \t\n\f\r]+|--[^\n]*|\/\*[^]*?\*\//y],
  ['blob', /[xX]'(?:[0-9a-fA-F]{2})*'/y],
  ['string', /'[^']*(?:''[^']*)*'/y],
  ['quoted', /"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\]/y],
  [
    'number',
    new RegExp(
      String.raw`(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![${ID}])`,
      'y',
    ),
  ],
  ['word', new RegExp(String.raw`[A-Za-z_\u0080-\uffff][${ID}]*`, 'y')],
  ['parameter', new RegExp(String.raw`\?\d*(?![${ID}])|[:@$][${ID}]+`, 'y')],
  ['symbol', /->>|->|\|\||<<|>>|<=|>=|<>|==|!=|[-+*/%&|~<>=(),.;]/y],
]

/** Splits text into tokens; comments and white space are dropped. @throws `QUERY_REFUSED` */
export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < sql.length) {
    const found = matchAt(sql, at)
    if (found.kind !== 'space') {
      tokens.push({ kind: found.kind, text: found.text, name: nameOf(found.kind, found.text), at })
    }
    at += found.text.length
  }
  return tokens
}

/** The first token; undefined: there is none. @throws `QUERY_REFUSED` */
export function firstToken(sql: string): Token | undefined {
  for (let at = 0; at < sql.length;) {
    const { kind, text } = matchAt(sql, at)
    if (kind !== 'space') return { kind, text, name: nameOf(kind, text), at }
    at += text.length
  }
  return undefined
}

function matchAt(sql: string, at: number): { kind: TokenKind | 'space'; text: string } {
  // SQLite reads a byte order mark as white space or as a letter, by where it stands.
  if (sql[at] === '\ufeff') throw refused('a byte order mark', at, 'Remove it.')
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at
    const text = pattern.exec(sql)?.[0]
    // '/*' without an end would otherwise match as two symbols.
    if (text !== undefined && !(text === '/' && sql[at + 1] === '*')) return { kind, text }
  }
  const character = sql[at] ?? ''
  if (`'"\`[`.includes(character)) throw refused('an unclosed quote', at, 'Close it.')
  if (character === '/') throw refused('an unclosed comment', at, 'Close it.')
  throw refused('a character that is no SQL', at, 'Quote it, or remove it.')
}

function nameOf(kind: TokenKind, text: string): string {
  if (kind === 'word') return upperAscii(text)
  if (kind !== 'quoted') return ''
  const inner = text.slice(1, -1)
  if (text[0] === '[') return inner
  const quote = text[0] ?? ''
  return inner.replaceAll(quote + quote, quote)
}

// Only ASCII has case in SQL: 'ſELECT'.toUpperCase() would be a keyword that SQLite does not see.
function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())
}

/** A name in lower case, by SQL's rule: ASCII letters alone. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** Whether the token is a named parameter. */
export function isNamedParameter(token: Token): boolean {
  return token.kind === 'parameter' && !token.text.startsWith('?')
}

/**
 * Tokens as text again, `texts` in place of their own. A space stands between two of them unless
 * one is a bracket or a comma and none stood there before: such never merge with what they touch,
 * and result columns without a name of their own are named by their text (`count(*)`).
 */
export function joinTokens(tokens: readonly Token[], texts: readonly string[]): string {
  let sql = ''
  tokens.forEach((token, i) => {
    const before = tokens[i - 1]
    if (before !== undefined) {
      const adjacent = before.at + before.text.length === token.at
      sql += adjacent && (TIGHT.has(before.text) || TIGHT.has(token.text)) ? '' : ' '
    }
    sql += texts[i] ?? token.text
  })
  return sql
}

const TIGHT = new Set(['(', ')', ','])

/** A name as a quoted identifier. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
