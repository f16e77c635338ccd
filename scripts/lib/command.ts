/** Runs one command line in its own process group, bounded in time, with its output collected. */
import { spawn, type ChildProcess } from 'node:child_process'
import { delimiter, join } from 'node:path'

export const ROOT: string = join(import.meta.dirname, '..', '..')

export interface CommandResult {
  readonly ok: boolean
  /** The exit code; null when it could not be started, or was ended. */
  readonly code: number | null
  /** Standard output and standard error as they came, and a last line if the command was ended. */
  readonly output: string
  readonly elapsedMs: number
}

const running = new Set<ChildProcess>()
const POSIX = process.platform !== 'win32'

/** Ends a command with everything that it started, by the id of the group that it leads. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    if (POSIX) process.kill(-child.pid, 'SIGKILL')
    else child.kill('SIGKILL')
  } catch {
    // Already gone.
  }
}

/** Ends every command that still runs. For signal handlers. */
export function endRunningCommands(): void {
  for (const child of running) endGroup(child)
}

/** The environment of a command: programs of node_modules are found by name, as npm does it. */
function commandEnvironment(): NodeJS.ProcessEnv {
  const { FORCE_COLOR: _, ...environment } = process.env
  const path = process.env['PATH'] ?? ''
  return {
    ...environment,
    PATH: `${join(ROOT, 'node_modules', '.bin')}${delimiter}${path}`,
    NO_COLOR: '1',
  }
}

/** Runs `commandLine` in a shell at the root of the repository; resolves also when it fails. */
export function runCommand(commandLine: string, timeoutMs: number): Promise<CommandResult> {
  const startedAt = Date.now()
  const child = spawn(commandLine, {
    cwd: ROOT,
    shell: true,
    detached: POSIX,
    env: commandEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  let ended = ''
  const collect = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const timer = setTimeout(() => {
    ended = `Ended after ${timeoutMs / 1000} s: it takes longer than this step may.\n`
    endGroup(child)
  }, timeoutMs)
  return new Promise((resolve) => {
    const finish = (code: number | null, note: string): void => {
      clearTimeout(timer)
      running.delete(child)
      const ok = code === 0 && ended === ''
      resolve({ ok, code, output: output + note, elapsedMs: Date.now() - startedAt })
    }
    child.on('error', (error) => finish(null, `${error.message}\n`))
    child.on('close', (code) => finish(code, ended))
  })
}
