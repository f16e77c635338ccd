import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** A child process that runs one of the conformance programs, and the lines that it prints. */
export interface Child {
  readonly lines: readonly string[]
  /** Its exit code once it has ended; null when it was killed. */
  readonly ended: Promise<number | null>
  /** Kills it at once, as a power cut would, and waits for its end. */
  kill(): Promise<void>
}

/** Starts a program of `test/conformance/programs`; it ends with the test at the latest. */
export function startChild(program: string, ...args: string[]): Child {
  const path = fileURLToPath(new URL(`../programs/${program}`, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve)
  })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(kill)
  return { lines, ended, kill }
}
