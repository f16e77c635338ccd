import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { listOptions } from '../../../src/config/describe-options.ts'
import { GENERATED_IN, regenerate } from '../../support/generated-docs.ts'

const ROOT = join(import.meta.dirname, '../../..')

// Renew them with `UPDATE_DOCS=1 npx vitest run --project unit test/unit/config/generated-docs.test.ts`.
it.each(GENERATED_IN)('%s says what the program does', (name) => {
  const file = join(ROOT, name)
  const text = readFileSync(file, 'utf8')
  const wanted = regenerate(text)
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, wanted)
  else expect(text).toBe(wanted)
  expect(wanted).toContain('<!-- generated: ')
})

it('every option says what it means', () => {
  const silent = listOptions().filter(({ description }) => description.trim() === '')
  expect(silent.map(({ path }) => path)).toEqual([])
})

it('no option is named twice', () => {
  const paths = listOptions().map(({ path }) => path)
  expect(new Set(paths).size).toBe(paths.length)
  expect(paths).toContain('nodes.<region>.url')
  expect(paths).toContain('commitLog.etcd.members')
})

it('what is beside the marks stays as it is', () => {
  const text = 'before\n<!-- generated: options -->\nold\n<!-- end -->\nafter\n'
  const renewed = regenerate(text)
  expect(renewed).toMatch(/^before\n/)
  expect(renewed).toMatch(/\nafter\n$/)
  expect(renewed).not.toContain('\nold\n')
  expect(() => regenerate(text.replace('options', 'poetry'))).toThrow(/poetry/)
})
