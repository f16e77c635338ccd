/** Names of tables, columns and views: what may be one, and which are taken. */
import { MeridianError } from '../core/errors.ts'

const NAME = /^[a-z][A-Za-z0-9_]{0,62}$/

/** What objects answer to already: a row or a handle with such a property breaks in odd ways. */
const OBJECT_MEMBERS = [
  ...Object.getOwnPropertyNames(Object.prototype),
  // An object with `then` is taken for a promise by `await`.
  'then',
  'catch',
  'finally',
  'toJSON',
]

/** Members of the client's handles, beside which tables appear as properties. */
const HANDLE_MEMBERS = [
  'batch',
  'close',
  'execute',
  'id',
  'importSession',
  'query',
  'region',
  'schema',
  'session',
  'sql',
  'status',
  'subscribe',
  'tenant',
  'tenants',
  'transaction',
  'view',
  'views',
  'watch',
]

/** Keywords of SQLite that no bare identifier may be, so that user SQL needs no quotes. */
const SQL_KEYWORDS =
  'add all alter and as autoincrement between case check collate commit constraint create default deferrable delete distinct drop else escape except exists foreign from group having in index insert intersect into is isnull join limit not notnull null on or order primary references select set table then to transaction union unique update using values when where'.split(
    ' ',
  )

const RESERVED_COLUMNS: ReadonlySet<string> = new Set([...OBJECT_MEMBERS, 'tenant', 'rowid', 'oid'])
const RESERVED_TABLES: ReadonlySet<string> = new Set([
  ...OBJECT_MEMBERS,
  ...HANDLE_MEMBERS,
  ...SQL_KEYWORDS,
])
/** Physical names and those of SQLite's own tables and table functions. */
const RESERVED_TABLE_PATTERN = /^(?:[tv]\d+$|sqlite_|libsql_|pragma_|json_)/

/** @throws MeridianError `SCHEMA_INVALID` when this cannot be the name of a table or a view */
export function checkTableName(name: string, kind: 'table' | 'view' = 'table'): void {
  checkForm(name, kind)
  if (RESERVED_TABLES.has(name) || RESERVED_TABLE_PATTERN.test(name)) throw reserved(name, kind)
}

/** @throws MeridianError `SCHEMA_INVALID` when this cannot be the name of a column */
export function checkColumnName(name: string): void {
  checkForm(name, 'column')
  if (RESERVED_COLUMNS.has(name)) throw reserved(name, 'column')
}

/**
 * SQL compares names without regard to case.
 *
 * @throws MeridianError `SCHEMA_INVALID` when two names are one to SQL
 */
export function checkDistinct(names: Iterable<string>, kind: string): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) {
      throw new MeridianError(
        'SCHEMA_INVALID',
        `The ${kind} names \`${other}\` and \`${name}\` are one name to SQL.`,
        { fix: 'Rename one; they must differ in more than case.' },
      )
    }
    seen.set(name.toLowerCase(), name)
  }
}

function checkForm(name: string, kind: string): void {
  if (NAME.test(name)) return
  throw new MeridianError('SCHEMA_INVALID', `${JSON.stringify(name)} cannot name a ${kind}.`, {
    fix: 'A name is a lower-case letter, then up to 62 letters, digits and underscores.',
  })
}

function reserved(name: string, kind: string): MeridianError {
  return new MeridianError('SCHEMA_INVALID', `The ${kind} name \`${name}\` is reserved.`, {
    fix: 'Choose another name.',
    details: { name },
  })
}
