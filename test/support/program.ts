/** Programs of this repository as child processes: bounded in time, ended with the test. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { builtFile } from '../../bin/fresh-build.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** How a program ended. */
export interface Ended {
  /** `null`: a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running program. */
export interface RunningProgram {
  /** Standard output so far. */
  stdout(): string
  /** Standard error so far. */
  stderr(): string
  /** Resolves once standard output or standard error holds `text`; rejects if it ends before. */
  prints(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
  /** Ends its standard input. */
  endInput(): void
  readonly ended: Promise<Ended>
}

/** How a program is started. */
export interface ProgramOptions {
  /** More variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** What its files may have, in the blocks of `ulimit -f`. */
  readonly fileBlocks?: number
  /** Its input stays open until `endInput`. Default: it has none. */
  readonly hasInput?: boolean
}

/** What Node is given to run a TypeScript program: its build, where the tests are of the build. */
export function programArguments(program: string): readonly string[] {
  const built = builtFile(ROOT, program)
  const runsBuild = process.env['MERIDIAN_TEST_BUILD'] === '1' && existsSync(built)
  return runsBuild ? [built] : ['--import', 'tsx', program]
}

/** Starts a TypeScript program by its path from the root of the repository. */
export function startProgram(
  program: string,
  args: readonly string[] = [],
  options: ProgramOptions = {},
): RunningProgram {
  const command = [process.execPath, ...programArguments(program), ...args]
  const limited =
    options.fileBlocks === undefined
      ? command
      : ['sh', '-c', `ulimit -f ${options.fileBlocks}; exec "$@"`, 'sh', ...command]
  const child = spawn(limited[0] as string, limited.slice(1), {
    cwd: ROOT,
    stdio: [options.hasInput === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...options.environment },
  })
  const output = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  const collect = (stream: 'stdout' | 'stderr', chunk: Buffer): void => {
    output[stream] += chunk.toString()
    for (const watcher of watchers) watcher()
  }
  child.stdout?.on('data', (chunk: Buffer) => collect('stdout', chunk))
  child.stderr?.on('data', (chunk: Buffer) => collect('stderr', chunk))
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, ...output }))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const prints = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!output.stdout.includes(text) && !output.stderr.includes(text)) return
        watchers.delete(look)
        resolve()
      }
      watchers.add(look)
      look()
      void ended.then(() => reject(new Error(`It ended without ${text}:\n${output.stderr}`)))
    })
  return {
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    prints,
    kill: (signal) => child.kill(signal),
    endInput: () => child.stdin?.end(),
    ended,
  }
}
