/** `meridian config`: what a configuration amounts to, whether it can work, what its options are. */
import { dirname, resolve } from 'node:path'
import { stringify } from 'yaml'
import { configJsonSchema } from '../../config/describe-options.ts'
import { parseConfig } from '../../config/parse-config.ts'
import { MeridianError } from '../../core/errors.ts'
import { readConfigFile } from '../../node/files.ts'
import { EXIT, type Command, type GivenOptions } from '../command.ts'
import type { Terminal } from '../terminal.ts'
import { checkFile } from './check-file.ts'
import { printReport } from './print-report.ts'

const DEFAULT_FILE = 'meridian.yaml'

const DESCRIPTION = `Looks at a configuration without starting anything of it.

  check   its size (embedded, lean, full), what cannot work, what an operator should know, and what
          the deployment survives: the loss of a process, a machine, a region, power. The exit code
          is 1 where something cannot work; a node refuses to start with it, too
  show    the configuration as it is understood, defaults filled in; secrets stay references
  schema  the JSON Schema of the file, for editors

With --live, check also asks every engine that is named: whether it answers, its version, and the
settings that matter. Secrets are then read where their references lead.`

/** The command. */
export const configCommand: Command = {
  description: DESCRIPTION,
  argument: { placeholder: 'check|show|schema', summary: 'What to do.' },
  options: {
    config: {
      type: 'string',
      placeholder: 'FILE',
      summary: `The configuration. Default: ${DEFAULT_FILE}.`,
    },
    live: { type: 'boolean', summary: 'check: ask the engines, too.' },
    json: { type: 'boolean', summary: 'Print JSON.' },
  },
  async run(given, terminal, action) {
    switch (action) {
      case 'check':
        return check(given, terminal)
      case 'show':
        return show(given, terminal)
      case 'schema':
        terminal.line(JSON.stringify(configJsonSchema(), null, 2))
        return EXIT.ok
      default:
        throw new MeridianError(
          'INVALID_ARGUMENT',
          action === undefined ? 'What to do is missing.' : `There is no action \`${action}\`.`,
          { fix: 'There are: check, show, schema.' },
        )
    }
  },
}

function fileOf(given: GivenOptions): string {
  return typeof given['config'] === 'string' ? given['config'] : DEFAULT_FILE
}

async function check(given: GivenOptions, terminal: Terminal): Promise<number> {
  const file = fileOf(given)
  const { config, report } = await checkFile(await readConfigFile(file), file)
  const sources = {
    environment: process.env,
    baseDirectory: dirname(resolve(file)),
    log: { write: () => {} },
  }
  const isLive = given['live'] === true && config !== undefined
  // The engines' clients are loaded where they are needed.
  const engines = isLive
    ? await (await import('./live/probe-all.ts')).probeAll(config, sources)
    : undefined
  const whole = { ...report, ...(engines === undefined ? {} : { engines }) }
  if (given['json'] === true) terminal.line(JSON.stringify(whole, null, 2))
  else printReport(whole, terminal)
  const isBad = report.problems.length > 0 || engines?.some(({ problems }) => problems.length > 0)
  return isBad === true ? EXIT.failed : EXIT.ok
}

async function show(given: GivenOptions, terminal: Terminal): Promise<number> {
  const file = fileOf(given)
  const config = parseConfig(await readConfigFile(file), file)
  const { topology, ...rest } = config
  const shown = { ...rest, topology: topology.oneWayMs }
  terminal.line(
    given['json'] === true ? JSON.stringify(shown, null, 2) : stringify(shown).trimEnd(),
  )
  return EXIT.ok
}
