/** Whether dist/ is the build of the sources as they are. Plain JavaScript: a fresh checkout runs it. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Folders of what is built. */
export const SOURCE_FOLDERS = ['src', 'replication', 'cdc', 'crdt', 'benchmarks']

/** The file that the source `path`, from `root`, is built to. */
export function builtFile(root, path) {
  return join(root, 'dist', path.replace(/\.ts$/, '.js'))
}

function newestSourceMs(root) {
  const times = SOURCE_FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((path) => join(root, folder, path)),
    )
    .filter((path) => path.endsWith('.ts'))
    .map((path) => statSync(path).mtimeMs)
  return Math.max(...times)
}

/** True while the build is newer than every source. */
export function hasFreshBuild(root) {
  const main = builtFile(root, 'src/cli/main.ts')
  return existsSync(main) && statSync(main).mtimeMs > newestSourceMs(root)
}
