/**
 * The functions that user SQL may call: the pure ones of SQLite's own documentation
 * (https://sqlite.org/lang_corefunc.html, lang_aggfunc.html, windowfunctions.html, lang_datefunc.html,
 * lang_mathfunc.html, json1.html). A list of what is allowed, since builds add functions that read
 * files, load code or look behind the schema.
 */

const SCALAR = `abs char coalesce concat concat_ws format glob hex iif ifnull instr length like
  likelihood likely lower ltrim max min nullif octet_length printf quote random replace round rtrim
  sign substr substring trim typeof unhex unicode unlikely upper`

const AGGREGATE = 'avg count group_concat string_agg sum total'

const WINDOW = `row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value
  last_value nth_value`

const DATE = 'date time datetime julianday unixepoch strftime timediff'

const MATH = `acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log
  log10 log2 mod pi pow power radians sin sinh sqrt tan tanh trunc`

const JSON_FUNCTIONS = `json json_array json_array_length json_error_position json_extract json_insert
  json_object json_patch json_remove json_replace json_set json_type json_valid json_quote
  json_group_array json_group_object jsonb jsonb_array jsonb_extract jsonb_insert jsonb_object
  jsonb_patch jsonb_remove jsonb_replace jsonb_set jsonb_group_array jsonb_group_object`

const ALLOWED = new Set(
  [SCALAR, AGGREGATE, WINDOW, DATE, MATH, JSON_FUNCTIONS].join(' ').split(/\s+/),
)

/** Functions that stand where a table stands. */
const ALLOWED_TABLES = new Set(['json_each', 'json_tree'])

/** Whether user SQL may call the function. Case does not matter, as in SQL. */
export function isAllowedFunction(name: string): boolean {
  return ALLOWED.has(name.toLowerCase())
}

/** Whether user SQL may read from the table-valued function. */
export function isAllowedTableFunction(name: string): boolean {
  return ALLOWED_TABLES.has(name.toLowerCase())
}
