/**
 * Wall clocks of nodes that jump, by libfaketime (Debian: `libfaketime`), which is loaded into a node
 * when it starts and reads from a file how far its clock is off. Its monotonic clock, and with it
 * timers and leases, goes on as it did.
 */
import { existsSync, readdirSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MeridianError } from '../../../core/errors.ts'

const LIBRARY = 'libfaketimeMT.so.1'
/** Below it Debian has a folder for each architecture. */
const ROOT = '/usr/lib'
/** Names the library where it is somewhere else. */
const VARIABLE = 'MERIDIAN_FAKETIME'
/** How long a node may believe what it has read before: to open a file for every look would cost. */
const CACHE_S = 1

/** The clocks of the nodes of each region. */
export class Clocks {
  readonly #library: string
  readonly #directory: string

  private constructor(library: string, directory: string) {
    this.#library = library
    this.#directory = directory
  }

  /** All are right. @throws MeridianError `CONFIG_INVALID`: libfaketime is not there */
  static async open(directory: string, regions: readonly string[]): Promise<Clocks> {
    const clocks = new Clocks(findLibrary(), directory)
    await Promise.all(regions.map((region) => clocks.set(region, 0)))
    return clocks
  }

  /** What the nodes of a region are started with. */
  environment(region: string): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file(region),
      FAKETIME_CACHE_DURATION: `${CACHE_S}`,
      DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** Lets the clock of a region's nodes be so far ahead of the machine's, or behind it. */
  async set(region: string, offsetMs: number): Promise<void> {
    const file = this.#file(region)
    const sign = offsetMs < 0 ? '-' : '+'
    const draft = `${file}.new`
    await writeFile(draft, `${sign}${Math.abs(offsetMs) / 1000}\n`)
    await rename(draft, file)
  }

  #file(region: string): string {
    return join(this.#directory, `${region}.clock`)
  }
}

function findLibrary(): string {
  const named = process.env[VARIABLE]
  const inFolders = readdirSync(ROOT).map((folder) => join(ROOT, folder, 'faketime', LIBRARY))
  const found = named === undefined ? inFolders.find(existsSync) : named
  if (found !== undefined && existsSync(found)) return found
  throw new MeridianError('CONFIG_INVALID', 'The nemesis `clock` takes libfaketime.', {
    fix: `Install it (Debian: apt-get install libfaketime), or name ${LIBRARY} in ${VARIABLE}.`,
  })
}
