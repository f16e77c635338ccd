/**
 * Program of the keeper: the parent of every engine that a process starts. When that process is
 * gone - in order, by a crash, by SIGKILL - the channel to it closes, and the keeper ends the
 * engines and removes their temporary folders: nothing is left behind, whatever happened.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'

/** An engine's process, as the keeper is to start it. */
export interface ProcessSpec {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Its working directory. */
  readonly directory: string
  /** Its output is appended there. */
  readonly logFile: string
  /** Removed when the process that asked for the engine has gone without removing it. */
  readonly temporaryFolder?: string | undefined
}

/** To the keeper. */
export type KeeperRequest =
  | { readonly kind: 'start'; readonly id: number; readonly spec: ProcessSpec }
  | { readonly kind: 'signal'; readonly id: number; readonly signal: NodeJS.Signals }

/** From the keeper. */
export type KeeperReply =
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | {
      readonly kind: 'ended'
      readonly id: number
      readonly code: number | null
      readonly signal: NodeJS.Signals | null
    }

/** How long engines have to end in order once nobody wants them any more. */
const GRACE_MS = 5_000

const running = new Map<number, ChildProcess>()
const temporaryFolders = new Set<string>()
let isEnding = false

function start(id: number, spec: ProcessSpec): void {
  if (spec.temporaryFolder !== undefined) temporaryFolders.add(spec.temporaryFolder)
  try {
    // The engine writes to the file itself: what it says at its very end is there, too.
    const log = openSync(spec.logFile, 'a')
    const child = spawn(spec.command, spec.args, {
      cwd: spec.directory,
      env: { ...spec.environment },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    child.once('error', (error) => reply({ kind: 'failed', id, message: error.message }))
    if (child.pid === undefined) return
    running.set(id, child)
    reply({ kind: 'started', id, pid: child.pid })
    child.once('exit', (code, signal) => {
      running.delete(id)
      reply({ kind: 'ended', id, code, signal })
      if (isEnding) endWhenEmpty()
    })
  } catch (error) {
    reply({ kind: 'failed', id, message: (error as Error).message })
  }
}

function reply(message: KeeperReply): void {
  // Nobody is left to hear it: the engines' end is all that counts then.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

function endAll(): void {
  if (isEnding) return
  isEnding = true
  for (const child of running.values()) {
    child.kill('SIGTERM')
    // A process that was stopped hears nothing else.
    child.kill('SIGCONT')
  }
  setTimeout(() => {
    for (const child of running.values()) child.kill('SIGKILL')
  }, GRACE_MS)
  endWhenEmpty()
}

function endWhenEmpty(): void {
  if (running.size > 0) return
  for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}

process.on('message', (request: KeeperRequest) => {
  if (request.kind === 'start') start(request.id, request.spec)
  else running.get(request.id)?.kill(request.signal)
})
process.on('disconnect', endAll)
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, endAll)
