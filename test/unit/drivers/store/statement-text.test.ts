import { expect, test } from 'vitest'
import { readStatementText } from '../../../../src/drivers/store/statement-text.ts'

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
