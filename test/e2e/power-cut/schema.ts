import {
  counter,
  defineSchema,
  integer,
  table,
  text,
  type Database,
} from '../../../src/client/index.ts'

/** For each mode, a table of notes and one of their number: a write changes both, or neither. */
export const schema = defineSchema({
  tables: {
    strongNotes: table(
      { id: integer().primaryKey(), write: integer(), value: text() },
      { consistency: 'strong', scope: 'global' },
    ),
    strongSums: table(
      { id: text().primaryKey(), writes: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
    pinnedNotes: table(
      { id: integer().primaryKey(), write: integer(), value: text() },
      { consistency: 'pinned' },
    ),
    pinnedSums: table({ id: text().primaryKey(), writes: integer() }, { consistency: 'pinned' }),
    eventualNotes: table(
      { id: integer().primaryKey(), write: integer(), value: text() },
      { consistency: 'eventual' },
    ),
    eventualSums: table(
      { id: text().primaryKey(), writes: counter() },
      { consistency: 'eventual' },
    ),
  },
})

/** A client of it. */
export type NotesDatabase = Database<typeof schema>
