/** The engines that tests need, where they may already run, and what starts them. */
import type { ProgramName } from '../../src/cluster/engines/find-program.ts'

/** An engine by name. */
export type EngineKind = 'etcd' | 'kafka' | 'redis'

/** All of them. */
export const ENGINE_KINDS: readonly EngineKind[] = ['etcd', 'kafka', 'redis']

interface EngineNeeds {
  readonly title: string
  /** The environment variable that points at one that already runs: `host:port`. */
  readonly variable: string
  readonly programs: readonly ProgramName[]
}

/** What is known of each. */
export const ENGINE_NEEDS: Readonly<Record<EngineKind, EngineNeeds>> = {
  etcd: { title: 'etcd', variable: 'MERIDIAN_TEST_ETCD', programs: ['etcd'] },
  kafka: { title: 'Kafka', variable: 'MERIDIAN_TEST_KAFKA', programs: ['java', 'maven'] },
  redis: { title: 'Redis', variable: 'MERIDIAN_TEST_REDIS', programs: ['redis'] },
}
