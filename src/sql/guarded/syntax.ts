/** The tokens of a statement as nested parentheses, and the ways in which clauses are cut from them. */
import { lowerAscii, refused, type Token } from '../tokens.ts'

/** A token where it stands. */
interface Leaf {
  readonly kind: 'leaf'
  /** Its place among the statement's tokens. */
  readonly index: number
  readonly token: Token
}

/** What stands between parentheses. */
export interface Group {
  readonly kind: 'group'
  /** The place of the opening parenthesis. */
  readonly index: number
  /** The place of the closing one. */
  readonly end: number
  readonly at: number
  readonly items: readonly Item[]
}

export type Item = Leaf | Group

/** @throws MeridianError `QUERY_REFUSED` where parentheses do not match, or nest too deep */
export function nest(tokens: readonly Token[], maxDepth: number): readonly Item[] {
  const open: { index: number; items: Item[] }[] = [{ index: -1, items: [] }]
  tokens.forEach((token, index) => {
    const group = open.at(-1) as { index: number; items: Item[] }
    if (token.text === '(') {
      if (open.length > maxDepth)
        throw refused('too many nested parentheses', token.at, 'Nest less.')
      open.push({ index, items: [] })
    } else if (token.text === ')') {
      open.pop()
      const parent = open.at(-1)
      if (parent === undefined) throw unmatched(token)
      const at = (tokens[group.index] as Token).at
      parent.items.push({ kind: 'group', index: group.index, end: index, at, items: group.items })
    } else {
      group.items.push({ kind: 'leaf', index, token })
    }
  })
  if (open.length > 1) throw unmatched(tokens[open.at(-1)?.index ?? 0] as Token)
  return open[0]?.items ?? []
}

function unmatched(token: Token): Error {
  return refused('a parenthesis without its other', token.at, 'Close each one that is opened.')
}

/** A bare word in upper case; '' for everything else. */
export function keyword(item: Item | undefined): string {
  return item?.kind === 'leaf' && item.token.kind === 'word' ? item.token.name : ''
}

/** A symbol; '' for everything else. */
export function symbol(item: Item | undefined): string {
  return item?.kind === 'leaf' && item.token.kind === 'symbol' ? item.token.text : ''
}

/** A word or a quoted identifier in lower case; '' for everything else. */
export function identifier(item: Item | undefined): string {
  if (item?.kind !== 'leaf') return ''
  return item.token.kind === 'word' || item.token.kind === 'quoted'
    ? lowerAscii(item.token.name)
    : ''
}

/** Where it starts, in UTF-16 code units. */
export function placeOf(item: Item | undefined): number {
  if (item === undefined) return 0
  return item.kind === 'group' ? item.at : item.token.at
}

export function isSubquery(item: Item | undefined): boolean {
  return item?.kind === 'group' && ['SELECT', 'WITH', 'VALUES'].includes(keyword(item.items[0]))
}

/** Cuts at each item for which `isCut` holds; the items themselves are dropped. */
export function split(
  items: readonly Item[],
  isCut: (item: Item, i: number) => boolean,
): (readonly Item[])[] {
  const parts: Item[][] = [[]]
  items.forEach((item, i) => {
    if (isCut(item, i)) parts.push([])
    else parts.at(-1)?.push(item)
  })
  return parts
}

export function splitCommas(items: readonly Item[]): (readonly Item[])[] {
  return split(items, (item) => symbol(item) === ',')
}

/** A name, alone or with its table: `c` or `t.c`. */
export interface Chain {
  readonly qualifier: string
  readonly name: string
  /** How many items it takes. */
  readonly length: number
}

/** The name that begins at `i`; undefined: none does. */
export function chainAt(items: readonly Item[], i: number): Chain | undefined {
  const first = identifier(items[i])
  if (first === '') return undefined
  if (symbol(items[i + 1]) !== '.') return { qualifier: '', name: first, length: 1 }
  const second = identifier(items[i + 2])
  return second === '' ? undefined : { qualifier: first, name: second, length: 3 }
}

/** The items as one name and nothing else. */
export function onlyChain(items: readonly Item[]): Chain | undefined {
  const chain = chainAt(items, 0)
  return chain?.length === items.length ? chain : undefined
}

/** The parts that AND joins, parentheses opened; none where OR does. */
export function conjuncts(items: readonly Item[]): (readonly Item[])[] {
  if (items.some((item) => keyword(item) === 'OR')) return []
  const parts = split(items, (item) => keyword(item) === 'AND')
  const sound = parts.filter(
    // `x BETWEEN a AND b`: what stands behind that AND is no condition.
    (part, i) =>
      part.every((item) => keyword(item) !== 'BETWEEN') &&
      !(parts[i - 1] ?? []).some((item) => keyword(item) === 'BETWEEN'),
  )
  return sound.flatMap((part) => {
    const [only] = part
    const isWrapped = part.length === 1 && only?.kind === 'group' && !isSubquery(only)
    return isWrapped ? conjuncts(only.items) : [part]
  })
}
