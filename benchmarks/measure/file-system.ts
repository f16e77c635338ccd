/** The file system that a folder is in, from Linux's table of mounts. */

/** A mounted file system. */
export interface FileSystem {
  /** `ext4`, `xfs`, `overlay`, `tmpfs`, … */
  readonly type: string
  /** The device, or what stands in its place. */
  readonly source: string
  readonly mountPoint: string
}

/** Before the fields of the file system itself comes a dash. */
const SEPARATOR = ' - '
const MOUNT_POINT_FIELD = 4

/** Reads the text of `/proc/self/mountinfo`; `path` is absolute, without symbolic links. */
export function fileSystemOf(mountinfo: string, path: string): FileSystem | null {
  let found: FileSystem | null = null
  for (const line of mountinfo.split('\n')) {
    const at = line.indexOf(SEPARATOR)
    if (at === -1) continue
    const mountPoint = unescape(line.slice(0, at).split(' ')[MOUNT_POINT_FIELD] ?? '')
    const [type, source] = line.slice(at + SEPARATOR.length).split(' ')
    if (type === undefined || source === undefined || !isBelow(path, mountPoint)) continue
    // The innermost; of several at one place the one that was mounted last hides the others.
    if (found !== null && found.mountPoint.length > mountPoint.length) continue
    found = { type, source: unescape(source), mountPoint }
  }
  return found
}

function isBelow(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`)
}

/** Spaces and the like are written as `\040`. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
