/** Looks for texts in files, byte by byte. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const CHUNK_BYTES = 4 * 1024 * 1024

/** What a scan found. */
export interface FileScan {
  readonly files: number
  readonly bytes: number
  /** Files that hold each text; none, where it is nowhere. */
  readonly found: ReadonlyMap<string, readonly string[]>
}

/** Scans all files below folders for texts, as UTF-8. */
export async function scanFiles(
  folders: readonly string[],
  texts: readonly string[],
): Promise<FileScan> {
  const found = new Map(texts.map((text): [string, string[]] => [text, []]))
  const paths = (await Promise.all(folders.map(filesBelow))).flat()
  let bytes = 0
  let files = 0
  for (const path of paths) {
    const scanned = await scanFile(path, texts).catch(unlessGone)
    if (scanned === undefined) continue
    files++
    bytes += scanned.size
    for (const text of scanned.present) found.get(text)?.push(path)
  }
  return { files, bytes, found }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name))
}

/** Engines that run delete files of their own meanwhile. */
function unlessGone(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

async function scanFile(
  path: string,
  texts: readonly string[],
): Promise<{ readonly size: number; readonly present: readonly string[] }> {
  const needles = texts.map((text) => ({ text, bytes: Buffer.from(text, 'utf8') }))
  const overlap = Math.max(...needles.map(({ bytes }) => bytes.length)) - 1
  const present = new Set<string>()
  const buffer = Buffer.alloc(overlap + CHUNK_BYTES)
  const file = await open(path)
  try {
    let size = 0
    let kept = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, kept, CHUNK_BYTES, size)
      if (bytesRead === 0) return { size, present: [...present] }
      size += bytesRead
      const window = buffer.subarray(0, kept + bytesRead)
      for (const { text, bytes } of needles) if (window.includes(bytes)) present.add(text)
      // A text may lie across two chunks.
      kept = Math.min(overlap, window.length)
      window.copy(buffer, 0, window.length - kept)
    }
  } finally {
    await file.close()
  }
}
