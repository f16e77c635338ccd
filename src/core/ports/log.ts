/** Port: structured logs. No values of rows, no keys, no tokens: names, ids and counts. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a line says besides its event. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  /** `event`: a short, constant text that can be searched for. An `error` field may be an Error. */
  write(level: LogLevel, event: string, fields?: LogFields): void
}
