/**
 * Checks SQL that every region is to run again with the same result (`docs/spec/strong.md`, S37).
 * One grammar is passed, all else is refused: SELECTs over tables, joined by keys, with conditions,
 * groups, orders without ties, and queries within conditions. What it passes depends on its text and
 * the tables alone; it may change only with the version of the strong state machine.
 */
import { MAX_GUARD_TABLES } from '../../core/limits.ts'
import { isNamedParameter, refused, tokenize, type Token } from '../tokens.ts'
import {
  Expressions,
  hasAggregate,
  type ExpressionPlace,
  type ExpressionSink,
} from './expressions.ts'
import {
  isTotalOrder,
  keyOf,
  type OrderTerm,
  type ResultColumn,
  type SelectShape,
} from './order.ts'
import {
  isJoinedByKeys,
  readFrom,
  resolve,
  type Reference,
  type Scope,
  type SqlTable,
} from './scopes.ts'
import {
  identifier,
  keyword,
  nest,
  onlyChain,
  placeOf,
  split,
  splitCommas,
  symbol,
  type Group,
  type Item,
} from './syntax.ts'

/** A statement that gives the same in every region. */
export interface CheckedQuery {
  readonly tokens: readonly Token[]
  /** How tokens are written that are not written as they are. */
  readonly rewritten: ReadonlyMap<number, string>
  /** Its tables, each with the columns that it reads. */
  readonly tables: readonly SqlTable[]
  /** Whether its rows come in one order alone. */
  readonly isOrdered: boolean
  /** The tokens of parameters that count rows: whole numbers, not negative. */
  readonly counts: ReadonlySet<number>
}

const MAX_DEPTH = 20
const COMPOUNDS = new Set(['UNION', 'INTERSECT', 'EXCEPT'])
const CLAUSES = ['SELECT', 'FROM', 'WHERE', 'GROUP', 'HAVING'] as const
type Clause = (typeof CLAUSES)[number]
const ORDER_WORDS = new Set(['ASC', 'DESC', 'NULLS', 'FIRST', 'LAST'])

/**
 * Checks a statement against the tables that it may read, by their names in any case.
 *
 * @throws MeridianError `QUERY_REFUSED`, which names what, where, and what to do instead
 */
export function checkQuery(sql: string, tables: readonly SqlTable[]): CheckedQuery {
  const written = tokenize(sql)
  const tokens = written.at(-1)?.text === ';' ? written.slice(0, -1) : written
  const named = tokens.find(isNamedParameter)
  if (named !== undefined) throw refused('a named parameter', named.at, "Use '?'.")
  return new QueryCheck(tokens, tables).run()
}

class QueryCheck implements ExpressionSink {
  readonly #tokens: readonly Token[]
  readonly #tables: readonly SqlTable[]
  readonly #expressions: Expressions
  readonly #read = new Map<SqlTable, Set<number>>()
  readonly #rewritten = new Map<number, string>()
  readonly #counts = new Set<number>()
  #sources = 0

  constructor(tokens: readonly Token[], tables: readonly SqlTable[]) {
    this.#tokens = tokens
    this.#tables = tables
    const names = new Set(
      tables.flatMap(({ columns }) => columns.map(({ name }) => name.toLowerCase())),
    )
    this.#expressions = new Expressions(this, (name) => names.has(name))
  }

