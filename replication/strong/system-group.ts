/** The log group of the directory: apart from user tables, so that neither stops the other. */
import type { DirectoryCommand } from '../../src/tenancy/directory-commands.ts'
import { DirectoryMachine } from '../../src/tenancy/directory-machine.ts'
import type { Store } from '../../src/core/ports/store.ts'
import { LogGroup } from './log-group.ts'
import type { GroupState, LogGroupOptions } from './log-group-options.ts'
import type { OfferedGroup } from './snapshot-server.ts'
import { directorySnapshot } from './snapshot-source.ts'
import { DIRECTORY_TABLES } from './snapshot-tables.ts'

/** The directory's log group. */
const SYSTEM_GROUP = 'system'

/** Its tables are the same under every schema of the user. */
const SYSTEM_SCHEMA_VERSION = 0

const STATE: GroupState = {
  tables: DIRECTORY_TABLES,
  schema: { version: SYSTEM_SCHEMA_VERSION, fingerprint: '' },
}

/** Opens the directory's log group in a region: what `Directory` takes as its log. */
export function openSystemGroup(
  options: Omit<LogGroupOptions<DirectoryCommand>, 'group' | 'machine' | 'schemaVersion' | 'state'>,
): Promise<LogGroup<DirectoryCommand>> {
  return LogGroup.open({
    ...options,
    group: SYSTEM_GROUP,
    machine: new DirectoryMachine(),
    schemaVersion: SYSTEM_SCHEMA_VERSION,
    state: STATE,
  })
}

/** What other regions' directories are seeded with. */
export function offerSystemGroup(
  log: LogGroup<DirectoryCommand>,
  store: Store,
  maxPageRows?: number,
): OfferedGroup {
  const { group } = log
  const pages = maxPageRows === undefined ? {} : { maxPageRows }
  return {
    group,
    machineVersion: () => log.machineVersion(),
    schema: STATE.schema,
    applied: () => log.applied(),
    requireWhole: () => log.requireWhole(),
    peerState: () => log.peerState(),
    snapshot: () => directorySnapshot({ group, store, ...pages }, log),
  }
}
