/** The two log groups of a region: the directory's, and that of strong tables. */
import type { CommitLog } from '../core/ports/commit-log.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import type { Store } from '../core/ports/store.ts'
import type { StoreClock } from '../core/store-clock.ts'
import type { MeridianError } from '../core/errors.ts'
import { createStrongEngine, type StrongEngine } from '../../replication/strong/strong-engine.ts'
import { openSystemGroup } from '../../replication/strong/system-group.ts'
import type { CompiledSchema } from '../schema/compiled.ts'
import { Directory } from '../tenancy/directory.ts'
import type { Residency } from '../tenancy/residency.ts'

/** The log group of strong tables. */
const MAIN_GROUP = 'main'

/** What the groups run on. */
export interface LogGroupParts {
  readonly log: CommitLog
  readonly store: Store
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly schema: CompiledSchema
  readonly residency: Residency
  readonly onFailure: (group: string, error: MeridianError) => void
}

/** The running groups. */
export interface LogGroups {
  readonly directory: Directory
  readonly strong: StrongEngine
  /** Resolves once this region has applied all that is in both logs now. */
  catchUp(): Promise<void>
  close(): Promise<void>
}

/** Begins to follow both groups. */
export async function openLogGroups(parts: LogGroupParts): Promise<LogGroups> {
  const { residency, schema, store, onFailure, ...shared } = parts
  const system = await openSystemGroup({
    ...shared,
    store,
    onFailure: (error) => onFailure('system', error),
  })
  const directory = new Directory({ store, residency, log: system })
  const strong = await createStrongEngine({
    ...shared,
    store,
    schema,
    group: MAIN_GROUP,
    admit: (tenant) => directory.requireEverywhere(tenant),
    onFailure: (error) => onFailure(MAIN_GROUP, error),
  })
  return {
    directory,
    strong,
    async catchUp() {
      await Promise.all([system.catchUp(), strong.catchUp()])
    },
    async close() {
      directory.close()
      await Promise.all([system.close(), strong.close()])
    },
  }
}
