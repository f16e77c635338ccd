/** The lock beside the composed deployment's schema: nodes refuse to start with an older one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { Schema } from '../../../src/schema/define.ts'
import { openSchemaLock } from '../../../src/node/schema-lock.ts'

const DEPLOY = join(import.meta.dirname, '../../../deploy')
const CLIENT = join(import.meta.dirname, '../../../src/client/index.ts')
const folder = mkdtempSync(join(tmpdir(), 'meridian-deploy-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function isBehind(name: string, change: (text: string) => string): Promise<boolean> {
  // The package's name is known once it is built; here the sources stand for it.
  const text = readFileSync(join(DEPLOY, 'schema.ts'), 'utf8').replace("'meridian'", `'${CLIENT}'`)
  const copy = join(folder, name)
  writeFileSync(copy, change(text))
  const { schema } = (await import(copy)) as { readonly schema: Schema }
  return (await openSchemaLock(schema, join(DEPLOY, 'meridian.lock.json'))).isBehind
}

it('is up to date, and would not be with another column', { timeout: 120_000 }, async () => {
  expect(await isBehind('same.ts', (text) => text)).toBe(false)
  expect(
    await isBehind('other.ts', (text) =>
      text.replace('plan: text(),', 'plan: text(), note: text(),'),
    ),
  ).toBe(true)
})
