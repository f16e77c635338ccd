/** Runs a command line: finds the command, reads its options, prints errors, gives the exit code. */
import { parseArgs } from 'node:util'
import { asMeridianError, MeridianError, type ErrorCode } from '../core/errors.ts'
import { EXIT, type Command, type GivenOptions } from './command.ts'
import { COMMANDS, type CommandEntry } from './commands.ts'
import { COMMON_OPTIONS, commandHelp, programHelp } from './help.ts'
import { Terminal, type Streams } from './terminal.ts'
import { packageVersion } from '../node/package-root.ts'

/** Codes that say that what was asked for is wrong, not that doing it failed. */
const USAGE_CODES: readonly ErrorCode[] = ['INVALID_ARGUMENT', 'CONFIG_INVALID']

/** Runs `meridian <args>`. Resolves to the exit code and never rejects. */
export async function runCli(args: readonly string[], streams: Streams): Promise<number> {
  const terminal = new Terminal(streams, process.env)
  try {
    return await dispatch(args, terminal)
  } catch (error) {
    return printError(error, terminal, args.includes('--debug'))
  }
}

async function dispatch(args: readonly string[], terminal: Terminal): Promise<number> {
  const [first, ...rest] = args.filter((arg) => arg !== '--debug')
  if (first === '--version') {
    terminal.line(packageVersion())
    return EXIT.ok
  }
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
    terminal.streams.stdout.write(await helpOf(rest[0]))
    return EXIT.ok
  }
  if (first.startsWith('-')) {
    throw new MeridianError('INVALID_ARGUMENT', `There is no option \`${first}\`.`, {
      fix: 'Run `meridian help` for what there is.',
    })
  }
  const command = await requireCommand(first).load()
  const { given, argument, operand, lastOperand } = readOptions(first, command, rest)
  if (given['help'] === true) {
    terminal.streams.stdout.write(commandHelp(first, command))
    return EXIT.ok
  }
  return command.run(given, terminal, argument, operand, lastOperand)
}

async function helpOf(name: string | undefined): Promise<string> {
  if (name === undefined) return programHelp()
  return commandHelp(name, await requireCommand(name).load())
}

function requireCommand(name: string): CommandEntry {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (entry !== undefined) return entry
  throw new MeridianError('INVALID_ARGUMENT', `There is no command \`${name}\`.`, {
    fix: `There are: ${Object.keys(COMMANDS).join(', ')}, help.`,
  })
}

interface ReadOptions {
  readonly given: GivenOptions
  readonly argument: string | undefined
  readonly operand: string | undefined
  readonly lastOperand: string | undefined
}

function readOptions(name: string, command: Command, args: readonly string[]): ReadOptions {
  const specs = { ...command.options, ...COMMON_OPTIONS }
  const options = Object.fromEntries(
    Object.entries(specs).map(([option, { type }]) => [option, { type }]),
  )
  const allowPositionals = command.argument !== undefined
  const invalid = (problem: string, cause?: unknown): MeridianError =>
    new MeridianError('INVALID_ARGUMENT', `${problem}.`, {
      fix: `Run \`meridian ${name} --help\` for its options.`,
      cause,
    })
  let parsed: { values: GivenOptions; positionals: string[] }
  try {
    parsed = parseArgs({ args: [...args], options, strict: true, allowPositionals })
  } catch (error) {
    const problem = (error as Error).message.split('. ', 1)[0]?.replace(/\.$/, '')
    throw invalid(problem ?? 'The options are wrong', error)
  }
  const places = [command.argument, command.operand, command.lastOperand]
  const taken = places.filter((one) => one !== undefined).length
  const [argument, operand, lastOperand] = parsed.positionals
  const beyond = parsed.positionals[taken]
  if (beyond !== undefined) throw invalid(`Unexpected argument '${beyond}'`)
  return { given: parsed.values, argument, operand, lastOperand }
}

function printError(thrown: unknown, terminal: Terminal, debug: boolean): number {
  const error = asMeridianError(thrown)
  // The message ends with what to do about it.
  terminal.note(`meridian: ${error.code}: ${error.message}`)
  if (debug) terminal.note(stackOf(error))
  if (error.code === 'CANCELLED') return EXIT.interrupted
  return USAGE_CODES.includes(error.code) ? EXIT.usage : EXIT.failed
}

function stackOf(error: Error): string {
  const { cause } = error
  const stack = error.stack ?? ''
  return cause instanceof Error ? `${stack}\nCaused by: ${stackOf(cause)}` : stack
}
