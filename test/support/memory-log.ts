/** A log that keeps its lines, for tests that read them. */
import type { Log, LogFields, LogLevel } from '../../src/core/ports/log.ts'

/** A line. */
export interface LogLine {
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

/** A log and what was written to it. */
export interface MemoryLog extends Log {
  readonly lines: readonly LogLine[]
}

export function memoryLog(): MemoryLog {
  const lines: LogLine[] = []
  return { lines, write: (level, event, fields = {}) => void lines.push({ level, event, fields }) }
}
