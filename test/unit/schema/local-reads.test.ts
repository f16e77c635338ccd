/** `reads: 'local'`: what it is refused with, and what it makes of a store. */
import { expect, it } from 'vitest'
import { integer, text, timestamp } from '../../../src/schema/columns.ts'
import { compileSchema, type CompileResult } from '../../../src/schema/compile.ts'
import { defineSchema, table, type Table } from '../../../src/schema/define.ts'
import { prepareStore } from '../../../src/schema/migrate.ts'
import { errorOf, openStore, random } from './fixtures.ts'

const columns = { id: text().primaryKey(), value: integer(), until: timestamp().optional() }

function loose(options: unknown): Table {
  return (table as (columns: unknown, options: unknown) => Table)(columns, options)
}

function flags(options: object): CompileResult {
  return compileSchema(defineSchema({ tables: { flags: loose({ scope: 'global', ...options }) } }))
}

it.each([
  [{ consistency: 'strong', reads: 'everywhere' }, 'unknown `reads`'],
  [{ consistency: 'pinned', reads: 'local' }, 'is pinned and has `reads'],
  [{ consistency: 'eventual', reads: 'local' }, 'is eventual and has `reads'],
  [{ consistency: 'strong', reads: 'local', ttl: 'until' }, 'and a `ttl`'],
])('%j is refused', (options, text) => {
  const error = errorOf(() => defineSchema({ tables: { flags: loose(options) } }))
  expect(error.code).toBe('SCHEMA_INVALID')
  expect(error.message).toContain(text)
})

it('has a log group of its own, and another fingerprint', () => {
  const [local, log, plain] = [{ reads: 'local' }, { reads: 'log' }, {}].map((more) =>
    flags({ consistency: 'strong', ...more }),
  )
  expect(local?.compiled.tables[0]?.logGroup).toBe('local')
  expect(log?.compiled.tables[0]?.logGroup).toBe('main')
  expect(log?.compiled.fingerprint).toBe(plain?.compiled.fingerprint)
  expect(local?.compiled.fingerprint).not.toBe(plain?.compiled.fingerprint)
})

it('has an outbox of its own in the store, which others do not have', async () => {
  const tables = async (options: object): Promise<unknown[]> => {
    const store = await openStore()
    await prepareStore(store, flags(options).compiled, { random })
    const sql =
      "SELECT name FROM sqlite_schema WHERE name LIKE '\\_%' ESCAPE '\\' AND type = 'table'"
    const [result] = await store.read([{ sql, args: [] }])
    return (result?.rows ?? []).flat()
  }
  const names = ['_unstable_outbox', '_unstable_released', '_leases', '_lease_row', '_stable_index']
  expect(await tables({ consistency: 'strong', reads: 'local' })).toEqual(
    expect.arrayContaining(names),
  )
  const others = await tables({ consistency: 'strong' })
  for (const name of names) expect(others).not.toContain(name)
})

it('cannot come or go in a table that is there', async () => {
  for (const [before, after] of [
    ['log', 'local'],
    ['local', 'log'],
  ]) {
    const store = await openStore()
    const old = flags({ consistency: 'strong', reads: before })
    await prepareStore(store, old.compiled, { random })
    const changed = loose({ scope: 'global', consistency: 'strong', reads: after })
    const { compiled } = compileSchema(defineSchema({ tables: { flags: changed } }), old.lock)
    await expect(prepareStore(store, compiled, { random })).rejects.toThrow('`reads` is')
  }
})
