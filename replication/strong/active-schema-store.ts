/** The active schema of a log group as its store keeps it, beside the position: in `_meta`. */
import { MeridianError } from '../../src/core/errors.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import { fromHex, toHex, type SqlValue } from '../../src/core/values.ts'
import type { ActiveSchema } from './active-schema.ts'
import { decodeControl, encodeControl } from './control.ts'

/** Where `_meta` has it. */
export function activeSchemaKey(group: string): string {
  return `active-schema:${group}`
}

/** Sets a group's active schema where it is of a higher version than what is there. */
export function raiseActiveSchema(group: string, schema: ActiveSchema): Statement {
  return {
    // A cast reads the number that the text begins with.
    sql: `INSERT INTO _meta (key, value) VALUES (?, ?)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value
        WHERE CAST(excluded.value AS INTEGER) > CAST(_meta.value AS INTEGER)`,
    args: [activeSchemaKey(group), `${schema.version} ${toHex(schemaBytes(schema))}`],
  }
}

/** Reads the value; undefined: the log has not said which schema it is at. */
export function readActiveSchema(value: SqlValue | undefined): ActiveSchema | undefined {
  if (value === null || value === undefined) return undefined
  return schemaOfBytes(fromHex(String(value).split(' ')[1] ?? ''))
}

/** Its bytes: those of the control record that says it. */
export function schemaBytes(schema: ActiveSchema): Uint8Array {
  return encodeControl({ type: 'schema', schema })
}

/** @throws MeridianError `PROTOCOL_MALFORMED` */
export function schemaOfBytes(bytes: Uint8Array): ActiveSchema {
  const control = decodeControl(bytes)
  if (control.type === 'schema') return control.schema
  throw new MeridianError('PROTOCOL_MALFORMED', 'The bytes are not those of a schema.')
}
