/** Help texts. */
import type { Command, OptionSpec } from './command.ts'
import { COMMANDS } from './commands.ts'

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  debug: { type: 'boolean', summary: 'Print the stack of an error.' },
  help: { type: 'boolean', summary: 'Print this.' },
}

/** Help of the program as a whole. */
export function programHelp(): string {
  const commands = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary] as const)
  return [
    'Meridian: a data layer across regions; each table says how consistent it must be.',
    '',
    'Usage: meridian <command> [options]',
    '',
    'Commands:',
    ...aligned([...commands, ['help', 'Print this, or the help of a command.']]),
    '',
    'Options:',
    ...aligned([
      ['--help', 'Print this, or the help of a command.'],
      ['--version', 'Print the version.'],
      ['--debug', 'Print the stack of an error.'],
    ]),
    '',
  ].join('\n')
}

/** Help of one command. */
export function commandHelp(name: string, command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(
    ([option, { placeholder, summary }]) =>
      [`--${option}${placeholder === undefined ? '' : ` ${placeholder}`}`, summary] as const,
  )
  const places = [command.argument, command.operand, command.lastOperand]
  const positionals = places.filter((one) => one !== undefined)
  return [
    `Usage: meridian ${[name, ...positionals.map(({ placeholder }) => placeholder)].join(' ')} [options]`,
    '',
    command.description,
    '',
    ...(positionals.length === 0
      ? []
      : [
          positionals.length === 1 ? 'Argument:' : 'Arguments:',
          ...aligned(positionals.map(({ placeholder, summary }) => [placeholder, summary])),
          '',
        ]),
    'Options:',
    ...aligned(options),
    '',
  ].join('\n')
}

function aligned(entries: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`)
}