  run(): CheckedQuery {
    const isOrdered = this.#query(nest(this.#tokens, MAX_DEPTH), undefined, 'rows')
    return {
      tokens: this.#tokens,
      rewritten: this.#rewritten,
      isOrdered,
      counts: this.#counts,
      tables: [...this.#read].map(([table, ids]) => ({
        ...table,
        columns: table.columns.filter(({ id }) => ids.has(id)),
      })),
    }
  }

  read({ source, column }: Reference): void {
    this.#read.get(source.table)?.add(column.id)
  }

  subquery(group: Group, outer: Scope, use: 'set' | 'value'): void {
    this.#query(group.items, outer, use)
  }

  rewrite(start: number, end: number, text: string): void {
    this.#rewritten.set(start, text)
    for (let i = start + 1; i <= end; i++) this.#rewritten.set(i, '')
  }

  /** Whether its rows come in one order alone. */
  #query(items: readonly Item[], outer: Scope | undefined, use: 'rows' | 'set' | 'value'): boolean {
    const orderAt = items.findIndex((item) => keyword(item) === 'ORDER')
    const limitAt = items.findIndex((item) => keyword(item) === 'LIMIT')
    const bodyEnd = [orderAt, limitAt].find((at) => at !== -1) ?? items.length
    const order = orderAt === -1 ? [] : items.slice(orderAt, limitAt === -1 ? undefined : limitAt)
    const limit = limitAt === -1 ? [] : items.slice(limitAt)
    const selects = compoundParts(items.slice(0, bodyEnd)).map((part) => this.#select(part, outer))
    const last = selects.at(-1) as CheckedSelect
    const terms = order.length === 0 ? [] : this.#order(order, selects)
    const shapes = selects.map(({ shape }) => shape)
    const isTotal = isTotalOrder(shapes, terms)
    const isOneRow = shapes.length === 1 && last.shape.isAggregate && last.shape.groupBy.size === 0
    this.#requireKeys(selects)
    if (limit.length > 0) this.#limit(limit, isTotal)
    else if (terms.length > 0 && !isTotal && use === 'rows') throw ties(order, 'an ORDER BY')
    const isFirst = limit.length === 2 && limit[1]?.kind === 'leaf' && limit[1].token.text === '1'
    if (use === 'value' && !isOneRow && !isFirst) {
      throw refused(
        'a query for a value that may have several rows',
        placeOf(items[0]),
        'Which of them is taken is not said. Aggregate it (min, max, count), or order it and add LIMIT 1.',
      )
    }
    return terms.length > 0 || isOneRow
  }

  #select(items: readonly Item[], outer: Scope | undefined): CheckedSelect {
    const clauses = clausesOf(items)
    const from = clauses.get('FROM')
    if (from === undefined) {
      throw refused(
        'a SELECT without a table',
        placeOf(items[0]),
        'Name a strong table after FROM.',
      )
    }
    const { sources, conditions } = readFrom(from, (name, at) => this.#table(name, at))
    this.#sources += sources.length
    if (this.#sources > MAX_GUARD_TABLES) {
      throw refused(
        `more than ${MAX_GUARD_TABLES} tables`,
        placeOf(items[0]),
        'Ask in several queries.',
      )
    }
    const scope: Scope = { sources, outer, isCorrelated: false }
    const plain: ExpressionPlace = { scope, mayAggregate: false, groupBy: undefined }
    const where = clauses.get('WHERE')
    const filters = where === undefined ? conditions : [...conditions, where]
    for (const filter of filters) this.#condition(filter, plain)
    const head = clauses.get('SELECT') ?? []
    const isDistinct = keyword(head[0]) === 'DISTINCT'
    const list = isDistinct || keyword(head[0]) === 'ALL' ? head.slice(1) : head
    const having = clauses.get('HAVING')
    const group = clauses.get('GROUP')
    const groupBy = this.#groupBy(group, plain)
    const isAggregate = group !== undefined || having !== undefined || hasAggregate(list)
    const place = isAggregate ? { scope, mayAggregate: true, groupBy } : plain
    const columns = splitCommas(list).flatMap((item) => this.#resultColumns(item, place))
    if (having !== undefined) this.#condition(having, place)
    return { shape: { sources, columns, isDistinct, isAggregate, groupBy }, place, filters, items }
  }

  #condition(items: readonly Item[], place: ExpressionPlace): void {
    if (items.length === 0)
      throw refused('a condition that is empty', 0, 'Write it, or leave it out.')
    this.#expressions.check(items, place)
  }

  #groupBy(items: readonly Item[] | undefined, place: ExpressionPlace): Set<string> {
    const keys = new Set<string>()
    if (items === undefined) return keys
    for (const part of splitCommas(items.slice(1))) {
      const chain = onlyChain(part)
      const found = chain && resolve(chain, place.scope, placeOf(part[0]))
      if (found === undefined || found.depth > 0) {
        throw refused('a GROUP BY of an expression', placeOf(part[0]), 'Group by columns.')
      }
      this.read(found)
      keys.add(keyOf(found.source, found.column))
    }
    return keys
  }

  #resultColumns(items: readonly Item[], place: ExpressionPlace): ResultColumn[] {
    const last = items.at(-1)
    if (symbol(last) === '*' && [1, 3].includes(items.length)) return this.#star(items, place)
    const hasAlias = keyword(items.at(-2)) === 'AS' && identifier(last) !== ''
    const value = hasAlias ? items.slice(0, -2) : items
    if (value.length === 0) throw refused('an empty column', placeOf(last), 'Leave it out.')
    this.#expressions.check(value, place)
    const chain = onlyChain(value)
    const found = chain && resolve(chain, place.scope, placeOf(value[0]))
    const alias = hasAlias ? identifier(last) : undefined
    if (found === undefined && alias === undefined && place.scope.outer === undefined) {
      throw refused('a column without a name', placeOf(value[0]), 'Add AS and a name.')
    }
    const key = found?.depth === 0 ? keyOf(found.source, found.column) : undefined
    return [{ key, alias }]
  }

  #star(items: readonly Item[], { scope, groupBy }: ExpressionPlace): ResultColumn[] {
    const at = placeOf(items[0])
    if (groupBy !== undefined) throw refused('a * beside an aggregate', at, 'Name the columns.')
    const qualifier = items.length === 1 ? undefined : identifier(items[0])
    const sources = scope.sources.filter(
      ({ alias }) => qualifier === undefined || alias === qualifier,
    )
    if (sources.length === 0) throw refused(`the table ${qualifier} before .*`, at, 'Name it.')
    return sources.flatMap((source) =>
      source.table.columns.map((column) => {
        this.read({ source, column, depth: 0 })
        return { key: keyOf(source, column), alias: undefined }
      }),
    )
  }

  #order(items: readonly Item[], selects: readonly CheckedSelect[]): OrderTerm[] {
    const [first] = selects as [CheckedSelect]
    const body = items.slice(keyword(items[1]) === 'BY' ? 2 : 1)
    return splitCommas(body).map((term) => {
      let end = term.length
      while (end > 1 && ORDER_WORDS.has(keyword(term[end - 1]))) end -= 1
      const value = term.slice(0, end)
      const [only] = value
      if (value.length === 1 && only?.kind === 'leaf' && only.token.kind === 'number') {
        return { kind: 'position', position: Number(only.token.text) - 1 }
      }
      if (selects.length > 1) {
        throw refused(
          'an ORDER BY of a name behind UNION, INTERSECT or EXCEPT',
          placeOf(only),
          'Order by the numbers of the columns: `ORDER BY 1, 2`.',
        )
      }
      return this.#orderTerm(value, first)
    })
  }

  #orderTerm(value: readonly Item[], { shape, place }: CheckedSelect): OrderTerm {
    const chain = onlyChain(value)
    if (chain?.qualifier === '') {
      // SQLite takes the first column with this AS name before any column of a table.
      const position = shape.columns.findIndex(({ alias }) => alias === chain.name)
      if (position !== -1) return { kind: 'position', position }
    }
    this.#condition(value, place)
    const found = chain && resolve(chain, place.scope, placeOf(value[0]))
    if (found?.depth !== 0) return { kind: 'expression' }
    return { kind: 'column', key: keyOf(found.source, found.column) }
  }

  #limit(items: readonly Item[], isTotal: boolean): void {
    const [, count, word, offset] = items
    const counts = items.length === 2 ? [count] : [count, offset]
    const isUnderstood = items.length === 2 || (items.length === 4 && keyword(word) === 'OFFSET')
    if (!isUnderstood)
      throw refused('a LIMIT that is not understood', placeOf(count), 'Write a number.')
    for (const item of counts) {
      const isNumber = item?.kind === 'leaf' && /^\d{1,9}$/.test(item.token.text)
      const isParameter = item?.kind === 'leaf' && item.token.kind === 'parameter'
      if (isParameter) this.#counts.add(item.index)
      else if (!isNumber)
        throw refused('a LIMIT of an expression', placeOf(item), 'Write a number.')
    }
    if (!isTotal) throw ties(items, 'a LIMIT')
  }

  /** Every row of one table with every row of another: no region should have to go through that. */
  #requireKeys(selects: readonly CheckedSelect[]): void {
    for (const { place, filters, items } of selects) {
      if (isJoinedByKeys(place.scope, filters)) continue
      throw refused(
        'tables that no key joins',
        placeOf(items[0]),
        'Add `a.x = b.y` for each table, also to the table outside of an inner SELECT.',
      )
    }
  }

  #table(name: string, at: number): SqlTable {
    const table = this.#tables.find((known) => known.name.toLowerCase() === name)
    if (table === undefined) {
      throw refused(
        `the table ${name}`,
        at,
        'In a strong transaction, SQL reads strong tables of its own scope: read others outside.',
      )
    }
    if (!this.#read.has(table)) this.#read.set(table, new Set())
    return table
  }
}

