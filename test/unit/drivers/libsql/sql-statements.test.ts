import { expect, test } from 'vitest'
import { openEngine } from '../../../../src/drivers/libsql/engine.ts'
import { splitStatements } from '../../../../src/drivers/libsql/sql-statements.ts'

const texts = (sql: string): string[] => splitStatements(sql).map((statement) => statement.sql)

test('a text is split where statements end, and only there', () => {
  expect(texts('SELECT 1; SELECT 2;')).toEqual(['SELECT 1', 'SELECT 2'])
  expect(texts(' -- a;\n SELECT \';\', ";", [;], `;` /* ; */ ;;')).toEqual([
    'SELECT \';\', ";", [;], `;`',
  ])
  expect(texts("SELECT 'it''s; fine'; SELECT 2")).toEqual(["SELECT 'it''s; fine'", 'SELECT 2'])
  for (const empty of ['', ' ;; ', '-- only', '/* unclosed']) expect(texts(empty)).toEqual([])
})

test('the statements and CASEs within a trigger are its own', () => {
  const trigger =
    'CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2; END'
  expect(texts(`${trigger}; SELECT 3`)).toEqual([trigger, 'SELECT 3'])
  expect(texts(`${trigger.replace('CREATE', 'create temp')};`)).toHaveLength(1)
})

test('the verb of a WITH is the word after its tables', () => {
  const verbs: readonly (readonly [string, string])[] = [
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'select'],
    [
      'WITH RECURSIVE a(x, y) AS (SELECT 1), b AS MATERIALIZED (VALUES (1)) DELETE FROM t',
      'delete',
    ],
    ['with replace as (select 1) insert into t select * from replace', 'insert'],
    ['WITH "a"(x) AS (SELECT (1)) UPDATE t SET a = (SELECT 1)', 'update'],
    ['EXPLAIN QUERY PLAN WITH a AS (SELECT 1) VALUES (1)', 'values'],
    ['/* x */ ReIndex', 'reindex'],
  ]
  for (const [sql, verb] of verbs) expect(splitStatements(sql)[0]?.verb, sql).toBe(verb)
})

test('EXPLAIN is told apart from what it explains', () => {
  const [plan] = splitStatements('EXPLAIN QUERY PLAN PRAGMA user_version')
  expect(plan).toMatchObject({ isExplain: true, verb: 'pragma', head: ['pragma', 'user_version'] })
  expect(splitStatements('SELECT explain FROM query')[0]?.isExplain).toBe(false)
})

test('parameters have the numbers and names that the engine gives them', () => {
  const parametersOf = (sql: string): unknown => splitStatements(sql)[0]?.parameters
  expect(parametersOf('SELECT ?, ?, :a, ?, @b, :a, $c')).toEqual([
    null,
    null,
    ':a',
    null,
    '@b',
    '$c',
  ])
  expect(parametersOf('SELECT ?3, ?')).toEqual([null, null, '?3', null])
  expect(parametersOf("SELECT ':a', \"?\", [?1], x'00' -- ?\n")).toEqual([])
  expect(parametersOf('SELECT $a::b(c), $a::b')).toEqual(['$a::b(c)', '$a::b'])
  expect(parametersOf('SELECT ?99999, ?0')).toEqual([])
})

test('an argument at its place arrives where the engine put the parameter', () => {
  const db = openEngine(':memory:')
  for (const sql of ['SELECT ?2, ?1', 'SELECT :a, ?, :a, ?5, @b', 'SELECT ?, ?1, :x, ?']) {
    const parameters = splitStatements(sql)[0]?.parameters ?? []
    const statement = db.prepare(sql)
    statement.raw()
    const [row] = [...statement.iterate(parameters.map((_, i) => `p${i + 1}`))]
    // Every argument but those of numbers that are left out is somewhere in the row.
    const expected = parameters.flatMap((name, i) => (name === null ? [] : [`p${i + 1}`]))
    for (const value of expected) expect(row, sql).toContain(value)
    expect(row, sql).not.toContain(null)
  }
  db.close()
})

test('a RETURNING clause is found outside parentheses only', () => {
  const clause = (sql: string): string | undefined => {
    const [statement] = splitStatements(sql)
    return statement?.returningAt === undefined
      ? undefined
      : statement.sql.slice(statement.returningAt)
  }
  expect(clause(' INSERT INTO t VALUES (1) RETURNING a, b;')).toBe(' a, b')
  expect(clause("INSERT INTO t VALUES ('returning x')")).toBeUndefined()
  expect(clause('INSERT INTO t SELECT * FROM (SELECT returning FROM u)')).toBeUndefined()
})

test('a long statement is read in one go', () => {
  const values = Array.from({ length: 50_000 }, (_, i) => `('${'x'.repeat(20)}', ${i}, ?)`).join()
  const [statement, ...others] = splitStatements(`INSERT INTO t VALUES ${values}; SELECT 1`)
  expect(statement?.parameters).toHaveLength(50_000)
  expect(others).toHaveLength(1)
})
