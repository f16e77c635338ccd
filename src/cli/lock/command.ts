/** `meridian lock`: writes the schema lock that all nodes of a deployment need. */
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { openSchemaLock } from '../../node/schema-lock.ts'
import { EXIT, type Command } from '../command.ts'
import { readDeployment, requireText } from '../read-deployment.ts'

const DESCRIPTION = `Numbers what is new in the schema and writes meridian.lock.json beside the configuration. Commit
the file: every node of the deployment must have the same one. With --check nothing is written, and
the exit code is 1 where something would be.`

/** The command. */
export const lockCommand: Command = {
  description: DESCRIPTION,
  options: {
    config: { type: 'string', placeholder: 'FILE', summary: 'The configuration.' },
    lock: { type: 'string', placeholder: 'FILE', summary: 'The schema lock, if not beside FILE.' },
    check: { type: 'boolean', summary: 'Only look whether the file is up to date.' },
  },
  async run(given, terminal) {
    const { schema, lockFile } = await readDeployment(requireText(given, 'config'), given['lock'])
    const locked = await openSchemaLock(schema, lockFile)
    const version = `schema version ${locked.lock.version}`
    if (!locked.isBehind) {
      terminal.line(`${lockFile} is up to date: ${version}.`)
      return EXIT.ok
    }
    if (given['check'] === true) {
      terminal.line(`${lockFile} is not up to date: ${version} is to be written.`)
      return EXIT.failed
    }
    await locked.save(systemRuntime.random)
    terminal.line(`${lockFile}: ${version}.`)
    return EXIT.ok
  },
}
