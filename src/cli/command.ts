/** What a command of `meridian` is. Each lives in a folder of its own. */
import type { Terminal } from './terminal.ts'

/** One option of a command. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  /** What stands for the value in help: `--json FILE`. */
  readonly placeholder?: string
  readonly summary: string
}

/** Options by name, without the dashes. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>

/** The options that were given. */
export type GivenOptions = Readonly<Record<string, string | boolean | undefined>>

/** A command. */
export interface Command {
  /** What it does, in paragraphs, for its help. */
  readonly description: string
  readonly options: OptionSpecs
  /** What it takes besides options, if it takes something. */
  readonly argument?: { readonly placeholder: string; readonly summary: string }
  /** What some arguments are followed by. */
  readonly operand?: { readonly placeholder: string; readonly summary: string }
  /** What some operands are followed by. */
  readonly lastOperand?: { readonly placeholder: string; readonly summary: string }
  /** Resolves to the exit code: 0, or 1 where what it was to find out is bad. */
  run(
    given: GivenOptions,
    terminal: Terminal,
    argument?: string,
    operand?: string,
    lastOperand?: string,
  ): Promise<number>
}

/** The exit codes. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** The command line or a configuration file is wrong; nothing was done. */
  usage: 2,
  /** As shells report an end by Ctrl-C. */
  interrupted: 130,
} as const
