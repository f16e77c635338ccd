/**
 * Reads SQL text as SQLite's own tokenizer does, as far as telling words, parameters, quoted parts
 * and punctuation apart. Comments and white space are passed over.
 */

export type SqlTokenKind = 'word' | 'parameter' | 'quoted' | 'other'

/** One token; its text is `sql.slice(start, end)`. */
export interface SqlToken {
  readonly kind: SqlTokenKind
  readonly start: number
  readonly end: number
  /** How many parentheses are open around it; those themselves count as outside. */
  readonly depth: number
}

const CLOSING: Readonly<Record<string, string>> = { "'": "'", '"': '"', '`': '`', '[': ']' }
const SPACE = /[ \t\n\f\r]/y
/** Letters, digits, `_`, `$` and everything beyond ASCII: what names are made of. */
const NAME = /[\w$\u0080-\uffff]+/y
const NUMBERED = /\?\d*/y
/** With the suffixes that SQLite takes over from Tcl: `$a::b(c)`. */
const NAMED = /[:@$][\w$\u0080-\uffff]+(?:::[\w$\u0080-\uffff]*)*(?:\([^)\s]*\))?/y

/** The tokens of a text, one by one: texts may be long. */
export function* sqlTokens(sql: string): Generator<SqlToken, void> {
  let at = 0
  let depth = 0
  for (;;) {
    at = skipSpace(sql, at)
    if (at >= sql.length) return
    const { kind, end } = readToken(sql, at)
    const char = kind === 'other' ? sql[at] : undefined
    if (char === ')' && depth > 0) depth--
    yield { kind, start: at, end, depth }
    if (char === '(') depth++
    at = end
  }
}

function readToken(sql: string, at: number): { kind: SqlTokenKind; end: number } {
  const char = sql[at] as string
  const closing = CLOSING[char]
  if (closing !== undefined) return { kind: 'quoted', end: endOfQuoted(sql, at, closing) }
  if (char === '?') return { kind: 'parameter', end: match(NUMBERED, sql, at) }
  const named = match(NAMED, sql, at)
  if (named > at) return { kind: 'parameter', end: named }
  const name = match(NAME, sql, at)
  if (name > at) return { kind: 'word', end: name }
  return { kind: 'other', end: at + 1 }
}

/** Where a quoted part ends; a doubled quote within stands for one. */
function endOfQuoted(sql: string, at: number, closing: string): number {
  let end = sql.indexOf(closing, at + 1)
  while (end >= 0 && closing !== ']' && sql[end + 1] === closing) {
    end = sql.indexOf(closing, end + 2)
  }
  return end < 0 ? sql.length : end + 1
}

function skipSpace(sql: string, from: number): number {
  let at = from
  for (;;) {
    if (match(SPACE, sql, at) > at) at++
    else if (sql.startsWith('--', at)) at = endOfComment(sql, at, '\n')
    else if (sql.startsWith('/*', at)) at = endOfComment(sql, at, '*/')
    else return at
  }
}

function endOfComment(sql: string, at: number, mark: string): number {
  const end = sql.indexOf(mark, at + 2)
  return end < 0 ? sql.length : end + mark.length
}

function match(pattern: RegExp, sql: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(sql) ? pattern.lastIndex : at
}
