/**
 * A disk whose power can be cut: an ext4 file system on a loop device. The cut is the ioctl that
 * shuts a file system down without flushing, not even its journal (`EXT4_IOC_SHUTDOWN` with
 * `EXT4_GOING_FLAGS_NOLOGFLUSH`, Linux fs/ext4/ioctl.c): what was written and not yet forced to the
 * disk is gone, and whatever is asked of the file system afterwards fails.
 *
 * What it is not: the device below keeps what it was given, in order. A drive that acknowledges a
 * flush and does not do it, or tears a sector, is another test.
 */
import { execFile } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

const DISK_BYTES = '768M'
/** Nothing is to reach the disk by itself: the file system forces its own journal this rarely. */
const MOUNT_OPTIONS = 'loop,noatime,commit=300'
const EXT4_IOC_SHUTDOWN = '0x8004587d'
const NOLOGFLUSH = 2
const SHUT_DOWN = `open(my $place, "<", $ARGV[0]) or die "open: $!\\n";
my $how = pack("L", ${NOLOGFLUSH});
ioctl($place, ${EXT4_IOC_SHUTDOWN}, $how) or die "ioctl: $!\\n";`
const TOOL_TIMEOUT_MS = 60_000
const BUSY_MS = 30_000
const BUSY_PAUSE_MS = 50

/** The programs that are called. */
export const DISK_PROGRAMS: readonly string[] = ['mount', 'umount', 'mkfs.ext4', 'truncate', 'perl']

/** A disk that is there. */
export class LoopDisk {
  /** Where its files are. */
  readonly path: string
  readonly #image: string

  private constructor(folder: string) {
    this.path = join(folder, 'disk')
    this.#image = join(folder, 'disk.img')
  }

  /** Makes an empty one in a folder. @throws Error with what the tool said */
  static async make(folder: string): Promise<LoopDisk> {
    const disk = new LoopDisk(folder)
    mkdirSync(disk.path, { recursive: true })
    await tool('truncate', '--size', DISK_BYTES, disk.#image)
    await tool('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0', disk.#image)
    await disk.#mount()
    return disk
  }

  /** Cuts its power. */
  async cut(): Promise<void> {
    await tool('perl', '-e', SHUT_DOWN, this.path)
  }

  /** Gives it power again: the file system recovers from its journal. Nobody may have it open. */
  async restore(): Promise<void> {
    await this.#unmount()
    await this.#mount()
  }

  async remove(): Promise<void> {
    await this.#unmount()
    rmSync(this.#image)
  }

  async #mount(): Promise<void> {
    await tool('mount', '-t', 'ext4', '-o', MOUNT_OPTIONS, this.#image, this.path)
  }

  /** Processes that were killed hold their files for a moment longer. */
  async #unmount(): Promise<void> {
    const deadlineMs = performance.now() + BUSY_MS
    for (;;) {
      try {
        await tool('umount', this.path)
        return
      } catch (error) {
        if (performance.now() > deadlineMs) throw error
      }
      await pause(BUSY_PAUSE_MS)
    }
  }
}

/**
 * Shows that a cut is one: a file that was forced to the disk is there afterwards, one that was not
 * is not. Otherwise nothing that the rig finds would mean anything.
 *
 * @throws Error that says what is not so
 */
export async function proveCut(disk: LoopDisk): Promise<void> {
  const content = 'x'.repeat(100_000)
  const forced = join(disk.path, 'forced')
  const unforced = join(disk.path, 'unforced')
  writeFileSync(forced, content)
  force(forced)
  force(disk.path)
  writeFileSync(unforced, content)
  await disk.cut()
  await disk.restore()
  if (contentOf(forced) !== content) throw new Error('What was forced to the disk is gone.')
  if (contentOf(unforced) === content) throw new Error('What was not forced to the disk is there.')
  rmSync(forced)
}

function force(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

async function tool(name: string, ...args: readonly string[]): Promise<void> {
  try {
    await run(name, args, { timeout: TOOL_TIMEOUT_MS })
  } catch (error) {
    const { stderr = '', message } = error as Error & { readonly stderr?: string }
    const said = (stderr || message).trim().replaceAll(/\s+/g, ' ')
    throw new Error(`${name}: ${said}`, { cause: error })
  }
}
