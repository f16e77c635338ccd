/**
 * The active version of a group's state machine: replicated state, which control records raise
 * (protocol rule 13). A log without such a record is at version 1.
 */
import type { Statement } from '../../src/core/ports/store.ts'

export const FIRST_MACHINE_VERSION = 1

/**
 * Raises a group's active version; it never falls. In `_meta`, which stores of every age have; the
 * first version has no row there, as in the store of a region that applied every record.
 */
export function raiseMachineVersion(group: string, version: number): Statement {
  return {
    sql: `INSERT INTO _meta (key, value) SELECT ?, ? WHERE ? > ${FIRST_MACHINE_VERSION}
      ON CONFLICT (key) DO UPDATE SET value = excluded.value
        WHERE CAST(excluded.value AS INTEGER) > CAST(_meta.value AS INTEGER)`,
    args: [machineVersionKey(group), String(version), version],
  }
}

/** Where `_meta` has it. */
export function machineVersionKey(group: string): string {
  return `machine-version:${group}`
}
