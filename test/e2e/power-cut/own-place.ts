/**
 * A place of its own for the rig: a process namespace and a mount namespace (Linux, root). When the
 * first process in it ends, for whatever reason, the kernel ends all others there, unmounts what was
 * mounted there and frees its loop devices. Files are in memory, on a file system that only this
 * place sees. Nothing is left behind by Ctrl-C, a crash or SIGKILL.
 */
import { execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../../src/cluster/engines/find-program.ts'
import { DISK_PROGRAMS } from './loop-disk.ts'

const run = promisify(execFile)

/** It is there on every Linux, and nobody keeps a checkout or a program in it. */
const MEMORY = '/dev/shm'
const MEMORY_BYTES = '3g'
const OWN = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
const TIMEOUT_MS = 30_000
/** What a shell says of a program that Ctrl-C has ended. */
const INTERRUPTED = 130

/** Why the rig cannot run on this machine; `undefined` where it can. */
export async function whyNoPlace(needsEtcd = false): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it takes Linux'
  if (process.getuid?.() !== 0) return 'it takes root'
  const missing = ['unshare', ...DISK_PROGRAMS].filter((name) => !isProgram(name))
  if (missing.length > 0) return `there is no ${missing.join(', no ')}`
  try {
    accessSync('/dev/loop-control', constants.W_OK)
    await run('unshare', [...OWN, 'true'], { timeout: TIMEOUT_MS })
    if (needsEtcd) await findProgram('etcd')
  } catch (error) {
    return (error as Error).message.trim().replaceAll(/\s+/g, ' ')
  }
  return undefined
}

/** Runs this program again, inside. Resolves with its exit code. */
export function runInPlace(args: readonly string[]): Promise<number> {
  const [, program = ''] = process.argv
  const inside = [process.execPath, ...process.execArgv, program, ...args]
  const child = spawn('unshare', [...OWN, '--', ...inside], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  let isInterrupted = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      isInterrupted = true
      child.stdin.end()
    })
  }
  child.stdin.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(isInterrupted ? INTERRUPTED : (code ?? INTERRUPTED)))
  })
}

/** Inside: ends with the process outside, and gives a folder in memory of this name. @throws Error */
export async function settleInPlace(name: string): Promise<string> {
  const end = (): void => process.exit(INTERRUPTED)
  // The first process of a namespace ignores signals that it does not handle.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
  process.stdin.once('end', end).once('error', end).resume()
  const options = `size=${MEMORY_BYTES},mode=0700`
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', MEMORY], { timeout: TIMEOUT_MS })
  const folder = join(MEMORY, name)
  mkdirSync(folder)
  return folder
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
