/** Where the schema of histories is, for processes that load it by themselves. */
import { join } from 'node:path'

/** The path of the module, whether it is compiled or not. */
export function schemaModule(): string {
  const isSource = import.meta.url.endsWith('.ts')
  return join(import.meta.dirname, isSource ? 'schema.ts' : 'schema.js')
}
