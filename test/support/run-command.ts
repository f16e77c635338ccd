/** Runs `meridian` in this process, and collects what it writes. */
import { runCli } from '../../src/cli/run-cli.ts'
import type { Streams } from '../../src/cli/terminal.ts'

/** What was written. */
export interface Written {
  stdout: string
  stderr: string
}

/** How a command ended. */
export interface Ran extends Readonly<Written> {
  readonly code: number
}

/** Streams that keep what is written to them. */
export function collectStreams(): { readonly written: Written; readonly streams: Streams } {
  const written: Written = { stdout: '', stderr: '' }
  const collect = (name: keyof Written) => ({
    write(text: string): void {
      written[name] += text
    },
  })
  return { written, streams: { stdout: collect('stdout'), stderr: collect('stderr') } }
}

/** `meridian <args>`. */
export async function runMeridian(...args: readonly string[]): Promise<Ran> {
  const { written, streams } = collectStreams()
  return { code: await runCli(args, streams), ...written }
}
