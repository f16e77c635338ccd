/** Checks expressions: every name is a column of a table that is read, every word is known. */
import { refused } from '../tokens.ts'
import { keyOf, type ColumnKey } from './order.ts'
import { resolve, type Reference, type Scope } from './scopes.ts'
import {
  chainAt,
  identifier,
  isSubquery,
  keyword,
  onlyChain,
  placeOf,
  splitCommas,
  symbol,
  type Group,
  type Item,
} from './syntax.ts'
import { AGGREGATES, exactMean, exactSum, refusalOf, SCALARS, SOFT, WORDS } from './vocabulary.ts'

/** What stands around an expression. */
export interface ExpressionPlace {
  readonly scope: Scope
  /** Whether aggregates may stand here. */
  readonly mayAggregate: boolean
  /** Of an aggregating SELECT outside its aggregates: the columns that all rows of a group share. */
  readonly groupBy: ReadonlySet<ColumnKey> | undefined
}

/** What the checks note. */
export interface ExpressionSink {
  /** A column is read. */
  read(reference: Reference): void
  /** A query within: how its rows are used. */
  subquery(group: Group, outer: Scope, use: 'set' | 'value'): void
  /** The tokens from `start` to `end` are written as `text`. */
  rewrite(start: number, end: number, text: string): void
}

/** How often texts may be joined: none becomes longer than an engine takes. */
const MAX_CONCATENATIONS = 16
const ALLOWED_SYMBOLS = new Set('+ - * / % & | ~ << >> < <= > >= = == <> != || ,'.split(' '))
/** Words behind which a value may stand again. */
const ENDS_VALUE = new Set(['END', 'NULL', 'ISNULL', 'NOTNULL', 'TRUE', 'FALSE'])
const MAX_INTEGER_DIGITS = 18

/** @throws MeridianError `QUERY_REFUSED` */
export class Expressions {
  readonly #sink: ExpressionSink
  readonly #isColumn: (name: string) => boolean
  #concatenations = 0

  /** `isColumn`: whether a table that may be read has a column of this name in lower case. */
  constructor(sink: ExpressionSink, isColumn: (name: string) => boolean) {
    this.#sink = sink
    this.#isColumn = isColumn
  }

  check(items: readonly Item[], place: ExpressionPlace): void {
    let isBehindValue = false
    for (let i = 0; i < items.length;) {
      const item = items[i] as Item
      const length = this.#step(items, i, place)
      const isValue = this.#isValue(items, i)
      if (isValue && isBehindValue) {
        throw refused('two values side by side', placeOf(item), 'Write AS before a name.')
      }
      isBehindValue = isValue || ENDS_VALUE.has(keyword(item))
      i += length
    }
  }

