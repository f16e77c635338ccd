/** `meridian dev`: all regions in this process, a page that shows them, the schema reloaded. */
import { rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { parseConfig, type Config } from '../../config/parse-config.ts'
import { startHttpServer } from '../../drivers/http/http-server.ts'
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { readConfigFile } from '../../node/files.ts'
import { loadSchema } from '../../node/load-schema.ts'
import { LOCK_FILE } from '../../node/schema-lock.ts'
import { EXIT, type Command, type GivenOptions } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import type { Terminal } from '../terminal.ts'
import { untilEnd } from '../until-end.ts'
import { createDevHandler } from './dev-handler.ts'
import { DevSession, type DevOptions } from './dev-session.ts'
import { watchFolder } from './watch.ts'

const HOST = '127.0.0.1'
const DEFAULT_PORT = 4400
const DEFAULT_CONFIG = 'meridian.yaml'

const DESCRIPTION = `Runs every region of a configuration in this process, with the delays between them, and serves
them on one port of the loopback interface: clients connect with \`httpDeployment\` of
meridian/http, a browser sees rows, streams and views as they move. When the schema's file
changes, the regions take the new schema, or say why they cannot and keep the one before.`

/** The command. */
export const devCommand: Command = {
  description: DESCRIPTION,
  options: {
    config: { type: 'string', placeholder: 'FILE', summary: `Default: ${DEFAULT_CONFIG}.` },
    port: {
      type: 'string',
      placeholder: 'PORT',
      summary: `Default: ${DEFAULT_PORT}; 0: a free one.`,
    },
    scale: {
      type: 'string',
      placeholder: 'X',
      summary: 'Multiply the delays between regions. Default 1.',
    },
    fresh: { type: 'boolean', summary: 'Delete what earlier runs have stored, first.' },
    json: { type: 'boolean', summary: 'Print events as lines of JSON.' },
  },
  async run(given, terminal) {
    const options = await readDevOptions(given, terminal)
    if (given['fresh'] === true) await rm(options.directory, { recursive: true, force: true })
    await withInterrupts(terminal, (signal) => runDev(options, given, terminal, signal))
    return EXIT.ok
  },
}

async function readDevOptions(given: GivenOptions, terminal: Terminal): Promise<DevOptions> {
  const configFile = resolve(textOf(given['config']) ?? DEFAULT_CONFIG)
  const config = parseConfig(await readConfigFile(configFile), relative(process.cwd(), configFile))
  const folder = dirname(configFile)
  const schemaFile = resolve(folder, requireSchema(config, configFile))
  return {
    config,
    schemaFile: relative(process.cwd(), schemaFile),
    lockFile: join(folder, LOCK_FILE),
    directory: resolve(folder, config.data.directory),
    delayScale: readNumber('scale', given['scale'], 1),
    loadSchema: () => loadSchema(schemaFile),
    onNotice: (notice) => terminal.note(notice),
  }
}

async function runDev(
  options: DevOptions,
  given: GivenOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const session = await DevSession.open(options)
  const say = reporter(given['json'] === true, terminal)
  let url = ''
  const handler = createDevHandler({ session, url: () => url })
  const port = readNumber('port', given['port'], DEFAULT_PORT)
  const server = await startHttpServer({ host: HOST, port, handler, runtime: systemRuntime }).catch(
    async (error: unknown) => {
      await session.close()
      throw error
    },
  )
  ;({ url } = server)
  const stopWatching = watchFolder(dirname(resolve(options.schemaFile)), () => {
    void reload(session, say)
  })
  // Whoever reads it may edit the schema at once.
  say('listening', `Open ${url} in a browser. Clients: every region is at ${url}.`, { url })
  await untilEnd(signal, false)
  stopWatching()
  await server.close({ drainTimeoutMs: 0 })
  await session.close()
}

async function reload(session: DevSession, say: Say): Promise<void> {
  const outcome = await session.reload()
  if (outcome.kind === 'loaded') {
    say('reloaded', `The schema is now version ${outcome.version}.`, { version: outcome.version })
  } else if (outcome.kind === 'refused') {
    const { code, message } = outcome.error
    say('refused', `${code}: ${message}\nThe schema before this edit is still served.`, {
      code,
      message,
    })
  }
}

type Say = (event: string, text: string, facts: Readonly<Record<string, unknown>>) => void

function reporter(isJson: boolean, terminal: Terminal): Say {
  return (event, text, facts) => {
    terminal.line(isJson ? JSON.stringify({ event, ...facts }) : text)
  }
}

function requireSchema(config: Config, configFile: string): string {
  if (config.schema !== null) return config.schema
  throw new MeridianError('CONFIG_INVALID', `${configFile} names no schema.`, {
    fix: 'Add `schema: ./src/schema.ts`: the module that exports it.',
  })
}

function readNumber(name: string, given: string | boolean | undefined, otherwise: number): number {
  if (given === undefined) return otherwise
  const number = Number(given)
  if (given !== '' && Number.isFinite(number) && number >= 0) return number
  throw new MeridianError('INVALID_ARGUMENT', `The option --${name} is not a number of 0 or more.`)
}

function textOf(given: string | boolean | undefined): string | undefined {
  return typeof given === 'string' ? given : undefined
}
