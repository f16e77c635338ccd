import { existsSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { defineConfig } from 'vitest/config'
import { builtFile, hasFreshBuild, SOURCE_FOLDERS } from './bin/fresh-build.mjs'
import { LongestFirst } from './scripts/lib/longest-first.ts'

/**
 * The kinds of test, each a folder of test/, with the longest that one test may take, in ms: ten
 * times what it takes where nothing else runs.
 */
const TEST_TIMEOUT_MS = {
  unit: 30_000,
  property: 180_000,
  conformance: 90_000,
  package: 240_000,
  integration: 180_000,
  e2e: 300_000,
  gate: 300_000,
  simulation: 300_000,
}

/** Of tests on etcd, Kafka and Redis, which may start a Kafka of their own. */
const ENGINES_TIMEOUT_MS = 180_000

/**
 * Kinds whose tests talk to processes and sockets get a second attempt where CI's machine may stand
 * still for seconds. `scripts/lib/flaky-reporter.ts` names every test that needed it.
 */
const SECOND_ATTEMPT = ['conformance', 'integration', 'e2e', 'gate']
const retry = process.env['CI'] === undefined ? 0 : 1

/**
 * Kinds whose tests wait for processes, timers and disks more than they compute, and the one whose
 * tests measure, beside which nothing may run: workers of each.
 */
const WORKERS: Readonly<Record<string, number>> = { integration: 4, e2e: 3, package: 3, gate: 1 }
/**
 * Pure, without a process or a file of their own: they share a worker's modules, whose loading would
 * take longer than the tests.
 */
const SHARED_MODULES = ['unit']

/** Ran over both transports: what a service sees does not depend on how its nodes are reached. */
const PUBLIC_FACE = 'test/integration/public-face/**/*.test.ts'
/**
 * Of these, what HTTP changes nothing of: files, restarts and the end of a process, which clients do
 * not see, and the answers of a node to bytes of any kind, which transports carry unread.
 */
const IN_PROCESS_ONLY = ['files', 'process-end', 'protocol', 'restart'].map(
  (name) => `test/integration/public-face/${name}.test.ts`,
)

const ROOT = import.meta.dirname
/**
 * Where the build is that of the sources as they are, kinds of test that load much or start processes
 * test the build, as it is shipped: Node loads it by itself, and so do the processes that it starts.
 */
const testsBuild = process.argv.includes('run') && hasFreshBuild(ROOT)

/** Imports of sources find what they were built to. */
const buildOfSources = {
  name: 'build-of-sources',
  enforce: 'pre' as const,
  resolveId(source: string, importer: string | undefined): string | undefined {
    if (importer === undefined || !source.startsWith('.') || !source.endsWith('.ts')) return
    const path = relative(ROOT, resolve(importer, '..', source)).split(sep)
    if (!SOURCE_FOLDERS.includes(path[0] as string)) return
    const built = builtFile(ROOT, path.join('/'))
    return existsSync(built) ? built : undefined
  },
}

export default defineConfig({
  plugins: testsBuild ? [buildOfSources] : [],
  test: {
    env: testsBuild ? { MERIDIAN_TEST_BUILD: '1' } : {},
    sequence: { sequencer: LongestFirst },
    server: { deps: { external: [/\/dist\/.*\.js$/] } },
    // Two cores are the reference machine; native libSQL wants a process, not a thread, a file.
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      ...Object.entries(TEST_TIMEOUT_MS).map(([kind, timeoutMs]) => ({
        extends: true as const,
        test: {
          name: kind,
          include: [`test/${kind}/**/*.test.ts`],
          testTimeout: timeoutMs,
          hookTimeout: timeoutMs,
          retry: SECOND_ATTEMPT.includes(kind) ? retry : 0,
          ...(SHARED_MODULES.includes(kind)
            ? { isolate: false, restoreMocks: true, unstubEnvs: true }
            : {}),
          ...(WORKERS[kind] === undefined ? {} : { maxWorkers: WORKERS[kind] }),
        },
      })),
      {
        extends: true,
        test: {
          name: 'engines',
          // They wait for engines more than they compute.
          maxWorkers: 4,
          include: ['test/engines/**/*.test.ts'],
          globalSetup: 'test/engines/support/global-setup.ts',
          runner: 'test/engines/support/runner.ts',
          testTimeout: ENGINES_TIMEOUT_MS,
          hookTimeout: ENGINES_TIMEOUT_MS,
          retry,
        },
      },
      {
        extends: true,
        test: {
          name: 'http',
          include: [PUBLIC_FACE],
          exclude: IN_PROCESS_ONLY,
          env: { MERIDIAN_TEST_TRANSPORT: 'http' },
          maxWorkers: 3,
          testTimeout: TEST_TIMEOUT_MS.integration,
          hookTimeout: TEST_TIMEOUT_MS.integration,
          retry,
        },
      },
    ],
  },
})
