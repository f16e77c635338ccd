/** What names mean in a statement: the tables of a SELECT, and of those around it. */
import { refused } from '../tokens.ts'
import {
  chainAt,
  conjuncts,
  identifier,
  keyword,
  placeOf,
  symbol,
  type Chain,
  type Item,
} from './syntax.ts'

/** A column that a statement may read. */
export interface SqlColumn {
  readonly id: number
  readonly name: string
  /** Every value of it is an integer. */
  readonly isInteger: boolean
}

/** A table that a statement may read. */
export interface SqlTable {
  readonly id: number
  readonly name: string
  readonly columns: readonly SqlColumn[]
  /** The ids of its primary key, whether or not they are among `columns`. */
  readonly key: readonly number[]
}

/** A table where a FROM clause names it. */
export interface Source {
  readonly table: SqlTable
  /** What columns are qualified with, in lower case. */
  readonly alias: string
}

/** A column of a source. */
export interface Reference {
  readonly source: Source
  readonly column: SqlColumn
  /** How many SELECTs are between the name and the FROM of its table. */
  readonly depth: number
}

/** The tables of one SELECT, and where it stands. */
export interface Scope {
  readonly sources: readonly Source[]
  readonly outer: Scope | undefined
  /** Set where something in it reads a table of an outer one. */
  isCorrelated: boolean
}

/** What a FROM clause says. */
interface FromClause {
  readonly sources: readonly Source[]
  readonly conditions: readonly (readonly Item[])[]
}

const JOINS = new Set(['INNER', 'LEFT', 'RIGHT', 'FULL', 'OUTER', 'CROSS', 'JOIN'])
const CLEAR = 'Join with `JOIN table AS alias ON a.x = b.y`.'

/** @throws MeridianError `QUERY_REFUSED` for what is not tables and their conditions */
export function readFrom(
  items: readonly Item[],
  find: (name: string, at: number) => SqlTable,
): FromClause {
  const sources: Source[] = []
  const conditions: (readonly Item[])[] = []
  let i = 0
  for (;;) {
    const item = items[i]
    if (item?.kind === 'group') {
      throw refused(
        'a query or a join in parentheses after FROM',
        item.at,
        'Its rows have no key to tell them apart by. Join the tables themselves.',
      )
    }
    const name = identifier(item)
    if (name === '') throw refused('no table after FROM or JOIN', placeOf(item), CLEAR)
    const table = find(name, placeOf(item))
    i += 1
    if (keyword(items[i]) === 'AS') i += 1
    const next = keyword(items[i])
    const hasAlias = identifier(items[i]) !== '' && !JOINS.has(next) && !STOPS.has(next)
    sources.push({ table, alias: hasAlias ? identifier(items[i]) : name })
    if (hasAlias) i += 1
    if (keyword(items[i]) === 'ON') {
      const end = endOfCondition(items, i + 1)
      conditions.push(items.slice(i + 1, end))
      i = end
    }
    if (i >= items.length) return { sources: distinct(sources), conditions }
    i = behindJoin(items, i)
  }
}

const STOPS = new Set(['ON', 'USING', 'NATURAL', 'INDEXED', 'NOT'])

function endOfCondition(items: readonly Item[], from: number): number {
  const end = items.findIndex(
    (item, i) => i >= from && (JOINS.has(keyword(item)) || symbol(item) === ','),
  )
  return end === -1 ? items.length : end
}

function behindJoin(items: readonly Item[], from: number): number {
  let i = from
  if (symbol(items[i]) === ',') return i + 1
  while (JOINS.has(keyword(items[i]))) i += 1
  if (i > from && keyword(items[i - 1]) === 'JOIN') return i
  throw refused('a join that is not understood', placeOf(items[i]), CLEAR)
}

function distinct(sources: readonly Source[]): readonly Source[] {
  const aliases = new Set(sources.map(({ alias }) => alias))
  if (aliases.size === sources.length) return sources
  throw refused('two tables of the same name', 0, 'Give each an alias of its own.')
}

/** What a name means; undefined: nothing. @throws MeridianError `QUERY_REFUSED`: it is ambiguous */
export function resolve(chain: Chain, scope: Scope, at: number): Reference | undefined {
  let depth = 0
  for (let s: Scope | undefined = scope; s !== undefined; s = s.outer) {
    const found = s.sources.flatMap((source) => {
      if (chain.qualifier !== '' && chain.qualifier !== source.alias) return []
      const column = source.table.columns.find(({ name }) => name.toLowerCase() === chain.name)
      return column === undefined ? [] : [{ source, column, depth }]
    })
    if (found.length > 1) {
      throw refused(`the ambiguous name ${chain.name}`, at, 'Put the table before it: `t.column`.')
    }
    if (found[0] !== undefined) return found[0]
    depth += 1
  }
  return undefined
}

/**
 * Whether equalities of columns tie all tables together, and to those outside where it reads them.
 * Otherwise every row of one meets every row of another.
 */
export function isJoinedByKeys(scope: Scope, conditions: readonly (readonly Item[])[]): boolean {
  const group = new Map<Source | 'outside', Source | 'outside'>()
  const root = (of: Source | 'outside'): Source | 'outside' => {
    const parent = group.get(of)
    return parent === undefined ? of : root(parent)
  }
  for (const condition of conditions.flatMap(conjuncts)) {
    const left = chainAt(condition, 0)
    const equals = symbol(condition[left?.length ?? 0])
    const right = chainAt(condition, (left?.length ?? 0) + 1)
    if (left === undefined || right === undefined || !['=', '=='].includes(equals)) continue
    if (condition.length !== left.length + 1 + right.length) continue
    const [a, b] = [left, right].map((chain) => resolve(chain, scope, placeOf(condition[0])))
    if (a === undefined || b === undefined) continue
    const nodes = [a, b].map((r): Source | 'outside' => (r.depth === 0 ? r.source : 'outside'))
    const [one, other] = nodes.map(root) as [Source | 'outside', Source | 'outside']
    if (one !== other) group.set(one, other)
  }
  const all: (Source | 'outside')[] = [
    ...scope.sources,
    ...(scope.isCorrelated ? ['outside' as const] : []),
  ]
  return new Set(all.map(root)).size <= 1
}
