/**
 * Splits SQL text into statements and tells of each what can be told without parsing it: its first
 * words, what it does, its parameters, and where its RETURNING clause begins.
 */
import { sqlTokens, type SqlToken } from './sql-tokens.ts'

/** What was found in one statement. */
export interface SqlStatementText {
  /** Without the closing semicolon and what surrounds it. */
  readonly sql: string
  /** The first tokens, without `EXPLAIN [QUERY PLAN]`; words in lower case. */
  readonly head: readonly string[]
  /** The word that says what it does; of `WITH`, the one after the tables. Lower case. */
  readonly verb: string
  readonly isExplain: boolean
  /** By place; `null` for one without a name. */
  readonly parameters: readonly (string | null)[]
  /** Where the items of a RETURNING clause begin in `sql`. */
  readonly returningAt: number | undefined
}

const HEAD_TOKENS = 12
/** SQLite's bound; a higher number is the engine's to refuse. */
const MAX_PARAMETER_NUMBER = 32_766

/** The statements of a text; empty ones are left out. */
export function splitStatements(sql: string): SqlStatementText[] {
  const statements: SqlStatementText[] = []
  let reader = new StatementReader(sql)
  for (const token of sqlTokens(sql)) {
    if (reader.endsAt(token)) {
      reader.finish(statements)
      reader = new StatementReader(sql)
    } else {
      reader.take(token)
    }
  }
  reader.finish(statements)
  return statements
}

/** Takes the tokens of one statement in. */
class StatementReader {
  readonly #sql: string
  readonly #head: string[] = []
  readonly #parameters: (string | null)[] = []
  readonly #places = new Map<string, number>()
  #start: number | undefined
  #end = 0
  #isExplain = false
  #verb: string | undefined
  #returningAt: number | undefined
  /** The two tokens before this one: only a trigger holds statements, and ends with `; END ;`. */
  #previous = ''
  #beforePrevious = ''

  constructor(sql: string) {
    this.#sql = sql
  }

  endsAt(token: SqlToken): boolean {
    if (token.kind !== 'other' || this.#sql[token.start] !== ';') return false
    if (!this.#isTrigger()) return true
    return this.#previous === 'end' && this.#beforePrevious === ';'
  }

  take(token: SqlToken): void {
    const text = this.#textOf(token)
    this.#start ??= token.start
    this.#end = token.end
    if (token.kind === 'parameter') this.#takeParameter(text)
    if (token.kind === 'word' && token.depth === 0) this.#takeWord(text, token)
    if (this.#head.length < HEAD_TOKENS && !this.#skipExplain(text)) this.#head.push(text)
    this.#beforePrevious = this.#previous
    this.#previous = text
  }

  finish(statements: SqlStatementText[]): void {
    const start = this.#start
    if (start === undefined) return
    statements.push({
      sql: this.#sql.slice(start, this.#end),
      head: this.#head,
      verb: this.#verb ?? this.#head[0] ?? '',
      isExplain: this.#isExplain,
      parameters: this.#parameters,
      returningAt: this.#returningAt === undefined ? undefined : this.#returningAt - start,
    })
  }

  #textOf({ kind, start, end }: SqlToken): string {
    // Long quoted parts matter to nobody.
    const text = this.#sql.slice(start, Math.min(end, start + 200))
    return kind === 'word' ? text.toLowerCase() : text
  }

  #takeWord(word: string, { end }: SqlToken): void {
    // `WITH a(x) AS (…), b AS (…) INSERT …`: after a list of columns comes AS, after a table the verb.
    if (this.#head[0] === 'with' && this.#verb === undefined) {
      if (this.#previous === ')' && word !== 'as') this.#verb = word
    } else if (word === 'returning') {
      this.#returningAt = end
    }
  }

  #skipExplain(text: string): boolean {
    if (this.#head.length > 0) return false
    if (text === 'explain' && !this.#isExplain) {
      this.#isExplain = true
      return true
    }
    return (
      (text === 'query' && this.#previous === 'explain') ||
      (text === 'plan' && this.#previous === 'query')
    )
  }

  #isTrigger(): boolean {
    const [first, second, third] = this.#head
    if (first !== 'create') return false
    return second === 'trigger' || ((second ?? '').startsWith('temp') && third === 'trigger')
  }

  /** Numbers parameters as SQLite does: the highest number so far, plus one. */
  #takeParameter(text: string): void {
    if (text === '?') {
      this.#parameters.push(null)
      return
    }
    if (text.startsWith('?')) {
      const number = Number(text.slice(1))
      if (number < 1 || number > MAX_PARAMETER_NUMBER) return
      while (this.#parameters.length < number) this.#parameters.push(null)
      this.#parameters[number - 1] ??= text
    } else if (!this.#places.has(text)) {
      this.#places.set(text, this.#parameters.length)
      this.#parameters.push(text)
    }
  }
}
