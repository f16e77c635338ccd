/** The schema of the eventual mode's tests: one table for each answer to a concurrent delete. */
import {
  collaborativeText,
  counter,
  integer,
  set,
  text,
  timestamp,
} from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'

const columns = {
  id: text().primaryKey(),
  title: text(),
  amount: integer().optional(),
  quantity: counter(),
  tags: set(),
  notes: collaborativeText(),
  expiresAt: timestamp().optional(),
}

export const eventualSchema: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      carts: table(columns, { consistency: 'eventual', ttl: 'expiresAt' }),
      pages: table(columns, {
        consistency: 'eventual',
        ttl: 'expiresAt',
        onConcurrentDelete: 'updateWins',
      }),
      plans: table({ id: text().primaryKey() }, { consistency: 'eventual', scope: 'global' }),
      orders: table({ id: text().primaryKey() }, { consistency: 'pinned' }),
    },
  }),
).compiled

/** Deletes win. */
export const carts: CompiledTable = eventualSchema.tableByName.get('carts') as CompiledTable
/** Updates win. */
export const pages: CompiledTable = eventualSchema.tableByName.get('pages') as CompiledTable

/** Places in the row images of both. */
export const COLUMN = {
  id: 0,
  title: 1,
  amount: 2,
  quantity: 3,
  tags: 4,
  notes: 5,
  expiresAt: 6,
} as const
