/** A schema for topics: a table of each mode, and one with every type of column. */
import {
  bigint,
  blob,
  boolean,
  collaborativeText,
  counter,
  integer,
  json,
  real,
  set,
  text,
  timestamp,
} from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'

export const topicSchema: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      orders: table(
        {
          id: text().primaryKey(),
          amountCents: integer(),
          email: text().encrypted({ lookup: 'exact' }).optional(),
          expiresAt: timestamp().optional(),
        },
        { consistency: 'pinned', ttl: 'expiresAt' },
      ),
      plans: table(
        { id: text().primaryKey(), priceCents: integer() },
        { consistency: 'strong', scope: 'global' },
      ),
      carts: table(
        { id: text().primaryKey(), quantity: counter(), tags: set(), notes: collaborativeText() },
        { consistency: 'eventual' },
      ),
      samples: table(
        {
          place: text().primaryKey(),
          number: bigint().primaryKey(),
          at: timestamp().primaryKey(),
          count: integer().primaryKey(),
          name: text().optional(),
          whole: integer().optional(),
          wide: bigint().optional(),
          share: real().optional(),
          done: boolean().optional(),
          when: timestamp().optional(),
          bytes: blob().optional(),
          facts: json().optional(),
          secret: integer().encrypted().optional(),
        },
        { consistency: 'pinned' },
      ),
    },
  }),
).compiled

function named(name: string): CompiledTable {
  return topicSchema.tableByName.get(name) as CompiledTable
}

export const ORDERS: CompiledTable = named('orders')
export const PLANS: CompiledTable = named('plans')
export const CARTS: CompiledTable = named('carts')
export const SAMPLES: CompiledTable = named('samples')