  #isValue(items: readonly Item[], i: number): boolean {
    const item = items[i] as Item
    if (item.kind === 'group') return true
    if (item.token.kind === 'symbol') return false
    return !WORDS.has(keyword(item)) && keyword(item) !== 'DISTINCT' && keyword(item) !== 'FROM'
  }

  /** Checks what begins at `i`; gives how many items that is. */
  #step(items: readonly Item[], i: number, place: ExpressionPlace): number {
    const item = items[i] as Item
    if (item.kind === 'group') {
      this.#group(item, keyword(items[i - 1]), place)
      return 1
    }
    const { kind, text, at } = item.token
    switch (kind) {
      case 'symbol':
        this.#symbol(text, at)
        return 1
      case 'number':
        requireInteger(text, at)
        return 1
      case 'parameter':
      case 'string':
      case 'blob':
        return 1
      case 'word':
      case 'quoted':
        return this.#name(items, i, place)
    }
  }

  #group(group: Group, before: string, place: ExpressionPlace): void {
    if (!isSubquery(group)) {
      for (const part of splitCommas(group.items)) this.check(part, place)
      return
    }
    if (place.groupBy !== undefined) {
      throw refused('a query within an aggregating SELECT', group.at, 'Move it to WHERE.')
    }
    this.#sink.subquery(
      group,
      place.scope,
      before === 'EXISTS' || before === 'IN' ? 'set' : 'value',
    )
  }

  #symbol(text: string, at: number): void {
    if (text === '||') this.#concatenations += 1
    if (this.#concatenations > MAX_CONCATENATIONS) {
      throw refused(`more than ${MAX_CONCATENATIONS} times ||`, at, 'Join texts in the function.')
    }
    if (ALLOWED_SYMBOLS.has(text)) return
    const fix = text.startsWith('->') ? refusalOf('json') : undefined
    throw refused(`the symbol ${text}`, at, fix ?? 'Leave it out.')
  }

  /** A word, a call or a column. */
  #name(items: readonly Item[], i: number, place: ExpressionPlace): number {
    const item = items[i] as Item
    const word = keyword(item)
    const name = identifier(item)
    const at = placeOf(item)
    const next = items[i + 1]
    if (symbol(next) !== '.') {
      if (SOFT.has(word) && this.#isColumn(name)) {
        throw refused(`the name ${name} without quotes`, at, 'Quote it: it is a word of SQL, too.')
      }
      if (WORDS.has(word)) return this.#word(items, i)
      const isDistinctFrom =
        (word === 'DISTINCT' && keyword(next) === 'FROM') ||
        (word === 'FROM' && keyword(items[i - 1]) === 'DISTINCT')
      if (isDistinctFrom) return 1
      if (next?.kind === 'group') {
        this.#call(name, next, i === 0 ? undefined : items[i - 1], at, item, place)
        return 2
      }
    }
    return this.#column(items, i, place)
  }

  #word(items: readonly Item[], i: number): number {
    const word = keyword(items[i])
    const next = items[i + 1]
    if (word === 'IN' && next?.kind !== 'group') {
      throw refused('IN without a list', placeOf(items[i]), 'Write a list or a SELECT.')
    }
    if (word === 'LIKE' || word === 'GLOB') {
      const isText =
        next?.kind === 'leaf' &&
        ['string', 'parameter'].includes(next.token.kind) &&
        symbol(items[i + 2]) === ''
      // SQLite fails on a long pattern, and whether it meets one depends on the plan.
      if (!isText)
        throw refused(
          `${word} of a pattern that is made`,
          placeOf(items[i]),
          'Pass it as a parameter.',
        )
    }
    return 1
  }

  #column(items: readonly Item[], i: number, place: ExpressionPlace): number {
    const item = items[i] as Item
    const at = placeOf(item)
    const chain = chainAt(items, i)
    const found = chain === undefined ? undefined : resolve(chain, place.scope, at)
    if (chain === undefined || found === undefined) {
      throw unknownName(chain?.name ?? identifier(item), at)
    }
    if (place.groupBy?.has(keyOf(found.source, found.column)) === false) {
      throw refused(
        `the column ${chain.name} beside an aggregate`,
        at,
        'It is of any row of its group. Add it to GROUP BY, or take min() or max() of it.',
      )
    }
    let scope: Scope | undefined = place.scope
    for (let depth = 0; depth < found.depth && scope !== undefined; depth++) {
      scope.isCorrelated = true
      scope = scope.outer
    }
    this.#sink.read(found)
    return chain.length
  }

  #call(
    name: string,
    args: Group,
    before: Item | undefined,
    at: number,
    head: Item,
    place: ExpressionPlace,
  ): void {
    if (AGGREGATES.has(name)) {
      if (!place.mayAggregate || symbol(before) === '.') {
        throw refused(`the aggregate ${name} here`, at, 'Use it in SELECT, HAVING or ORDER BY.')
      }
      this.#aggregate(name, args, head, place)
    } else if (SCALARS.has(name)) {
      for (const part of splitCommas(args.items)) this.check(part, place)
    } else {
      throw refused(`the function ${name}`, at, refusalOf(name) ?? 'Compute it in the function.')
    }
  }

  #aggregate(name: string, args: Group, head: Item, place: ExpressionPlace): void {
    const [first] = args.items
    const isDistinct = keyword(first) === 'DISTINCT'
    const operand = isDistinct ? args.items.slice(1) : args.items
    const own = { scope: ownScope(place.scope), mayAggregate: false, groupBy: undefined }
    if (name === 'count') {
      const isAll = operand.length === 1 && symbol(first) === '*'
      if (operand.some(isSubquery)) throw refused('a query in count', args.at, 'Use WHERE.')
      if (!isAll && operand.length > 0) this.check(operand, own)
      return
    }
    const chain = onlyChain(operand)
    if (chain === undefined) {
      const fix = `Give ${name} one column; of several values, use CASE.`
      throw refused(`${name} of an expression`, args.at, fix)
    }
    const found = resolve(chain, own.scope, args.at)
    if (found === undefined) throw unknownName(chain.name, args.at)
    this.#sink.read(found)
    if (name === 'min' || name === 'max') return
    if (!found.column.isInteger || isDistinct) {
      throw refused(
        `${name} of ${isDistinct ? 'distinct values' : `the column ${chain.name}, which is no integer`}`,
        args.at,
        'A sum of reals depends on the order of rows. Keep integers (cents), or add up in the function.',
      )
    }
    const text = `"${found.source.alias.replaceAll('"', '""')}"."${found.column.name}"`
    const start = head.kind === 'leaf' ? head.index : args.index
    this.#sink.rewrite(start, args.end, name === 'sum' ? exactSum(text) : exactMean(text))
  }
}

/** An aggregate over outer columns alone would be the outer query's. */
function ownScope(scope: Scope): Scope {
  return { sources: scope.sources, outer: undefined, isCorrelated: false }
}

function requireInteger(text: string, at: number): void {
  if (/^\d+$/.test(text) && text.length <= MAX_INTEGER_DIGITS) return
  throw refused(
    `the number ${text.slice(0, 40)}`,
    at,
    'Its last digits differ between builds. Pass it as a parameter.',
  )
}

function unknownName(name: string, at: number): Error {
  const fix =
    refusalOf(name) ?? 'Name a column of a table after FROM; names of AS stand in ORDER BY.'
  return refused(`the name ${name === '' ? 'that is none' : name}`, at, fix)
}

/** Whether an expression has an aggregate of its own SELECT. */
export function hasAggregate(items: readonly Item[]): boolean {
  return items.some((item, i) => {
    if (item.kind === 'leaf') {
      const next = items[i + 1]
      return AGGREGATES.has(identifier(item)) && next?.kind === 'group' && !isSubquery(next)
    }
    return !isSubquery(item) && hasAggregate(item.items)
  })
}
