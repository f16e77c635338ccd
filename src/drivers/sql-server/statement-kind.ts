/**
 * What a statement may do to the file, known before it runs: whether it needs the write lock, and
 * whether this server runs it at all. The rules are sqld's (its `query_analysis.rs`): what changes
 * a connection for good, reaches other files or holds the whole database is refused.
 */
import { SqlError } from '../../core/ports/sql-session.ts'
import type { SqlStatementText } from '../libsql/sql-statements.ts'

export interface StatementKind {
  /** Whether it takes the database's write lock. */
  readonly writes: boolean
  /** An INSERT, UPDATE or DELETE: it counts rows. */
  readonly changesRows: boolean
  readonly inserts: boolean
  /** A query whose rows may hold anything: SELECT or VALUES. */
  readonly selects: boolean
  /** Whether it opens or ends a transaction, or a part of one. */
  readonly control: 'begin' | 'commit' | 'rollback' | 'savepoint' | undefined
  /** Sets what the next user of the connection must not inherit. */
  readonly setsForeignKeys: boolean
}

const NOTHING: StatementKind = {
  writes: false,
  changesRows: false,
  inserts: false,
  selects: false,
  control: undefined,
  setsForeignKeys: false,
}
const DEFINITIONS = new Set(['create', 'alter', 'drop', 'reindex'])
const FREE_PRAGMAS = new Set(
  (
    'table_list index_list table_info table_xinfo index_info index_xinfo pragma_list ' +
    'compile_options database_list function_list module_list encoding defer_foreign_keys ' +
    'foreign_keys foreign_key_list foreign_key_check collation_list data_version freelist_count ' +
    'integrity_check legacy_file_format page_count quick_check stats user_version'
  ).split(' '),
)
const READABLE_PRAGMAS = new Set(
  (
    'analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size ' +
    'cache_spill cell_size_check checkpoint_fullfsync fullfsync hard_heap_limit journal_mode ' +
    'journal_size_limit legacy_alter_table locking_mode max_page_count mmap_size page_size ' +
    'query_only read_uncommitted recursive_triggers reverse_unordered_selects schema_version ' +
    'secure_delete soft_heap_limit synchronous temp_store threads trusted_schema ' +
    'wal_autocheckpoint'
  ).split(' '),
)

/** @throws SqlError `SQL_PARSE_ERROR` for what this server does not run */
export function statementKind(text: SqlStatementText): StatementKind {
  const kind = kindOf(text)
  if (kind === undefined) {
    throw new SqlError(
      'SQL_PARSE_ERROR',
      `SQL string could not be parsed: unsupported statement: ${describe(text)}`,
    )
  }
  return text.isExplain ? { ...NOTHING, writes: false } : kind
}

function kindOf({ verb, head }: SqlStatementText): StatementKind | undefined {
  switch (verb) {
    case 'select':
    case 'values':
      return { ...NOTHING, selects: true }
    case 'insert':
    case 'replace':
      return { ...NOTHING, writes: true, changesRows: true, inserts: true }
    case 'update':
    case 'delete':
      return { ...NOTHING, writes: true, changesRows: true }
    case 'begin':
      return { ...NOTHING, control: 'begin', writes: locksAtOnce(head) }
    case 'commit':
    case 'end':
      return { ...NOTHING, control: 'commit' }
    case 'rollback':
      return { ...NOTHING, control: head.includes('to') ? 'savepoint' : 'rollback' }
    case 'savepoint':
    case 'release':
      return { ...NOTHING, control: 'savepoint' }
    case 'pragma':
      return pragmaKind(head)
    case 'vacuum':
    case 'attach':
    case 'detach':
    case 'analyze':
      return undefined
    default:
      if (!DEFINITIONS.has(verb)) return NOTHING
      return isTemporary(head) ? undefined : { ...NOTHING, writes: true }
  }
}

function locksAtOnce(head: readonly string[]): boolean {
  return head[1] === 'immediate' || head[1] === 'exclusive'
}

/** `CREATE TEMP …`, or a name in the schema `temp`. */
function isTemporary(head: readonly string[]): boolean {
  if (head[1] === 'temp' || head[1] === 'temporary') return true
  return head.some((token, i) => isNameOfTemp(token) && head[i + 1] === '.')
}

function isNameOfTemp(token: string): boolean {
  return /^["'`[]?temp["'`\]]?$/i.test(token)
}

/** `PRAGMA [schema.]name [= value | (value)]` */
function pragmaKind(head: readonly string[]): StatementKind | undefined {
  const at = head[2] === '.' ? 3 : 1
  const name = head[at] ?? ''
  const hasValue = head.length > at + 1
  if (FREE_PRAGMAS.has(name)) {
    return {
      ...NOTHING,
      writes: name === 'user_version' && hasValue,
      setsForeignKeys: name === 'foreign_keys' && hasValue,
    }
  }
  return READABLE_PRAGMAS.has(name) && !hasValue ? NOTHING : undefined
}

/** Names the statement without its values. */
function describe({ verb, head }: SqlStatementText): string {
  const name = verb === 'pragma' ? head[head[2] === '.' ? 3 : 1] : isTemporary(head) ? 'TEMP' : ''
  return `${verb.toUpperCase()} ${name ?? ''}`.trim()
}