/** A SELECT that was checked. */
interface CheckedSelect {
  readonly shape: SelectShape
  readonly place: ExpressionPlace
  readonly filters: readonly (readonly Item[])[]
  readonly items: readonly Item[]
}

function ties(items: readonly Item[], what: string): Error {
  return refused(
    `${what} that leaves ties`,
    placeOf(items[0]),
    'Rows that tie come in any order. Add the primary key of each table to ORDER BY, or all columns that are selected.',
  )
}

/** The SELECTs that UNION, INTERSECT and EXCEPT join. */
function compoundParts(items: readonly Item[]): readonly (readonly Item[])[] {
  const isCompound = (item: Item | undefined): boolean => COMPOUNDS.has(keyword(item))
  const parts = split(items, isCompound)
  return parts.map((part, i) => (i > 0 && keyword(part[0]) === 'ALL' ? part.slice(1) : part))
}

function clausesOf(items: readonly Item[]): ReadonlyMap<Clause, readonly Item[]> {
  const first = keyword(items[0])
  if (first !== 'SELECT') {
    const what = first === '' ? 'no SELECT' : `the keyword ${first}`
    const fix =
      first === 'WITH' || first === 'VALUES'
        ? 'Its rows have no key to tell them apart by. Select from tables.'
        : 'SQL only reads here: write a SELECT.'
    throw refused(`${what} where a query begins`, placeOf(items[0]), fix)
  }
  const clauses = new Map<Clause, Item[]>()
  let current: Clause = 'SELECT'
  items.forEach((item, i) => {
    const word = keyword(item)
    const isComparison = word === 'FROM' && keyword(items[i - 1]) === 'DISTINCT' && i > 2
    const clause = isComparison ? undefined : CLAUSES.find((name) => name === word)
    if (clause === undefined) {
      if (word === 'WINDOW' || isStray(word))
        throw refused(`the keyword ${word}`, placeOf(item), 'Leave it out.')
      clauses.get(current)?.push(item)
      return
    }
    // In their order, each once.
    const isInOrder = i === 0 || CLAUSES.indexOf(clause) > CLAUSES.indexOf(current)
    if (!isInOrder) throw refused(`a second ${clause}`, placeOf(item), 'Write one SELECT.')
    current = clause
    clauses.set(clause, [])
  })
  return clauses
}

function isStray(word: string): boolean {
  return word === 'INTO' || word === 'RETURNING'
}
