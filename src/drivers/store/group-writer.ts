/** What the write queue writes through, and the writer that works on the calling thread. */
import { MeridianError } from '../../core/errors.ts'
import type { Timers } from '../../core/ports/runtime.ts'
import type { Connection } from './connection.ts'
import { isBusy } from './engine-errors.ts'
import { commitGroup, type GroupMember, type MemberOutcome } from './group-commit.ts'
import { openWriter, type WriterSettings } from './store-connections.ts'

/** Commits groups of transactions, one group after another, in the order of the calls. */
export interface GroupWriter {
  /** How many groups may be handed over before the first is answered. */
  readonly maxGroupsInFlight: number
  /** @throws MeridianError `STORE_UNAVAILABLE` when the group was not written at all */
  commit(members: readonly GroupMember[]): Promise<readonly MemberOutcome[]>
  /** Folds the write-ahead log into the file and releases it. */
  close(): Promise<void>
}

/** Pause between attempts while another program holds the file. */
export const BUSY_RETRY_MS = 5

/** A writing connection, replaced where the engine cannot go on with it. */
export class WriterCore {
  readonly #settings: WriterSettings
  #connection: Connection

  constructor(settings: WriterSettings) {
    this.#settings = settings
    this.#connection = openWriter(settings)
  }

  /** `'busy'`: another program holds the file; nothing was done. */
  commit(members: readonly GroupMember[]): readonly MemberOutcome[] | 'busy' {
    try {
      return commitGroup(this.#connection, members, this.#settings.path)
    } catch (error) {
      if (!isBusy(error)) throw error
      // After BUSY the engine's connection fails every later commit (libsql-client-ts #352).
      this.#connection.close()
      this.#connection = openWriter(this.#settings)
      return 'busy'
    }
  }

  close(): void {
    try {
      this.#connection.pragma('wal_checkpoint(TRUNCATE)')
    } catch {
      // What stays in the log is read from there at the next open.
    }
    this.#connection.close()
  }
}

/** The failure of a group that another program kept from being written. */
export function busyError(path: string): MeridianError {
  return new MeridianError('STORE_UNAVAILABLE', `Store ${path} is locked by another program.`, {
    fix: 'Close the other program that writes to the file.',
    details: { path },
  })
}

/** Writes on the calling thread, which stands still while the disk works. */
export function createInlineWriter(
  settings: WriterSettings,
  timers: Timers,
  busyTimeoutMs: number,
): GroupWriter {
  const core = new WriterCore(settings)
  return {
    maxGroupsInFlight: 1,
    async commit(members) {
      for (let waitedMs = 0; waitedMs <= busyTimeoutMs; waitedMs += BUSY_RETRY_MS) {
        const outcomes = core.commit(members)
        if (outcomes !== 'busy') return outcomes
        await new Promise<void>((resolve) => {
          timers.after(BUSY_RETRY_MS, resolve)
        })
      }
      throw busyError(settings.path)
    },
    async close() {
      core.close()
    },
  }
}
