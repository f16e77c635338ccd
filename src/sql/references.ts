/**
 * What a query reads from. Finds every place of SQLite's SELECT grammar where a table can stand
 * (https://sqlite.org/lang_select.html) and every function call, and refuses what is not allowed
 * there. The lists say what may be used; everything else is refused.
 */
import { MeridianError } from '../core/errors.ts'
import { isAllowedFunction, isAllowedTableFunction } from './functions.ts'
import { lowerAscii, refused, type Token } from './tokens.ts'

/** Keywords that are never an identifier in SQLite, as far as they can stand in a query. */
const RESERVED = new Set(
  `ALL AND AS BETWEEN CASE COLLATE DISTINCT ELSE ESCAPE EXCEPT EXISTS FROM GROUP HAVING IN
  INTERSECT IS ISNULL JOIN LIMIT NOT NOTNULL NULL ON OR ORDER SELECT THEN UNION USING VALUES WHEN
  WHERE`.split(/\s+/),
)

/** Keywords that may precede a parenthesis without being a function's name. */
const BEFORE_PARENTHESIS = new Set(
  [...RESERVED].concat('BY', 'CAST', 'FILTER', 'GLOB', 'LIKE', 'MATERIALIZED', 'OFFSET', 'OVER'),
)

/** Keywords behind which a FROM clause is over. Those of joins and their conditions do not end it. */
const ENDS_FROM = new Set([
  'WHERE',
  'GROUP',
  'HAVING',
  'ORDER',
  'LIMIT',
  'UNION',
  'INTERSECT',
  'EXCEPT',
])

/** Keywords of statements and clauses that write or reach out. */
const FORBIDDEN = new Set(
  `ALTER ANALYZE ATTACH BEGIN COMMIT CREATE DELETE DETACH DROP EXPLAIN INSERT INTO PRAGMA REINDEX
  RELEASE RETURNING ROLLBACK SAVEPOINT SET TABLE TRANSACTION UPDATE VACUUM`.split(/\s+/),
)

/** Parentheses within each other; SQLite's parser stops at about as many. */
const MAX_DEPTH = 100

/** Physical tables, system tables, SQLite's own tables and table functions. */
const PHYSICAL = /^(?:[tvm]\d+|_.*|sqlite_.*|libsql_.*|pragma_.*)$/i
const SCHEMAS = new Set(['main', 'temp'])

/** What the finder needs to know of names. */
export interface NameRules {
  /** Whether a public table or view has this name (any case). */
  isPublic(name: string): boolean
  /** Whether a public column has this name (any case): it may then look like a physical name. */
  isColumn(name: string): boolean
}

interface Group {
  /** Common table expressions that are visible in it, in lower case. */
  readonly visible: ReadonlySet<string>
  inFrom: boolean
  expectsTable: boolean
}

/**
 * Checks the tokens of one query and finds the public tables and views that it reads, their names
 * in lower case.
 *
 * @throws MeridianError `QUERY_REFUSED`, `UNKNOWN_TABLE`
 */
export function findReferences(tokens: readonly Token[], rules: NameRules): ReadonlySet<string> {
  return new Finder(tokens, rules).run()
}

class Finder {
  readonly #tokens: readonly Token[]
  readonly #rules: NameRules
  readonly #publicNames = new Set<string>()
  /** Tokens that name a common table expression in its WITH clause. */
  readonly #heads = new Set<number>()
  readonly #groups: Group[] = [{ visible: new Set(), inFrom: false, expectsTable: false }]

  constructor(tokens: readonly Token[], rules: NameRules) {
    this.#tokens = tokens
    this.#rules = rules
  }

  run(): ReadonlySet<string> {
    this.#requireQuery()
    for (let i = 0; i < this.#tokens.length; i++) this.#step(i, this.#tokens[i] as Token)
    if (this.#groups.length > 1) throw this.#refuse('an unclosed parenthesis', 0, 'Close it.')
    return this.#publicNames
  }

  #requireQuery(): void {
    const first = this.#tokens[0]
    if (first === undefined) throw refused('no statement', 0, 'Write a SELECT.')
    const name = keyword(first)
    if (name === 'SELECT' || name === 'WITH' || name === 'VALUES') return
    const what = first.kind === 'word' ? `the keyword ${name}` : `a ${first.kind}`
    throw refused(`${what} where a query begins`, first.at, READ_ONLY)
  }

  #step(i: number, token: Token): void {
    const group = this.#groups.at(-1) as Group
    if (token.text === '(') return this.#open(i, group)
    if (token.text === ')') return this.#close(i)
    if (token.text === ';') {
      throw this.#refuse('a second statement', i, 'Send one statement at a time, without `;`.')
    }
    const word = keyword(token)
    if (group.expectsTable && word !== 'SELECT' && word !== 'VALUES' && word !== 'WITH') {
      return this.#table(i, group)
    }
    if (token.kind === 'symbol') {
      if (token.text === ',' && group.inFrom) group.expectsTable = true
      return
    }
    if (token.kind === 'word') this.#word(i, word, group)
    if (token.kind === 'word' || token.kind === 'quoted') this.#identifier(i, token)
  }

