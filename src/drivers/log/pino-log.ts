/** Driver: structured logs, a JSON object a line, by pino. Writes at once and in order. */
import { pino, type DestinationStream } from 'pino'
import { MeridianError } from '../../core/errors.ts'
import type { Log, LogFields, LogLevel } from '../../core/ports/log.ts'

/** How logs are written. */
export interface PinoLogOptions {
  /** Lines below it are left out. */
  readonly level: LogLevel
  /** Where lines go; standard error by default. */
  readonly destination?: DestinationStream
}

/** Names of fields that hold secrets wherever they stand; a caller's mistake must not show one. */
const SECRET_FIELDS = [
  'authorization',
  'token',
  'jwt',
  'password',
  'secret',
  'privateKey',
  'key',
  'cookie',
]
const REDACTED = '[redacted]'
const STDERR = 2

/** Makes a log. Its lines have `time` (ISO 8601), `level` (a name), `event`, and their fields. */
export function createPinoLog(options: PinoLogOptions): Log {
  const logger = pino(
    {
      level: options.level,
      // Whoever collects the lines knows the machine and the process; events name the region.
      base: {},
      messageKey: 'event',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]),
        censor: REDACTED,
      },
    },
    options.destination ?? pino.destination({ fd: STDERR, sync: true }),
  )
  return {
    write: (level, event, fields) => logger[level](plain(fields), event),
  }
}

/** Errors as what they say of themselves: an error underneath may quote what it was given. */
function plain(fields: LogFields = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? describeError(value) : value,
    ]),
  )
}

/**
 * A typed error's message names things, never values. Any other error's message may hold anything,
 * such as the arguments of a statement: its class, code and place in the code must do.
 */
function describeError(error: Error): Record<string, unknown> {
  const cause = error.cause instanceof Error ? { cause: describeError(error.cause) } : {}
  if (error instanceof MeridianError && error.code !== 'INTERNAL') {
    return { code: error.code, message: error.message, retry: error.retry, ...cause }
  }
  const { code } = error as { readonly code?: unknown }
  return {
    name: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    at: stackFrames(error),
    ...cause,
  }
}

/** The stack without its first lines, which are the message. */
function stackFrames(error: Error): readonly string[] {
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim())
  return lines.filter((line) => /^at .*:\d+:\d+\)?$/.test(line)).slice(0, 10)
}
