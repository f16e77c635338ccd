/**
 * What the text of a statement tells without parsing it: its first word, how many `?` it has, and
 * whether a second statement follows, which the engine would drop without a word.
 */

/** What was found in a statement's text. */
export interface StatementText {
  /** The first word, in lower case; '' when the text holds no statement. */
  readonly keyword: string
  /** What it does: the first word, or behind a WITH clause the word that says so. */
  readonly verb: string
  /** How many positional parameters it takes; `undefined` when it numbers or names them. */
  readonly parameters: number | undefined
  /** Whether something follows the first statement. */
  readonly hasTail: boolean
  /** Where the statement ends in the text: before its semicolon. */
  readonly end: number
}

const VERBS = new Set(['select', 'values', 'insert', 'replace', 'update', 'delete'])
const CLOSING: Readonly<Record<string, string>> = { "'": "'", '"': '"', '`': '`', '[': ']' }

/** Reads the text of one statement. */
export function readStatementText(sql: string): StatementText {
  const scan = new TextScan(sql)
  const keyword = scan.firstWord()
  // Only a trigger holds statements of its own; its body ends with the text.
  const isTrigger = keyword === 'create' && /^\W*create\s+(temp\w*\s+)?trigger\b/i.test(scan.rest())
  let verb = keyword
  let depth = 0
  let parameters: number | undefined = 0
  for (let char = scan.next(); char !== ''; char = scan.next()) {
    if (char === ';' && !isTrigger) {
      const end = scan.at - 1
      return { keyword, verb, parameters, hasTail: scan.hasMore(), end }
    }
    if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === '?') {
      if (/\d/.test(scan.peek())) parameters = undefined
      else if (parameters !== undefined) parameters++
    } else if (char === ':' || char === '@' || char === '$') parameters = undefined
    else if (verb === 'with' && depth === 0 && /[a-z_]/i.test(char)) {
      const word = (char + scan.restOfWord()).toLowerCase()
      if (VERBS.has(word)) verb = word
    }
  }
  return { keyword, verb, parameters, hasTail: false, end: sql.length }
}

/** Whether the word stands in the text as code. */
export function hasWord(sql: string, word: string): boolean {
  const scan = new TextScan(sql)
  for (let char = scan.next(); char !== ''; char = scan.next()) {
    if (!/[a-z_]/i.test(char)) continue
    if ((char + scan.restOfWord()).toLowerCase() === word) return true
  }
  return false
}

/** The text with its n-th `?` replaced where `replace` gives something for it. */
export function replaceParameters(
  sql: string,
  replace: (index: number) => string | undefined,
): string {
  const scan = new TextScan(sql)
  let text = ''
  let copied = 0
  let index = 0
  for (let char = scan.next(); char !== ''; char = scan.next()) {
    if (char !== '?') continue
    const replacement = replace(index++)
    if (replacement === undefined) continue
    text += sql.slice(copied, scan.at - 1) + replacement
    copied = scan.at
  }
  return text + sql.slice(copied)
}

/** Walks over a text, passing over comments, strings and quoted names. */
class TextScan {
  readonly #sql: string
  #at = 0

  constructor(sql: string) {
    this.#sql = sql
  }

  rest(): string {
    return this.#sql.slice(this.#at)
  }

  /** Where the next character is read. */
  get at(): number {
    return this.#at
  }

  restOfWord(): string {
    const rest = /^[\w$]*/.exec(this.rest())?.[0] ?? ''
    this.#at += rest.length
    return rest
  }

  peek(): string {
    return this.#sql[this.#at] ?? ''
  }

  firstWord(): string {
    this.#skipSpace()
    return /^[a-z]+/i.exec(this.#sql.slice(this.#at, this.#at + 20))?.[0].toLowerCase() ?? ''
  }

  hasMore(): boolean {
    for (let char = this.next(); char !== ''; char = this.next()) if (char !== ';') return true
    return false
  }

  /** The next character that is code; '' at the end. A quoted part counts as its first quote. */
  next(): string {
    this.#skipSpace()
    const char = this.peek()
    this.#at++
    const closing = CLOSING[char]
    if (closing !== undefined) this.#skipQuoted(closing)
    return char
  }

  #skipQuoted(closing: string): void {
    // A doubled quote reads as two quoted parts side by side, which is as good here.
    const end = this.#sql.indexOf(closing, this.#at)
    this.#at = end < 0 ? this.#sql.length : end + 1
  }

  #skipSpace(): void {
    for (;;) {
      while (/\s/.test(this.peek())) this.#at++
      const two = this.#sql.slice(this.#at, this.#at + 2)
      if (two === '--') this.#skipTo('\n', 1)
      else if (two === '/*') this.#skipTo('*/', 2)
      else return
    }
  }

  #skipTo(mark: string, length: number): void {
    const end = this.#sql.indexOf(mark, this.#at + length)
    this.#at = end < 0 ? this.#sql.length : end + mark.length
  }
}