  #open(i: number, group: Group): void {
    if (this.#groups.length > MAX_DEPTH) {
      throw this.#refuse(`more than ${MAX_DEPTH} nested parentheses`, i, 'Nest less.')
    }
    const tableList = group.expectsTable
    group.expectsTable = false
    this.#groups.push({ visible: group.visible, inFrom: tableList, expectsTable: tableList })
    const previous = this.#tokens[i - 1]
    if (previous !== undefined && !tableList) this.#call(i - 1, previous)
  }

  #close(i: number): void {
    if (this.#groups.length === 1) {
      throw this.#refuse('a parenthesis that was not opened', i, 'Remove it.')
    }
    this.#groups.pop()
  }

  #word(i: number, word: string, group: Group): void {
    if (FORBIDDEN.has(word) && !this.#isName(i)) {
      // For the message's sake: behind SELECT none of these is more than a name to SQLite.
      throw this.#refuse(`the keyword ${word}`, i, READ_ONLY)
    }
    switch (word) {
      case 'WITH':
        return this.#with(i)
      case 'SELECT':
      case 'VALUES':
        group.inFrom = false
        group.expectsTable = false
        return
      case 'FROM':
        // IS [NOT] DISTINCT FROM compares; a SELECT DISTINCT without columns is no query.
        if (keyword(this.#tokens[i - 1]) === 'DISTINCT') return
        group.inFrom = true
        group.expectsTable = true
        return
      case 'JOIN':
        group.inFrom = true
        group.expectsTable = true
        return
      case 'IN':
        // `x IN name` reads a table; `x IN (…)` is a list or a query.
        group.expectsTable = this.#tokens[i + 1]?.text !== '('
        return
      case 'WINDOW':
        // Elsewhere it is a name. SQLite decides by the same two tokens.
        if (isIdentifier(this.#tokens[i + 1]) && keyword(this.#tokens[i + 2]) === 'AS') {
          group.inFrom = false
        }
        return
      case 'MATCH':
      case 'REGEXP':
        if (this.#isName(i)) return
        throw this.#refuse(`the operator ${word}`, i, 'Use LIKE or GLOB.')
    }
    if (ENDS_FROM.has(word)) group.inFrom = false
  }

  /** The one place where a name can reach a stored table. */
  #table(i: number, group: Group): void {
    const token = this.#tokens[i] as Token
    group.expectsTable = false
    if (!isIdentifier(token)) {
      throw this.#refuse(`a ${token.kind} where a table stands`, i, 'Name a table.')
    }
    const name = nameOf(token)
    const next = this.#tokens[i + 1]?.text
    if (next === '.') throw this.#refuse('a schema-qualified name', i, 'Name the table alone.')
    if (next === '(') {
      if (isAllowedTableFunction(name)) return
      throw this.#refuse(`the table function ${name}`, i, 'Use json_each or json_tree.')
    }
    if (group.visible.has(name)) return
    if (!this.#rules.isPublic(name)) {
      if (isForbiddenName(name)) throw this.#physical(i, name)
      throw new MeridianError('UNKNOWN_TABLE', `There is no table or view '${name}'.`, {
        fix: 'Name a table or a view of the schema.',
        details: { name, at: token.at },
      })
    }
    this.#publicNames.add(name)
  }

  /** A name anywhere but where a table stands. */
  #identifier(i: number, token: Token): void {
    const name = nameOf(token)
    const next = this.#tokens[i + 1]?.text
    if (next === '.' && this.#tokens[i + 3]?.text === '.') {
      throw this.#refuse('a schema-qualified name', i, 'Qualify columns by the table alone.')
    }
    if (next === '.' && SCHEMAS.has(name)) {
      throw this.#refuse('a schema-qualified name', i, 'Leave the schema out.')
    }
    if (!isForbiddenName(name) || this.#rules.isColumn(name)) return
    // Of the public names only the catalogue's look like internal ones; they qualify its columns.
    if (!this.#rules.isPublic(name)) throw this.#physical(i, name)
  }

  /** `name (`: a call, unless the name is a keyword, a type or the head of a WITH. */
  #call(i: number, token: Token): void {
    if (token.kind !== 'word' && token.kind !== 'quoted') return
    if (token.kind === 'word' && BEFORE_PARENTHESIS.has(token.name)) return
    if (this.#heads.has(i)) return
    const name = nameOf(token)
    if (isAllowedTableFunction(name) || isAllowedFunction(name)) return
    // CAST(x AS DECIMAL(10, 2)): behind AS stands a type, never a call.
    if (keyword(this.#tokens[i - 1]) === 'AS') return
    throw this.#refuse(`the function ${name}`, i, 'Use a function that is documented as allowed.')
  }

  /** Reads the names of a WITH clause: they are visible to the end of the parenthesis around it. */
  #with(i: number): void {
    if (i > 0 && this.#tokens[i - 1]?.text !== '(') {
      throw this.#refuse('the keyword WITH', i, 'Put it before a SELECT, or quote the name.')
    }
    const group = this.#groups.at(-1) as Group
    const visible = new Set(group.visible)
    let at = keyword(this.#tokens[i + 1]) === 'RECURSIVE' ? i + 2 : i + 1
    for (;;) {
      visible.add(this.#head(at))
      at = this.#endOfBody(at + 1)
      if (this.#tokens[at]?.text !== ',') break
      at += 1
    }
    const main = keyword(this.#tokens[at])
    if (main !== 'SELECT' && main !== 'VALUES') {
      throw this.#refuse(
        'a WITH clause without a SELECT',
        Math.min(at, this.#tokens.length - 1),
        READ_ONLY,
      )
    }
    this.#groups[this.#groups.length - 1] = { visible, inFrom: false, expectsTable: false }
  }

  #head(i: number): string {
    if (!isIdentifier(this.#tokens[i])) {
      throw this.#refuse('a WITH clause without a name', i - 1, 'Name it.')
    }
    const name = nameOf(this.#tokens[i] as Token)
    if (this.#rules.isPublic(name)) {
      throw this.#refuse(`a WITH name that hides '${name}'`, i, 'Choose another name.')
    }
    if (isForbiddenName(name) || isAllowedTableFunction(name)) throw this.#physical(i, name)
    this.#heads.add(i)
    return name
  }

  /** From behind a head's name to behind its body: `[(columns)] AS [[NOT] MATERIALIZED] (…)`. */
  #endOfBody(start: number): number {
    let at = this.#tokens[start]?.text === '(' ? this.#behindGroup(start) : start
    if (keyword(this.#tokens[at]) === 'AS') at += 1
    if (keyword(this.#tokens[at]) === 'NOT') at += 1
    if (keyword(this.#tokens[at]) === 'MATERIALIZED') at += 1
    if (this.#tokens[at]?.text === '(') return this.#behindGroup(at)
    throw this.#refuse('a WITH clause without a body', start - 1, 'Write `name AS (SELECT …)`.')
  }

  #behindGroup(open: number): number {
    let depth = 0
    for (let i = open; i < this.#tokens.length; i++) {
      if (this.#tokens[i]?.text === '(') depth += 1
      if (this.#tokens[i]?.text === ')') depth -= 1
      if (depth === 0) return i + 1
    }
    throw this.#refuse('an unclosed parenthesis', open, 'Close it.')
  }

  /** Whether a keyword can only be a name here: a column's, or part of a dotted one. */
  #isName(i: number): boolean {
    if (this.#rules.isColumn(nameOf(this.#tokens[i] as Token))) return true
    return this.#tokens[i - 1]?.text === '.' || this.#tokens[i + 1]?.text === '.'
  }

  #physical(i: number, name: string): MeridianError {
    return this.#refuse(`the internal name '${name}'`, i, 'Use the names of the schema.')
  }

  #refuse(kind: string, i: number, fix: string): MeridianError {
    return refused(kind, this.#tokens[i]?.at ?? 0, fix)
  }
}

const READ_ONLY = 'Queries only read: begin with SELECT, WITH or VALUES, and write by the tables.'

function isForbiddenName(name: string): boolean {
  return PHYSICAL.test(name) || SCHEMAS.has(name)
}

function isIdentifier(token: Token | undefined): boolean {
  if (token === undefined) return false
  return token.kind === 'quoted' || (token.kind === 'word' && !RESERVED.has(token.name))
}

/** A bare word in upper case; '' for everything else. */
function keyword(token: Token | undefined): string {
  return token?.kind === 'word' ? token.name : ''
}

/** A name in lower case: SQL compares names without regard to the case of ASCII letters. */
function nameOf(token: Token): string {
  return lowerAscii(token.name)
}
