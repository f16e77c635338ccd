/**
 * What the text of a statement tells without parsing it: its first word, how many `?` it has, and
 * whether a second statement follows, which the engine would drop without a word.
 */

/** What was found in a statement's text. */
export interface StatementText {
  /** The first word, in lower case; '' when the text holds no statement. */
  readonly keyword: string
  /** How many positional parameters it takes; `undefined` when it numbers or names them. */
  readonly parameters: number | undefined
  /** Whether something follows the first statement. */
  readonly hasTail: boolean
}

const CLOSING: Readonly<Record<string, string>> = { "'": "'", '"': '"', '`': '`', '[': ']' }

/** Reads the text of one statement. */
export function readStatementText(sql: string): StatementText {
  const scan = new TextScan(sql)
  const keyword = scan.firstWord()
  // Only a trigger holds statements of its own; its body ends with the text.
  const isTrigger = keyword === 'create' && /^\W*create\s+(temp\w*\s+)?trigger\b/i.test(scan.rest())
  let parameters: number | undefined = 0
  for (let char = scan.next(); char !== ''; char = scan.next()) {
    if (char === ';' && !isTrigger) return { keyword, parameters, hasTail: scan.hasMore() }
    if (char === '?') {
      if (/\d/.test(scan.peek())) parameters = undefined
      else if (parameters !== undefined) parameters++
    } else if (char === ':' || char === '@' || char === '$') parameters = undefined
  }
  return { keyword, parameters, hasTail: false }
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
