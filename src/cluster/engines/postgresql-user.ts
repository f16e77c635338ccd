/**
 * As whom PostgreSQL runs. It refuses to be root: then it runs as the user of its package, who owns
 * its folder, and, where that may be had, in an IPC namespace of its own: not even a crash leaves
 * shared memory then.
 */
import { execFile } from 'node:child_process'
import { chownSync } from 'node:fs'
import { MeridianError } from '../../core/errors.ts'
import type { CommandLine } from '../member-distances.ts'

/** The user that Debian's package makes. */
const PACKAGE_USER = 'postgres'
const TIMEOUT_MS = 10_000

/** Whom a server is run as. */
export interface PostgresqlUser {
  /** The command as it is run by this process. */
  commandLine(line: CommandLine): CommandLine
  /** Makes a file or folder the user's. */
  own(path: string): void
}

/** @throws MeridianError `CONFIG_INVALID` where this process is root and there is no other user */
export async function postgresqlUser(): Promise<PostgresqlUser> {
  if (process.getuid?.() !== 0) return { commandLine: (line) => line, own: () => undefined }
  const [uid, gid, hasNamespaces] = await Promise.all([idOf('-u'), idOf('-g'), canUnshare()])
  const namespace = hasNamespaces ? ['unshare', '--ipc'] : []
  // Each program replaces itself by the next: the process that is started is the server.
  const before = [...namespace, 'setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups']
  return {
    commandLine: ({ command, args }) => {
      const [first = '', ...rest] = [...before, command, ...args]
      return { command: first, args: rest }
    },
    own: (path) => chownSync(path, uid, gid),
  }
}

/** Not in most containers, even as root. */
function canUnshare(): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('unshare', ['--ipc', 'true'], { timeout: TIMEOUT_MS }, (error) =>
      resolve(error === null),
    )
  })
}

function idOf(flag: '-u' | '-g'): Promise<number> {
  return new Promise((resolve, reject) => {
    execFile('id', [flag, PACKAGE_USER], { timeout: TIMEOUT_MS }, (error, stdout) => {
      if (error === null) resolve(Number(stdout))
      else reject(noUser(error))
    })
  })
}

function noUser(cause: Error): MeridianError {
  return new MeridianError(
    'CONFIG_INVALID',
    `PostgreSQL cannot be started: it refuses to run as root, and there is no user ${PACKAGE_USER}.`,
    { fix: 'Install the package (Debian: `apt-get install postgresql-15`).', cause },
  )
}
