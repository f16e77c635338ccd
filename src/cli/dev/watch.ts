/**
 * Tells when something in a folder has changed, once things are quiet again. Every folder of the
 * tree is watched by itself: a recursive watch loses a file, on Linux, that an editor replaces.
 */
import { readdirSync, watch, type FSWatcher } from 'node:fs'
import { join } from 'node:path'

/** An editor writes a file in several steps. */
const QUIET_MS = 150
const IGNORED: ReadonlySet<string> = new Set(['node_modules', '.git', '.meridian', 'dist'])
/** A tree beyond this is no folder of schemas. */
const MAX_FOLDERS = 1000

/** Watches a folder and all below it; the returned function ends that. */
export function watchFolder(folder: string, onChange: () => void): () => void {
  const watchers = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined
  const onEvent = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      watchNew()
      onChange()
    }, QUIET_MS)
  }
  const watchNew = (): void => {
    for (const path of foldersOf(folder)) {
      if (watchers.has(path)) continue
      const watcher = watch(path, (_event, name) => {
        if (name === null || !IGNORED.has(name)) onEvent()
      })
      // A folder that is removed is missed by whoever reads its files next.
      watcher.on('error', () => watchers.delete(path))
      watchers.set(path, watcher)
    }
  }
  watchNew()
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers.values()) watcher.close()
  }
}

function foldersOf(root: string): readonly string[] {
  const found = [root]
  for (let i = 0; i < found.length && found.length < MAX_FOLDERS; i++) {
    const folder = found[i] as string
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !IGNORED.has(entry.name)) found.push(join(folder, entry.name))
    }
  }
  return found
}
