/** A change log in memory, for tests that open many or say when it grows. */
import { MeridianError } from '../../src/core/errors.ts'
import type { ChangeLog, ChangeLogRecord } from '../../src/core/ports/change-log.ts'

export class MemoryChangeLog implements ChangeLog {
  readonly records: ChangeLogRecord[] = []
  readonly #listeners = new Set<() => void>()
  #trimmed = 0

  append(records: readonly ChangeLogRecord[]): Promise<void> {
    this.records.push(...records)
    for (const listener of this.#listeners) listener()
    return Promise.resolve()
  }

  end(): Promise<number> {
    return Promise.resolve(this.records.length)
  }

  read(position: number, maxRecords: number): Promise<readonly ChangeLogRecord[]> {
    if (position < this.#trimmed) {
      return Promise.reject(new MeridianError('LOG_COMPACTED', 'The log was trimmed.'))
    }
    return Promise.resolve(this.records.slice(position, position + maxRecords))
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  trim(position: number): Promise<void> {
    this.#trimmed = position
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
