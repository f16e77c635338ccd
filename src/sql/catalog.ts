/**
 * What tools ask a database about its tables, answered from the public schema: `sqlite_schema` (and
 * `sqlite_master`), `pragma_table_info('t')`, and the PRAGMAs of the same. The store's own tables
 * are never read for it: each name is replaced by one that exists nowhere and is then shadowed by
 * rows made here.
 */
import type {
  CompiledColumn,
  CompiledSchema,
  CompiledTable,
  CompiledView,
} from '../schema/compiled.ts'
import { viewColumns } from '../schema/view-columns.ts'
import { firstToken, lowerAscii, quoteName, refused, tokenize, type Token } from './tokens.ts'

/** A table of the catalogue: its columns, and its rows as one JSON text. */
export interface CatalogTable {
  readonly name: string
  readonly columns: readonly string[]
  rows(visible: CatalogScope): readonly (readonly (string | number | null)[])[]
}

/** What the catalogue shows. */
export interface CatalogScope {
  readonly tables: readonly CompiledTable[]
  readonly views: readonly CompiledView[]
}

// Names of users begin with a letter and those of WITH may not begin like this: nothing collides.
const SCHEMA_TABLE = '_public_schema'
const COLUMN_TABLE = '_public_columns'

const TABLES: readonly CatalogTable[] = [
  {
    name: SCHEMA_TABLE,
    columns: ['type', 'name', 'tbl_name', 'rootpage', 'sql'],
    rows: ({ tables, views }) => [
      ...tables.map((table) => ['table', table.name, table.name, 0, tableSql(table)]),
      ...views.map(({ name }) => ['view', name, name, 0, null]),
    ],
  },
  {
    name: COLUMN_TABLE,
    columns: ['table_name', 'cid', 'name', 'type', 'notnull', 'dflt_value', 'pk'],
    rows: ({ tables, views }) => [
      ...tables.flatMap((table) =>
        table.columns.map((column, i) => [
          table.name,
          i,
          column.name,
          declaredType(column),
          column.optional ? 0 : 1,
          null,
          column.primaryKey ? table.primaryKey.indexOf(column) + 1 : 0,
        ]),
      ),
      ...views.flatMap((view) =>
        viewColumns(view).map(({ name, source, type }, i) => [
          view.name,
          i,
          name,
          (source?.encrypted ?? null) === null ? TYPE_NAMES[type] : 'BLOB',
          0,
          null,
          0,
        ]),
      ),
    ],
  },
]

const BY_NAME = new Map(TABLES.map((table) => [table.name, table]))
const SCHEMA_NAMES = new Set(['sqlite_schema', 'sqlite_master'])
const TABLE_INFO = 'pragma_table_info'

/** The table of the catalogue with this name. */
export function catalogTable(name: string): CatalogTable | undefined {
  return BY_NAME.get(name)
}

/** The internal names of the catalogue in a message of the engine, as the user knows them. */
export function publicCatalogNames(message: string): string {
  return message.replaceAll(SCHEMA_TABLE, 'sqlite_schema').replaceAll(COLUMN_TABLE, TABLE_INFO)
}

const TYPE_NAMES = {
  text: 'TEXT',
  integer: 'INTEGER',
  bigint: 'BIGINT',
  real: 'REAL',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
  blob: 'BLOB',
  json: 'JSON',
  counter: 'INTEGER',
  set: 'JSON',
  collaborativeText: 'TEXT',
} as const

/** A column's type as SQL clients see it. Encrypted ones are the bytes of their ciphertext. */
export function declaredType(column: CompiledColumn): string {
  return column.encrypted === null ? TYPE_NAMES[column.type] : 'BLOB'
}

function tableSql({ name, columns, primaryKey }: CompiledTable): string {
  const parts = columns.map((column) => {
    const type = `${quoteName(column.name)} ${declaredType(column)}`
    return column.optional ? type : `${type} NOT NULL`
  })
  const key = primaryKey.map((column) => quoteName(column.name)).join(', ')
  return `CREATE TABLE ${quoteName(name)} (${parts.join(', ')}, PRIMARY KEY (${key}))`
}

/** Which of a schema's tables and views a tenant, or the global scope (''), can read. */
export function catalogScope(schema: CompiledSchema, tenant: string): CatalogScope {
  const isGlobal = tenant === ''
  return {
    tables: schema.tables.filter(({ scope }) => scope === 'global' || !isGlobal),
    views: schema.views.filter(({ span, source }) =>
      span === 'tenant' ? !isGlobal : isGlobal || source.scope === 'global',
    ),
  }
}

/**
 * Puts the catalogue's tables in the place of SQLite's.
 *
 * @throws MeridianError `QUERY_REFUSED` for `pragma_table_info` of anything but one name
 */
