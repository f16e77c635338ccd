/**
 * Small file systems in memory (tmpfs) for the stores of regions, which can be filled to the last
 * byte. To mount one takes root; it is unmounted at the end.
 */
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { asMeridianError, MeridianError } from '../../../core/errors.ts'

const run = promisify(execFile)

/** Room for the rows of a long run, and little enough to be filled at once. */
const SIZE_MB = 96
const CHUNK_BYTES = 1_048_576
/** What fills a disk; nobody else writes it. */
const BALLAST = 'ballast'

/** A disk a region, for its store. */
export class SmallDisks {
  readonly #folders: ReadonlyMap<string, string>

  private constructor(folders: ReadonlyMap<string, string>) {
    this.#folders = folders
  }

  /** Mounts one at each folder. @throws MeridianError `CONFIG_INVALID`: it cannot be mounted */
  static async open(folders: ReadonlyMap<string, string>): Promise<SmallDisks> {
    const mounted = new Map<string, string>()
    const disks = new SmallDisks(mounted)
    try {
      for (const [region, folder] of folders) {
        await mkdir(folder, { recursive: true })
        await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=700`, 'tmpfs', folder])
        mounted.set(region, folder)
      }
      return disks
    } catch (cause) {
      await disks.close()
      const why = asMeridianError(cause).message
      throw new MeridianError(
        'CONFIG_INVALID',
        `The nemesis \`disk-full\` cannot mount a disk: ${why}`,
        {
          fix: 'Run it as root, where file systems may be mounted.',
          cause,
        },
      )
    }
  }

  /** Leaves no room. Resolves to how many bytes it took. */
  async fill(region: string): Promise<number> {
    const file = await open(this.#ballast(region), 'w')
    let bytes = 0
    try {
      let chunk = Buffer.alloc(CHUNK_BYTES)
      while (chunk.length > 0) {
        try {
          const { bytesWritten } = await file.write(chunk)
          bytes += bytesWritten
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
          // To the last byte.
          chunk = chunk.subarray(0, Math.floor(chunk.length / 2))
        }
      }
    } finally {
      await file.close()
    }
    return bytes
  }

  /** There is room again. */
  async clear(region: string): Promise<void> {
    await rm(this.#ballast(region), { force: true })
  }

  /** Unmounts them; what was on them is gone. */
  async close(): Promise<void> {
    for (const folder of this.#folders.values()) {
      // Lazily: a process that ends may hold a file for a moment longer.
      await run('umount', ['--lazy', folder])
    }
  }

  #ballast(region: string): string {
    const folder = this.#folders.get(region)
    if (folder !== undefined) return join(folder, BALLAST)
    throw new MeridianError('REGION_UNKNOWN', `There is no small disk of ${region}.`)
  }
}
