/** Which changes of a store one region is sent. */
import type { Change } from '../../src/core/change.ts'
import type { CompiledSchema } from '../../src/schema/compiled.ts'
import type { StreamFaults } from './faults.ts'

/**
 * Whether a region may hold the rows of a tenant. A tenant whose class is not known may not be
 * replicated anywhere.
 */
export type MayReplicate = (tenant: string, region: string) => Promise<boolean>

/** What the filter asks. */
export interface FilterRules {
  readonly source: string
  readonly schema: CompiledSchema
  readonly region: string
  readonly mayReplicate: MayReplicate
  readonly faults: StreamFaults
}

/**
 * What of a range one region is sent: what was made here (protocol rule 7) in pinned and eventual
 * tables (strong changes come by the log) and what residency lets the region hold. `changes` are
 * whole transactions, and so is the result: index and size count what the region is sent. Images
 * before the change stay at home: an applier takes them from its own rows, and an image from
 * before a region was allowed to hold a tenant never reaches it.
 */
export async function selectFor(
  rules: FilterRules,
  changes: readonly Change[],
): Promise<readonly Change[]> {
  const own = changes.filter((change) => isOwn(rules, change))
  const allowed = await allowedTenants(rules, own)
  const kept = new Set(own.filter((change) => allowed.has(change.tenant)))
  return rules.faults.countBeforeFilter === true ? [...kept] : recount(changes, kept)
}

/** Whether a change starts its replication at this store. */
export function isOwn(
  rules: Pick<FilterRules, 'source' | 'schema' | 'faults'>,
  change: Change,
): boolean {
  if (change.origin.source !== rules.source && rules.faults.echoImports !== true) return false
  return rules.schema.tableById.get(change.tableId)?.consistency !== 'strong'
}

async function allowedTenants(
  rules: FilterRules,
  changes: readonly Change[],
): Promise<ReadonlySet<string>> {
  const allowed = new Set<string>()
  for (const tenant of new Set(changes.map((change) => change.tenant))) {
    // Rows of global tables belong to no tenant, so no class restricts them.
    const isAllowed =
      tenant === '' ||
      rules.faults.skipResidency === true ||
      (await rules.mayReplicate(tenant, rules.region))
    if (isAllowed) allowed.add(tenant)
  }
  return allowed
}

/** Numbers the kept changes of each transaction anew (protocol rule 8). */
function recount(changes: readonly Change[], kept: ReadonlySet<Change>): Change[] {
  const result: Change[] = []
  let start = 0
  while (start < changes.length) {
    let end = start + 1
    while (end < changes.length && changes[end]?.index !== 0) end++
    const group = changes.slice(start, end).filter((change) => kept.has(change))
    const size = group.length
    result.push(...group.map((change, index) => ({ ...change, index, size, before: null })))
    start = end
  }
  return result
}
