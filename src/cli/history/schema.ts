/** The tables that histories are recorded on, all of them strong. */
import { defineSchema, integer, table, text, type Database } from '../../client/index.ts'

const STRONG = { consistency: 'strong', scope: 'global' } as const

/** Registers, lists and accounts. */
export const schema = defineSchema({
  tables: {
    registers: table({ id: text().primaryKey(), value: integer() }, STRONG),
    /** `elements` is a JSON list of numbers. */
    lists: table({ id: text().primaryKey(), elements: text() }, STRONG),
    accounts: table({ id: text().primaryKey(), balance: integer() }, STRONG),
  },
})

/** The schema's type. */
export type HistorySchema = typeof schema
/** A client of a recorded run. */
export type HistoryDatabase = Database<HistorySchema>
