/** Short links, the same everywhere in the world. */
import { defineSchema, table, text } from 'meridian'

export const schema = defineSchema({
  tables: {
    links: table(
      { name: text().primaryKey(), url: text() },
      { consistency: 'strong', scope: 'global' },
    ),
  },
})
