/**
 * The order of test files: those that take longest first, so that none of them runs at the end with
 * nothing beside it. Vitest knows how long files took here; in a fresh checkout it goes by their size,
 * and the longest tests, which start processes and wait, are not the longest files.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Below `test/`; each takes 20 s or more, the longest first. */
export const LONGEST: readonly string[] = [
  'engines/several-nodes/several-nodes',
  'engines/cluster/cluster',
  'engines/outages/start',
  'engines/cluster/demo',
  'engines/outages/etcd',
  'engines/outages/kafka-redis',
  'engines/redis/faults',
  'engines/history/history',
  'engines/services/launchers',
  'engines/kafka/faults',
  'engines/cluster/strong',
  'engines/etcd/roles',
  'engines/topics/topics',
  'engines/redis/cache-suites',
  'engines/benchmarks/real-target',
  'engines/services/services',
  'engines/benchmarks/postgresql',
  'e2e/demo',
  'e2e/power-cut',
  'e2e/killed-load',
  'e2e/node-process',
  'e2e/bench',
  'e2e/node-killed',
  'e2e/history',
  'e2e/node-full-disk',
  'integration/several-nodes/leadership',
  'integration/benchmarks/workloads',
  'integration/public-face/restart',
  'integration/libsql-client/differential',
  'integration/dev/dev',
  'integration/benchmarks/cells',
  'integration/remote-store/failures',
  'integration/http-server/web-socket',
]

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
  return rank === -1 ? LONGEST.length : rank
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b))
  }
}