export function replaceCatalog(tokens: readonly Token[]): readonly Token[] {
  if (!tokens.some((token) => isSchemaName(token) || isTableInfo(token))) return tokens
  const replaced: Token[] = []
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token
    if (isSchemaName(token)) {
      replaced.push({
        ...token,
        kind: 'word',
        text: SCHEMA_TABLE,
        name: SCHEMA_TABLE.toUpperCase(),
      })
    } else if (isTableInfo(token) && tokens[i + 1]?.text === '(') {
      replaced.push(...tableInfo(tokens, i))
      i += 3
    } else {
      replaced.push(token)
    }
  }
  return replaced
}

/** `pragma_table_info(x)` as a query; its tokens stand where the call stood. */
function tableInfo(tokens: readonly Token[], i: number): Token[] {
  const { at } = tokens[i] as Token
  const argument = tokens[i + 2]
  const isName = argument?.kind === 'string' || argument?.kind === 'parameter'
  if (!isName || tokens[i + 3]?.text !== ')') {
    throw refused(`${TABLE_INFO} of an expression`, at, 'Pass the name of a table as text.')
  }
  const [before, after] = TABLE_INFO_SQL.split('?') as [string, string]
  // Their places are far apart, so that the text is written with spaces between them.
  const spread = (text: string): Token[] =>
    tokenize(text).map((token, n) => ({ ...token, at: at - 1000 * (n + 1) }))
  return [...spread(before), argument, ...spread(after)]
}

const INFO_COLUMNS = 'cid, name, type, "notnull", dflt_value, pk'
const TABLE_INFO_SQL = `(SELECT ${INFO_COLUMNS} FROM ${COLUMN_TABLE}
  WHERE table_name = ? COLLATE NOCASE ORDER BY cid)`

/** What a PRAGMA reads, by its name; `?` stands for its argument. */
const PRAGMAS: ReadonlyMap<string, string> = new Map([
  ['table_info', `SELECT ${INFO_COLUMNS} FROM ${TABLE_INFO}(?)`],
  ['table_xinfo', `SELECT ${INFO_COLUMNS}, 0 AS hidden FROM ${TABLE_INFO}(?)`],
  [
    'table_list',
    `SELECT 'main' AS schema, name, type, (SELECT count(*) FROM ${COLUMN_TABLE} c
      WHERE c.table_name = s.name) AS ncol, 0 AS wr, 1 AS strict FROM sqlite_schema s`,
  ],
  // Clients set it when they connect; what they read of it is true.
  ['foreign_keys', `SELECT 1 AS foreign_keys`],
  // Rows are found by what is declared; how they are indexed is the store's own affair.
  ['index_list', `SELECT 0 AS seq, '' AS name, 0 AS "unique", 'c' AS origin, 0 AS partial WHERE 0`],
  [
    'foreign_key_list',
    `SELECT 0 AS id, 0 AS seq, '' AS "table", '' AS "from", '' AS "to", '' AS on_update,
      '' AS on_delete, '' AS "match" WHERE 0`,
  ],
])

/**
 * The query that answers a PRAGMA about tables; undefined: the text is no PRAGMA.
 *
 * @throws MeridianError `QUERY_REFUSED` for any other PRAGMA
 */
export function pragmaQuery(sql: string): string | undefined {
  const first = firstToken(sql)
  if (first?.kind !== 'word' || first.name !== 'PRAGMA') return undefined
  const tokens = tokenize(sql).filter(({ text }) => text !== ';')
  const words = tokens[2]?.text === '.' ? [tokens[0], ...tokens.slice(3)] : tokens
  const name = lowerAscii(words[1]?.name ?? '')
  const query = PRAGMAS.get(name)
  const argument = pragmaArgument(words.slice(2))
  if (name === 'foreign_keys' && argument !== undefined) return `${query} WHERE 0`
  if (query !== undefined && argument !== undefined) return query.replace('?', () => argument)
  if (query !== undefined && !query.includes('?') && words.length === 2) return query
  throw refused(
    'a PRAGMA that is not answered here',
    words[0]?.at ?? 0,
    `These are, of one table: ${[...PRAGMAS.keys()].join(', ')}.`,
  )
}

/** `(x)` or `= x` as a string literal. */
function pragmaArgument(rest: readonly (Token | undefined)[]): string | undefined {
  const [first, value, last] = rest
  const isCall = first?.text === '(' && last?.text === ')' && rest.length === 3
  const isSetting = first?.text === '=' && rest.length === 2
  if (value === undefined || !(isCall || isSetting)) return undefined
  if (value.kind === 'string') return value.text
  if (value.kind === 'word') return `'${value.text}'`
  return value.kind === 'quoted' ? `'${value.name.replaceAll("'", "''")}'` : undefined
}

function isSchemaName(token: Token): boolean {
  return isIdentifier(token) && SCHEMA_NAMES.has(lowerAscii(token.name))
}

function isTableInfo(token: Token): boolean {
  return isIdentifier(token) && lowerAscii(token.name) === TABLE_INFO
}

function isIdentifier(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'quoted'
}
