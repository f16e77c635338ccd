/** `meridian init`: a service that runs and whose tests pass, to begin from. */
import { basename, relative, resolve } from 'node:path'
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type Command } from '../command.ts'
import { packageVersion } from '../../node/package-root.ts'
import { writeScaffold } from './scaffold.ts'

const DESCRIPTION = `Makes a folder with a service to begin from: a schema with a table of every consistency,
configuration with residency rules, and tests over three regions in one process. Nothing that is
there is overwritten.`

/** The command. */
export const initCommand: Command = {
  description: DESCRIPTION,
  argument: {
    placeholder: 'FOLDER',
    summary: 'The folder; made when absent. Its name names the service.',
  },
  options: {
    name: { type: 'string', placeholder: 'NAME', summary: 'Another name for the service.' },
    package: {
      type: 'string',
      placeholder: 'SPEC',
      summary:
        'How its package.json asks for Meridian: a version, or file:PATH. Default: this version.',
    },
    json: { type: 'boolean', summary: 'Print what was made as one line of JSON.' },
  },
  async run(given, terminal, argument) {
    if (argument === undefined) {
      throw new MeridianError('INVALID_ARGUMENT', 'The folder is missing.', {
        fix: 'Run `meridian init my-service`.',
      })
    }
    const folder = resolve(argument)
    const name = typeof given['name'] === 'string' ? given['name'] : basename(folder)
    const spec = given['package']
    const files = await writeScaffold(folder, {
      name: requireName(name),
      meridian: typeof spec === 'string' ? spec : `^${packageVersion()}`,
    })
    if (given['json'] === true) {
      terminal.line(JSON.stringify({ folder, name, files }))
      return EXIT.ok
    }
    const shown = nearest(folder)
    terminal.line(`Made ${name} in ${shown}:`)
    for (const file of files) terminal.line(`  ${file}`)
    terminal.line()
    terminal.line('Next:')
    terminal.line(`  cd ${shown} && npm install`)
    terminal.line('  npm test')
    return EXIT.ok
  },
}

/** The folder as one types it from here. */
function nearest(folder: string): string {
  const path = relative(process.cwd(), folder)
  return path.startsWith('..') ? folder : path || '.'
}

/** A package's name, as npm takes it. */
function requireName(name: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,100}$/.test(name)) return name
  throw new MeridianError('INVALID_ARGUMENT', `${JSON.stringify(name)} cannot name a package.`, {
    fix: 'Give `--name` with lower-case letters, digits and dashes.',
  })
}
