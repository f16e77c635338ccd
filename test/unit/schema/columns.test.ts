import { describe, expect, it } from 'vitest'
import * as builders from '../../../src/schema/columns.ts'
import type { Column } from '../../../src/schema/columns.ts'
import { codeOf, errorOf } from './fixtures.ts'

const { blob, boolean, collaborativeText, counter, json, real, set, text, timestamp } = builders

/** Calls a method that the types may forbid. */
function call(column: Column, method: string, argument?: unknown): Column {
  const methods = column as unknown as Record<string, (argument: unknown) => Column>
  return (methods[method] as (argument: unknown) => Column).call(column, argument)
}

describe('a column', () => {
  it('keeps what was declared of it', () => {
    const column = text().encrypted({ lookup: 'exact' }).optional().renamedFrom('mail')
    expect(column.definition).toEqual({
      type: 'text',
      primaryKey: false,
      optional: true,
      unique: false,
      encrypted: { lookup: 'exact' },
      default: null,
      renamedFrom: 'mail',
    })
  })

  it('is not changed by what is derived from it', () => {
    const plain = text()
    plain.optional()
    expect(plain.definition.optional).toBe(false)
  })

  it.each([counter(), set(), collaborativeText()])(
    'that is merged ($definition.type) is refused every method but renamedFrom',
    (column) => {
      for (const method of ['primaryKey', 'optional', 'unique', 'default', 'encrypted']) {
        expect(codeOf(() => call(column, method))).toBe('SCHEMA_INVALID')
      }
    },
  )

  it.each([real(), boolean(), blob(), json()])('of type $definition.type is no key', (column) => {
    expect(codeOf(() => call(column, 'primaryKey'))).toBe('SCHEMA_INVALID')
  })

  it.each<[Column, string, RegExp]>([
    [text().encrypted(), 'primaryKey', /has \.encrypted\(\)/],
    [text().primaryKey(), 'encrypted', /has \.primaryKey\(\)/],
    [text().primaryKey(), 'optional', /has \.primaryKey\(\)/],
    [text().optional(), 'primaryKey', /has \.optional\(\)/],
    [text().encrypted(), 'unique', /has \.encrypted\(\)/],
    [text().unique(), 'encrypted', /has \.unique\(\)/],
    [text().optional(), 'optional', /has \.optional\(\)/],
  ])('refuses contradictions (%#)', (column, method, message) => {
    const error = errorOf(() => call(column, method))
    expect(error.code).toBe('SCHEMA_INVALID')
    expect(error.message).toMatch(message)
  })

  it('has exact lookups where a value has one form, and no other lookups', () => {
    expect(codeOf(() => call(json(), 'encrypted', { lookup: 'exact' }))).toBe('SCHEMA_INVALID')
    expect(codeOf(() => call(real(), 'encrypted', { lookup: 'exact' }))).toBe('SCHEMA_INVALID')
    expect(codeOf(() => call(text(), 'encrypted', { lookup: 'prefix' }))).toBe('SCHEMA_INVALID')
    expect(timestamp().encrypted({ lookup: 'exact' }).definition.encrypted?.lookup).toBe('exact')
  })
})
