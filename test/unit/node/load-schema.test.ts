import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadSchema } from '../../../src/node/load-schema.ts'

const here = (path: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../../src/schema/${path}`, import.meta.url)))
const IMPORTS = `import { integer } from ${here('columns.ts')}
import { defineSchema, table } from ${here('define.ts')}
`
/** What `defineSchema` gives, without its code, which each test would have to translate anew. */
const SCHEMA = "{ tables: { notes: { columns: {}, consistency: 'pinned' } }, views: {} }"

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meridian-schema-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function module(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

describe('a schema module', () => {
  it.each([
    ['TypeScript, by name', 'schema.ts', `export const schema: object = ${SCHEMA}\n`],
    ['TypeScript, by default', 'schema.ts', `export default ${SCHEMA} as object\n`],
    ['JavaScript', 'schema.mjs', `export const schema = ${SCHEMA}\n`],
  ])('in %s gives its schema', async (_case, name, text) => {
    const schema = await loadSchema(module(name, text))
    expect(Object.keys(schema.tables)).toEqual(['notes'])
  })

  it('is read again when it has changed', async () => {
    const path = module('schema.ts', `export const schema = ${SCHEMA}\n`)
    await loadSchema(path)
    module('schema.ts', `export const schema = ${SCHEMA.replace('notes', 'pages')}\n`)
    expect(Object.keys((await loadSchema(path)).tables)).toEqual(['pages'])
  })

  it('that is not there is refused', async () => {
    const loading = loadSchema(join(folder, 'none.ts'))
    await expect(loading).rejects.toThrow(/There is no schema module .*none\.ts/)
    await expect(loading).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it.each([
    ['nothing', 'export {}\n'],
    ['something else', 'export const schema = { tables: { notes: 1 }, views: {} }\n'],
  ])('that exports %s is refused', async (_case, text) => {
    await expect(loadSchema(module('schema.ts', text))).rejects.toThrow(/exports no schema/)
  })

  it.each([
    ['throws', 'throw new Error("boom")\n', /fails: boom/],
    ['is not TypeScript', 'export const schema: = \n', /fails/],
    ['imports what is not there', "import './none.ts'\n", /fails: .*none/],
  ])('that %s is refused with the reason', async (_case, text, reason) => {
    const loading = loadSchema(module('schema.ts', text))
    await expect(loading).rejects.toThrow(reason)
    await expect(loading).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  it('with an invalid schema fails as `defineSchema` does', { timeout: 60_000 }, async () => {
    const tables = "{ notes: table({ size: integer() }, { consistency: 'pinned' }) }"
    const text = `${IMPORTS}export const schema = defineSchema({ tables: ${tables} })\n`
    await expect(loadSchema(module('schema.ts', text))).rejects.toMatchObject({
      code: 'SCHEMA_INVALID',
    })
  })
})
