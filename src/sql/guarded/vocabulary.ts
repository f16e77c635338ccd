/**
 * What SQL that is run again in every region may be made of. A list of what may be used: its result
 * is a function of the rows alone, whatever plan a store finds, in whatever order it visits rows,
 * and it has no way to fail on one plan and not on another.
 */

/** Of the rows' values alone; none of them fails for any value, none makes a value much longer. */
export const SCALARS: ReadonlySet<string> = new Set(
  `coalesce ifnull nullif iif length lower upper trim ltrim rtrim substr substring instr
  sign`.split(/\s+/),
)

/** Aggregates that no order of rows changes; `sum` and `avg` of integers alone (`exactSum`). */
export const AGGREGATES: ReadonlySet<string> = new Set(['count', 'min', 'max', 'sum', 'avg'])

/** Words of expressions that are no names. Those of `SOFT` are names where SQLite sees fit. */
export const WORDS: ReadonlySet<string> = new Set(
  `AND OR NOT IN IS NULL ISNULL NOTNULL BETWEEN LIKE GLOB CASE WHEN THEN ELSE END EXISTS TRUE
  FALSE`.split(/\s+/),
)

/** A column of such a name must be quoted, so that it is clear what is meant. */
export const SOFT: ReadonlySet<string> = new Set(
  `END LIKE GLOB TRUE FALSE ASC DESC NULLS FIRST LAST OFFSET BY LEFT RIGHT FULL OUTER INNER CROSS
  NATURAL FILTER OVER WINDOW CAST RAISE`.split(/\s+/),
)

/** Why and what instead. */
interface Refusal {
  readonly names: string
  readonly fix: string
}

const REFUSALS: readonly Refusal[] = [
  {
    names: 'random randomblob',
    fix: 'It is drawn anew in every region. Draw it in the function, and pass it as a parameter.',
  },
  {
    names: `date time datetime julianday unixepoch strftime timediff current_time current_date
      current_timestamp`,
    fix: "It can be a region's clock. Take the time in the function, and pass it as a parameter.",
  },
  {
    names: 'changes total_changes last_insert_rowid sqlite_version sqlite_source_id',
    fix: 'It tells of the connection, not of the rows. Leave it out.',
  },
  {
    names: 'rowid oid _rowid_',
    fix: "It is a store's own number of a row. Name the primary key.",
  },
  {
    names:
      'group_concat string_agg json_group_array json_group_object jsonb_group_array jsonb_group_object',
    fix: 'It depends on the order of rows. Select the rows, and join them in the function.',
  },
  {
    names: 'total',
    fix: 'It adds reals, whose sum depends on the order of rows. Use sum of an integer column.',
  },
  {
    names: `over filter window row_number rank dense_rank percent_rank cume_dist ntile lag lead
      first_value last_value nth_value`,
    fix: 'Rows that tie come in any order. Select the rows with an ORDER BY, and count in the function.',
  },
  {
    names: `acos acosh asin asinh atan atan2 atanh cos cosh degrees exp ln log log10 log2 pi pow power
      radians sin sinh tan tanh round format printf cast`,
    fix: 'Its last digits, or its text, differ between builds. Compute it in the function.',
  },
  {
    names: 'abs hex unhex replace char zeroblob quote concat concat_ws',
    fix: 'It fails on some values, and whether it meets them depends on the plan. Use CASE, or compute it in the function.',
  },
  {
    names: 'collate',
    fix: 'Which of several equal texts is shown would depend on the order of rows. Use lower().',
  },
  {
    names: 'match regexp escape',
    fix: 'It fails on some values, and whether it meets them depends on the plan. Use LIKE or GLOB without ESCAPE.',
  },
]

const FIXES: ReadonlyMap<string, string> = new Map(
  REFUSALS.flatMap(({ names, fix }) => names.split(/\s+/).map((name) => [name, fix] as const)),
)

/** What to do instead of what this name means; undefined: nothing is known of it. */
export function refusalOf(name: string): string | undefined {
  return FIXES.get(name) ?? (name.startsWith('json') ? JSON_FIX : undefined)
}

const JSON_FIX =
  'It fails on some values, and its text differs between builds. Keep what you decide by in a column of its own.'

/**
 * The sum of an integer column without an order: partial sums of its halves never overflow; towards
 * the ends of 64 bits the whole is a real. SQLite's own fails with `integer overflow` in some orders
 * and not in others.
 */
export function exactSum(column: string): string {
  return `(sum(${column} >> 32) * 4294967296 + sum(${column} & 4294967295))`
}

/** The mean of an integer column without an order. */
export function exactMean(column: string): string {
  return `(CAST(${exactSum(column)} AS REAL) / count(${column}))`
}
