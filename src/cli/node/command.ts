/** `meridian node`: a node as a process, until a signal ends it. */
import { dirname, resolve } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import type { LogLevel } from '../../core/ports/log.ts'
import { createPinoLog } from '../../drivers/log/pino-log.ts'
import { openNode, type RunningNode } from '../../node/open-node.ts'
import { EXIT, type Command, type GivenOptions } from '../command.ts'
import { withInterrupts } from '../interrupts.ts'
import { packageVersion } from '../../node/package-root.ts'
import { readDeployment, requireText } from '../read-deployment.ts'
import type { Terminal } from '../terminal.ts'
import { untilEnd } from '../until-end.ts'

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

const DESCRIPTION = `Serves the regions whose node has the URL of the region that is named: to clients over HTTP, to
other nodes over HTTP and WebSockets. Paths in the configuration are relative to its folder.
A region may have several nodes: one at a time holds it, the others pass to that one what they are
asked, and take over when it ends. \`--node\` says which of them this process is.

Starts whether or not other nodes are there, and prints its address once it listens; /readyz says
what it waits for. SIGTERM or Ctrl-C ends it in order, a second one at once. Logs go to standard
error, a JSON object a line.`

/** The command. */
export const nodeCommand: Command = {
  description: DESCRIPTION,
  options: {
    config: { type: 'string', placeholder: 'FILE', summary: 'The configuration.' },
    region: { type: 'string', placeholder: 'REGION', summary: 'A region that it serves.' },
    node: {
      type: 'string',
      placeholder: 'URL',
      summary: 'Which node of the region it is, of several.',
    },
    directory: { type: 'string', placeholder: 'DIR', summary: 'Where the files are.' },
    lock: { type: 'string', placeholder: 'FILE', summary: 'The schema lock, if not beside FILE.' },
    'until-stdin-ends': { type: 'boolean', summary: 'End with what started it: with its input.' },
    json: { type: 'boolean', summary: 'Print what happens as JSON, an object a line.' },
    'log-level': { type: 'string', placeholder: 'LEVEL', summary: `One of ${LEVELS.join(', ')}.` },
  },
  run: (given, terminal) =>
    withInterrupts(terminal, async (signal) => {
      const node = await open(given)
      try {
        announce(node, given, terminal)
        await untilEnd(signal, given['until-stdin-ends'] === true)
      } finally {
        await node.close()
      }
      return EXIT.ok
    }),
}

async function open(given: GivenOptions): Promise<RunningNode> {
  const configFile = requireText(given, 'config')
  const region = requireText(given, 'region')
  const level = logLevel(given['log-level'])
  const { config, schema, lockFile } = await readDeployment(configFile, given['lock'])
  const directory = given['directory']
  const node = given['node']
  return openNode({
    config,
    schema,
    lockFile,
    regions: [region],
    ...(typeof node === 'string' ? { node } : {}),
    baseDirectory: dirname(resolve(configFile)),
    ...(typeof directory === 'string' ? { directory: resolve(directory) } : {}),
    environment: process.env,
    log: createPinoLog({ level }),
    version: packageVersion(),
  })
}

function announce(node: RunningNode, given: GivenOptions, terminal: Terminal): void {
  const { url, regions } = node
  if (given['json'] !== true) {
    terminal.line(`${regions.join(', ')}: ${url}`)
    return
  }
  const region = given['region']
  terminal.line(JSON.stringify({ event: 'listening', region, regions, url }))
}

function logLevel(given: string | boolean | undefined): LogLevel {
  if (given === undefined) return 'info'
  const level = LEVELS.find((one) => one === given)
  if (level !== undefined) return level
  throw new MeridianError('INVALID_ARGUMENT', `There is no log level ${JSON.stringify(given)}.`, {
    fix: `There are: ${LEVELS.join(', ')}.`,
  })
}
