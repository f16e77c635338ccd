/** `meridian store`: a small read-write libSQL server as a process, until a signal ends it. */
import { resolve } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { createPinoLog } from '../../drivers/log/pino-log.ts'
import { readSecret } from '../../node/secrets.ts'
import { openStoreServer, type RunningStoreServer } from '../../node/store-server.ts'
import { EXIT, type Command, type GivenOptions } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import type { Terminal } from '../terminal.ts'
import { untilEnd } from '../until-end.ts'

const DESCRIPTION = `Serves one libSQL file to any libSQL client, over HTTP and WebSocket, as sqld does: for tests and
local work. Every commit is durable when it is answered.

Prints its URL once it listens. Without a token it serves this machine alone. SIGTERM or Ctrl-C
ends it in order, a second one at once.`

const MAX_PORT = 65_535

/** The command. */
export const storeCommand: Command = {
  description: DESCRIPTION,
  options: {
    file: {
      type: 'string',
      placeholder: 'FILE',
      summary: 'The database; made when it is absent. Default: a temporary one.',
    },
    port: { type: 'string', placeholder: 'PORT', summary: 'Default: any that is free.' },
    host: { type: 'string', placeholder: 'HOST', summary: 'Where it listens. Default 127.0.0.1.' },
    'token-env': {
      type: 'string',
      placeholder: 'NAME',
      summary: 'The environment variable with the token that clients must pass.',
    },
    'token-file': { type: 'string', placeholder: 'FILE', summary: 'The file with that token.' },
    'max-bytes': { type: 'string', placeholder: 'N', summary: 'How large the file may become.' },
    'until-stdin-ends': { type: 'boolean', summary: 'End with what started it: with its input.' },
    json: { type: 'boolean', summary: 'Print what happens as JSON, an object a line.' },
  },
  run: (given, terminal) =>
    withInterrupts(terminal, async (signal) => {
      const server = await open(given)
      try {
        announce(server, given, terminal)
        await untilEnd(signal, given['until-stdin-ends'] === true)
      } finally {
        await server.close()
      }
      return EXIT.ok
    }),
}

async function open(given: GivenOptions): Promise<RunningStoreServer> {
  const file = text(given, 'file')
  return openStoreServer({
    file: file === undefined ? undefined : resolve(file),
    host: text(given, 'host'),
    port: wholeNumber(given, 'port', MAX_PORT),
    maxBytes: wholeNumber(given, 'max-bytes', Number.MAX_SAFE_INTEGER),
    token: await readToken(given),
    log: createPinoLog({ level: 'warn' }),
  })
}

async function readToken(given: GivenOptions): Promise<string | undefined> {
  const env = text(given, 'token-env')
  const file = text(given, 'token-file')
  const ref = env !== undefined ? { env } : file !== undefined ? { file } : undefined
  if (ref === undefined) return undefined
  return readSecret(ref, 'The token', {
    environment: process.env,
    baseDirectory: process.cwd(),
    log: createPinoLog({ level: 'warn' }),
  })
}

function announce(server: RunningStoreServer, given: GivenOptions, terminal: Terminal): void {
  const { url } = server
  terminal.line(given['json'] === true ? JSON.stringify({ event: 'listening', url }) : url)
}

function text(given: GivenOptions, name: string): string | undefined {
  const value = given[name]
  if (typeof value !== 'string') return undefined
  if (value !== '') return value
  throw new MeridianError('INVALID_ARGUMENT', `The option \`--${name}\` is empty.`, {
    fix: 'Give it a value, or leave it out.',
  })
}

function wholeNumber(given: GivenOptions, name: string, most: number): number | undefined {
  const value = text(given, name)
  if (value === undefined) return undefined
  const number = Number(value)
  if (/^\d+$/.test(value) && number <= most) return number
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `The option \`--${name}\` is ${JSON.stringify(value)}.`,
    { fix: `Give it a whole number up to ${most}.` },
  )
}
