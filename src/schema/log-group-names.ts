/** The log groups of a deployment, but the directory's. */
import type { CompiledTable } from './compiled.ts'

/** The log group of strong tables. */
export const STRONG_LOG_GROUP = 'main'

/** That of strong tables whose strong reads are local: what waits for leases keeps no other back. */
export const LOCAL_LOG_GROUP = 'local'

/** Whether strong reads of a table are answered from the region's own store. */
export function hasLocalReads({ logGroup }: Pick<CompiledTable, 'logGroup'>): boolean {
  return logGroup === LOCAL_LOG_GROUP
}
