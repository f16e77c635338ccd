/** What the judgement of a deployment needs to know of its schema. */
import type { SchemaFacts } from '../config/check-residency.ts'
import type { Schema } from '../schema/define.ts'

/** Reads it off the declarations: no lock is needed. */
export function schemaFacts({ tables }: Schema): SchemaFacts {
  const strong = Object.entries(tables).filter(
    ([, { consistency, scope }]) => consistency === 'strong' && scope === 'tenant',
  )
  return { strongTenantTables: strong.map(([name]) => name) }
}
