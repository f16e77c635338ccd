/** The log group of the directory: apart from user tables, so that neither stops the other. */
import type { DirectoryCommand } from '../../src/tenancy/directory-commands.ts'
import { DirectoryMachine } from '../../src/tenancy/directory-machine.ts'
import { LogGroup, type LogGroupOptions } from './log-group.ts'

/** The directory's log group. */
const SYSTEM_GROUP = 'system'

/** Its tables are the same under every schema of the user. */
const SYSTEM_SCHEMA_VERSION = 0

/** Opens the directory's log group in a region: what `Directory` takes as its log. */
export function openSystemGroup(
  options: Omit<LogGroupOptions<DirectoryCommand>, 'group' | 'machine' | 'schemaVersion'>,
): Promise<LogGroup<DirectoryCommand>> {
  return LogGroup.open({
    ...options,
    group: SYSTEM_GROUP,
    machine: new DirectoryMachine(),
    schemaVersion: SYSTEM_SCHEMA_VERSION,
  })
}
