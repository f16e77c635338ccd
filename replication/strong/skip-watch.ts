/** Reads a log ahead of a record that stopped its group, for an operator's word that it is skipped. */
import { isErrorCode, type MeridianError } from '../../src/core/errors.ts'
import type { CommitLog, LogEntry, LogTail } from '../../src/core/ports/commit-log.ts'
import { decodeControl } from './control.ts'
import { decodeRecord } from './record.ts'

/** What a watch tells. */
export interface SkipWatchHandlers {
  /** Somewhere behind it in the log a `SKIP` names the record. */
  readonly onSkip: () => void
  /** The log does not go back to the record any more. */
  readonly onCompacted: (error: MeridianError) => void
}

export class SkipWatch {
  readonly #index: number
  readonly #handlers: SkipWatchHandlers
  readonly #tail: LogTail
  #isOver = false

  /** `index`: of the record that stopped the group. */
  constructor(log: CommitLog, group: string, index: number, handlers: SkipWatchHandlers) {
    this.#index = index
    this.#handlers = handlers
    this.#tail = log.tail(group, index + 1, {
      onEntries: (entries) => {
        this.#read(entries)
        return Promise.resolve()
      },
      onFailure: (error) => {
        const isCompacted = isErrorCode(error, 'LOG_COMPACTED')
        if (isCompacted) this.#end(() => this.#handlers.onCompacted(error))
      },
    })
  }

  /** Ends it; nothing is told afterwards. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#tail.stop()
  }

  #read(entries: readonly LogEntry[]): void {
    if (entries.some((entry) => skips(entry) === this.#index)) {
      this.#end(() => this.#handlers.onSkip())
    }
  }

  #end(tell: () => void): void {
    if (this.#isOver) return
    this.#isOver = true
    tell()
  }
}

/** The index that an entry names as skipped. */
function skips({ payload }: LogEntry): number | undefined {
  try {
    const { kind, commands } = decodeRecord(payload)
    const control = kind === 'control' ? decodeControl(commands[0] ?? NOTHING) : undefined
    return control?.type === 'skip' ? control.index : undefined
  } catch {
    // What it is will be said when it is applied.
    return undefined
  }
}

const NOTHING = new Uint8Array()
