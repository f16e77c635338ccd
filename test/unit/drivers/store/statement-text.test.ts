import { expect, test } from 'vitest'
import {
  hasWord,
  readStatementText,
  replaceParameters,
} from '../../../../src/drivers/store/statement-text.ts'

test('the first word is found behind comments and space', () => {
  expect(readStatementText('  /* a */ -- b\n Select 1').keyword).toBe('select')
  expect(readStatementText('WITH x AS (SELECT 1) SELECT 1').keyword).toBe('with')
  for (const empty of ['', '  ', '-- only', '/* unclosed', ';']) {
    expect(readStatementText(empty).keyword).toBe('')
  }
})

test('only question marks that are code count as parameters', () => {
  const texts: readonly (readonly [string, number | undefined])[] = [
    ['SELECT ?, ? FROM t WHERE a = ?', 3],
    [`SELECT '?', "?", [?], \`?\`, 'it''s ?', ? -- ?\n, ? /* ? */`, 2],
    ['SELECT ?1, ?', undefined],
    ['SELECT :a', undefined],
    ['SELECT @a', undefined],
    ['SELECT $a', undefined],
    [`SELECT ':a', json_extract(x, '$.a')`, 0],
    ["SELECT 'unclosed ?", 0],
  ]
  for (const [text, parameters] of texts) {
    expect(readStatementText(text).parameters, text).toBe(parameters)
  }
})

test('a second statement is found, a closing semicolon is none', () => {
  for (const text of ['SELECT 1; SELECT 2', 'SELECT 1;;x', 'CREATE TABLE t (a); DROP TABLE t']) {
    expect(readStatementText(text).hasTail, text).toBe(true)
  }
  for (const text of ['SELECT 1;', 'SELECT 1; -- end', "SELECT ';', 1", 'SELECT 1;;']) {
    expect(readStatementText(text).hasTail, text).toBe(false)
  }
})

test('the statements within a trigger are its own', () => {
  for (const start of ['CREATE TRIGGER', 'create temp trigger', 'CREATE TEMPORARY TRIGGER']) {
    const text = `-- x\n${start} a AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END`
    expect(readStatementText(text).hasTail, text).toBe(false)
  }
})

test('a statement behind a WITH clause is told by its own verb', () => {
  const verbs = [
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'select'],
    ['with a (x) as (values (1)), b as not materialized (select 2) delete from t', 'delete'],
    [`WITH "insert" AS (SELECT ')') -- update\n INSERT INTO t SELECT 1`, 'insert'],
    ['SELECT 1', 'select'],
    ['WITH', 'with'],
  ] as const
  for (const [text, verb] of verbs) expect(readStatementText(text).verb, text).toBe(verb)
})

test('a statement ends before its semicolon', () => {
  for (const text of ['SELECT 1', "SELECT ';'", 'SELECT 1 ; -- x', 'SELECT 1;']) {
    const { end } = readStatementText(text)
    expect(text.slice(0, end).trim(), text).toBe(text.includes("'") ? "SELECT ';'" : 'SELECT 1')
  }
})

test('parameters are replaced by place, and only where they are code', () => {
  const text = `SELECT ?, '?', ? -- ?\n, "?", ?`
  expect(replaceParameters(text, (i) => (i === 1 ? 'x' : undefined))).toBe(
    `SELECT ?, '?', x -- ?\n, "?", ?`,
  )
  expect(replaceParameters(text, (i) => `${i}`)).toBe(`SELECT 0, '?', 1 -- ?\n, "?", 2`)
})

test('a word is found as code, whole and in any case', () => {
  expect(hasWord('DELETE FROM t Returning k', 'returning')).toBe(true)
  for (const text of [
    `DELETE FROM t -- returning`,
    `SELECT 'returning', "returning"`,
    'a_returning',
  ]) {
    expect(hasWord(text, 'returning'), text).toBe(false)
  }
})
