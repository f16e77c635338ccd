/** Where a benchmark ran: what a reader must know of the machine to judge its figures. */
import { readFile, realpath } from 'node:fs/promises'
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { packageRoot, packageVersion } from '../../src/node/package-root.ts'
import { commitOf } from './commit.ts'
import { fileSystemOf, type FileSystem } from './file-system.ts'
import { generatorPriority, type GeneratorPriority } from './generator-priority.ts'
import { measureFsync, type FsyncLatency, type FsyncOptions } from './fsync-latency.ts'

export { readCpuTimes, stealShare } from './cpu-steal.ts'

/** The machine, its disk, and the versions of what ran on it. */
export interface Environment {
  readonly meridian: string
  /** The commit of the package; `null` where it is no checkout. */
  readonly commit: string | null
  /** Whether tracked files differ from the commit; `null` where there is none. */
  readonly isModified: boolean | null
  readonly node: string
  /** As the system names itself. */
  readonly os: string
  readonly kernel: string
  readonly architecture: string
  readonly cpuModel: string
  /** That this process may use. */
  readonly cores: number
  /** Cores' worth of time that a container may use; `null` for no such limit. */
  readonly cpuQuotaCores: number | null
  readonly memoryBytes: number
  /** Of the folder with the data; `null` where it is not known. */
  readonly fileSystem: FileSystem | null
  /** In that folder; `null` where nothing can be written there. */
  readonly fsync: FsyncLatency | null
  /** Over 1, 5 and 15 minutes, before the first measurement. */
  readonly loadAverage: readonly number[]
  /** By name. */
  readonly engines: Readonly<Record<string, string>>
  /** What could not be found out, and why; whether calls go before what they call. */
  readonly notes: readonly string[]
}

export interface EnvironmentOptions {
  /** Versions of engines and databases by name. */
  readonly engines?: Readonly<Record<string, string>>
  readonly fsync?: FsyncOptions
  /** Default: that of the thread that asks. */
  readonly priority?: GeneratorPriority
}

/** Describes this machine; `directory`, which exists, is where the data is. It is written to. */
export async function describeEnvironment(
  directory: string,
  { engines = {}, fsync: fsyncOptions, priority = generatorPriority }: EnvironmentOptions = {},
): Promise<Environment> {
  const notes: string[] = []
  const known = async <T>(what: string, find: () => Promise<T>): Promise<T | null> => {
    try {
      return await find()
    } catch (error) {
      notes.push(`${what} is not known: ${error instanceof Error ? error.message : String(error)}`)
      return null
    }
  }
  const loadAverage = loadavg()
  const commit = await commitOf(packageRoot())
  const osRelease = await known('The distribution', () => readFile('/etc/os-release', 'utf8'))
  return {
    meridian: packageVersion(),
    commit: commit?.id ?? null,
    isModified: commit?.isModified ?? null,
    node: process.version,
    os: (osRelease === null ? null : distributionName(osRelease)) ?? type(),
    kernel: `${type()} ${release()}`,
    architecture: arch(),
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    cpuQuotaCores: await cpuQuotaCores(),
    memoryBytes: totalmem(),
    fileSystem: await known('The file system', async () =>
      fileSystemOf(await readFile('/proc/self/mountinfo', 'utf8'), await realpath(directory)),
    ),
    fsync: await known('The latency of fsync', () => measureFsync(directory, fsyncOptions)),
    loadAverage,
    engines,
    notes: [...notes, priorityNote(priority)],
  }
}

/** How calls of open loops begin on this machine: tried once. */
function priorityNote(priority: GeneratorPriority): string {
  const letGo = priority.hold()
  const { kind } = priority
  letGo()
  const caller = 'What makes the calls of open loops to other processes'
  if (kind === 'real time') return `${caller} goes before them (real-time scheduling).`
  if (kind === 'niceness') return `${caller} weighs more than they do (niceness).`
  return `${caller} waits its turn among them: this machine does not let it go first.`
}

/** `PRETTY_NAME` of `/etc/os-release`. */
export function distributionName(osRelease: string): string | null {
  return /^PRETTY_NAME=(["']?)(.+)\1$/m.exec(osRelease)?.[2] ?? null
}

/** The limit that a container was given: of control groups in version 2, else 1. */
async function cpuQuotaCores(): Promise<number | null> {
  const read = (file: string): Promise<string> =>
    readFile(`/sys/fs/cgroup/${file}`, 'utf8').catch(() => '')
  const quota = parseCpuQuota(await read('cpu.max'))
  if (quota !== null) return quota
  const [quotaUs, periodUs] = [
    await read('cpu/cpu.cfs_quota_us'),
    await read('cpu/cpu.cfs_period_us'),
  ]
  return parseCpuQuota(`${quotaUs.trim()} ${periodUs.trim()}`)
}

/** Of `<quota> <period>` in microseconds; `null` for `max`, for -1, and for anything else. */
export function parseCpuQuota(text: string): number | null {
  const [quotaUs, periodUs] = text.trim().split(/\s+/).map(Number)
  if (quotaUs === undefined || periodUs === undefined) return null
  return quotaUs > 0 && periodUs > 0 ? quotaUs / periodUs : null
}
