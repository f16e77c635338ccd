/** Tells when something in a folder has changed, once things are quiet again. */
import { watch } from 'node:fs'

/** An editor writes a file in several steps. */
const QUIET_MS = 150
const IGNORED = /(^|[/\\])(node_modules|\.git|\.meridian)([/\\]|$)/

/** Watches a folder and all below it; the returned function ends that. */
export function watchFolder(folder: string, onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(folder, { recursive: true }, (_event, name) => {
    if (name !== null && IGNORED.test(name)) return
    clearTimeout(timer)
    timer = setTimeout(onChange, QUIET_MS)
  })
  // A folder that is removed is noticed by whoever reads its files next.
  watcher.on('error', () => undefined)
  return () => {
    clearTimeout(timer)
    watcher.close()
  }
}
