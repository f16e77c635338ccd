import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commitOf } from '../../../../benchmarks/measure/commit.ts'
import {
  parseCpuTimes,
  readCpuTimes,
  stealShare,
} from '../../../../benchmarks/measure/cpu-steal.ts'
import {
  describeEnvironment,
  distributionName,
  parseCpuQuota,
} from '../../../../benchmarks/measure/environment.ts'
import { fileSystemOf } from '../../../../benchmarks/measure/file-system.ts'
import { GeneratorPriority } from '../../../../benchmarks/measure/generator-priority.ts'
import { measureFsync } from '../../../../benchmarks/measure/fsync-latency.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-environment-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('stolen CPU time', () => {
  const recorded = (idle: number, steal: number): string =>
    `cpu  250535 0 46738 ${idle} 2250 0 1814 ${steal} 999999 0\n` +
    'cpu0 122613 0 21897 46642 672 0 349 120 0 0\nintr 5035250 0 0\n'

  test('is a share of all CPU time of a stretch', () => {
    const before = parseCpuTimes(recorded(82_984, 230))
    expect(before).toEqual({ totalTicks: 384_551, stealTicks: 230 })
    const after = parseCpuTimes(recorded(83_884, 330))
    expect(stealShare(before, after)).toBeCloseTo(0.1, 10)
    expect(stealShare(before, before)).toBeNull()
    expect(stealShare(null, after)).toBeNull()
    expect(stealShare(before, null)).toBeNull()
  })

  test.each(['', 'cpu0 1 2 3 4 5 6 7 8\n', 'cpu  1 2 3\n', 'cpu  a b c d e f g h\n'])(
    'is not known from %j',
    (text) => expect(parseCpuTimes(text)).toBeNull(),
  )

  test.runIf(process.platform === 'linux')('is read from this machine', () => {
    expect(readCpuTimes()?.totalTicks).toBeGreaterThan(0)
  })
})

describe('the file system of a folder', () => {
  const mounts = [
    '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
    '25 24 0:23 / /dev/shm rw,relatime shared:3 - tmpfs tmpfs rw,size=24683652k',
    '40 27 8:1 / /mnt/data\\040disk rw shared:1 master:2 - xfs /dev/sdb1 rw',
    '41 27 8:1 / /mnt rw - nfs4 server:/export rw',
    '42 41 8:1 / /mnt rw - btrfs /dev/sdc rw',
    '',
  ].join('\n')

  test.each([
    ['/var/lib', 'ext4', '/dev/vda', '/'],
    ['/dev/shm', 'tmpfs', 'tmpfs', '/dev/shm'],
    ['/dev/shmem/x', 'ext4', '/dev/vda', '/'],
    ['/mnt/data disk/cluster', 'xfs', '/dev/sdb1', '/mnt/data disk'],
    // What was mounted over it hides it.
    ['/mnt/other', 'btrfs', '/dev/sdc', '/mnt'],
  ])('%s is on %s', (path, type, source, mountPoint) => {
    expect(fileSystemOf(mounts, path)).toEqual({ type, source, mountPoint })
  })

  test('is not known without a table of mounts', () => {
    expect(fileSystemOf('', '/var')).toBeNull()
    expect(fileSystemOf('nonsense - \n - x', '/var')).toBeNull()
  })
})

describe('the latency of fsync', () => {
  test('is that of so many writes, and leaves no file', async () => {
    const found = await measureFsync(folder, { writes: 25, longestMs: 60_000 })
    expect(found).toEqual({ n: 25, p50Ms: expect.any(Number), p99Ms: null })
    expect(found.p50Ms).toBeGreaterThan(0)
    expect(await readdir(folder)).toEqual([])
  })

  test('takes no longer than it may', async () => {
    expect(await measureFsync(folder, { longestMs: 0 })).toEqual({ n: 0, p50Ms: null, p99Ms: null })
  })
})

describe('an environment', () => {
  test('tells everything that there is to tell, and what it could not find', async () => {
    const engines = { etcd: '3.4.23' }
    const found = await describeEnvironment(folder, { engines, fsync: { writes: 20 } })
    expect(found).toMatchObject({
      node: process.version,
      engines,
      cores: expect.any(Number),
      memoryBytes: expect.any(Number),
    })
    expect(found.fsync?.n).toBe(20)
    expect(found.loadAverage).toHaveLength(3)
    expect(found.cpuModel).not.toBe('')
    if (process.platform !== 'linux') return
    expect(found.notes).toEqual([expect.stringContaining('What makes the calls')])
    expect(found.fileSystem?.type).toMatch(/^\w+$/)
  })

  test('of a folder that cannot be written to has no latency of fsync, and a note of it', async () => {
    const found = await describeEnvironment(join(folder, 'missing'))
    expect(found.fsync).toBeNull()
    expect(found.notes).toContainEqual(expect.stringContaining('The latency of fsync is not known'))
  })

  test.each([
    ['real time', 'goes before them'],
    ['niceness', 'weighs more'],
    [null, 'waits its turn'],
  ] as const)('with a priority of %s tells it', async (kind, text) => {
    const ways = kind === null ? [] : [{ kind, raise: () => () => undefined }]
    const priority = new GeneratorPriority(ways)
    const { notes } = await describeEnvironment(folder, { priority, fsync: { writes: 1 } })
    expect(notes).toContainEqual(expect.stringContaining(text))
    expect(priority.kind).toBeNull()
  })

  test('is named as the distribution names itself', () => {
    expect(distributionName('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')).toBe(
      'Debian GNU/Linux 12 (bookworm)',
    )
    expect(distributionName('PRETTY_NAME=Alpine\n')).toBe('Alpine')
    expect(distributionName('NAME=x')).toBeNull()
  })

  test('knows what a container may use', () => {
    expect(parseCpuQuota('150000 100000\n')).toBe(1.5)
    for (const none of ['max 100000\n', '-1 100000', '', '100000']) {
      expect(parseCpuQuota(none)).toBeNull()
    }
  })
})

describe('a commit', () => {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.test', ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()

  test('is that of a checkout, with whether its files differ', async () => {
    expect(await commitOf(folder)).toBeNull()
    git('init')
    expect(await commitOf(folder)).toBeNull()
    await writeFile(join(folder, 'a'), '1')
    git('add', 'a')
    git('commit', '-m', 'one')
    const id = git('rev-parse', 'HEAD')
    await writeFile(join(folder, 'untracked'), '1')
    expect(await commitOf(folder)).toEqual({ id, isModified: false })
    await writeFile(join(folder, 'a'), '2')
    expect(await commitOf(folder)).toEqual({ id, isModified: true })
    // Installed in another project, a package is not at that project's commit.
    const inside = join(folder, 'node_modules', 'meridian')
    await mkdir(inside, { recursive: true })
    expect(await commitOf(inside)).toBeNull()
  })
})
