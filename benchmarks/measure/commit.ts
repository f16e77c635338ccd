/** The commit that this package is at, where it is a checkout. */
import { execFile } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { promisify } from 'node:util'

const TIMEOUT_MS = 5000

/** A commit of git. */
export interface Commit {
  readonly id: string
  /** Tracked files differ from it. */
  readonly isModified: boolean
}

/** `null` where `root` is not the top of a checkout, or there is no git. */
export async function commitOf(root: string): Promise<Commit | null> {
  try {
    // A package that is installed in another project is not at that project's commit.
    if (
      (await realpath(await git(root, 'rev-parse', '--show-toplevel'))) !== (await realpath(root))
    ) {
      return null
    }
    const id = await git(root, 'rev-parse', '--verify', 'HEAD')
    const changes = await git(root, 'status', '--porcelain', '--untracked-files=no')
    return { id, isModified: changes !== '' }
  } catch {
    return null
  }
}

async function git(root: string, ...args: readonly string[]): Promise<string> {
  const options = { cwd: root, timeout: TIMEOUT_MS, encoding: 'utf8' } as const
  const { stdout } = await promisify(execFile)('git', args, options)
  return stdout.trim()
}
