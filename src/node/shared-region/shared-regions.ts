/** The regions of a process that other nodes have, too. */
import type { Coordination } from '../../core/ports/coordination.ts'
import type { CancelTimer } from '../../core/ports/runtime.ts'
import { MeridianError } from '../../core/errors.ts'
import { HttpPasser } from '../../drivers/transport/http-passer.ts'
import type { NodeCommitLog } from '../node-commit-log.ts'
import { openSharedRegion, type Shared } from '../open-region.ts'
import type { SharedRegionFaults } from './faults.ts'
import { SharedRegion, type SharedRegionReport } from './shared-region.ts'

/** Part of the requests that a node takes at once which may wait for the holder of one region. */
const WAITING_PART = 0.5
/** Part of the time of a stop after which what still waits is sent away, so that it hears of it. */
const WAITING_TIME_PART = 0.75

/** What they are started with, besides what all regions share. */
export interface SharedRegionsOptions {
  readonly coordination: Coordination | undefined
  readonly commitLog: NodeCommitLog
  /** PEM of the authority of the other nodes' certificates. */
  readonly ca: string | undefined
  /** Test-only. */
  readonly faults: SharedRegionFaults | undefined
}

/** None before `start`: requests that come earlier are told to come again. */
export class SharedRegions {
  readonly #regions = new Map<string, SharedRegion>()

  /** Stands for all of them; they end with the process. @throws MeridianError `CONFIG_INVALID` */
  start(shared: Shared, options: SharedRegionsOptions): void {
    const { config, plan, runtime, log, readiness, metrics, closing } = shared
    const { coordination, commitLog, ca, faults } = options
    if (plan.shared.length === 0) return
    if (coordination === undefined) {
      const which = plan.shared.join(', ')
      throw new MeridianError('CONFIG_INVALID', `Nobody elects a node of region ${which}.`, {
        fix: 'Configure `commitLog.etcd`, or one node a region.',
      })
    }
    const passer = closing.add(new HttpPasser({ ca, timers: runtime.timers }))
    const { drainTimeoutMs, maxConcurrentRequests } = config.limits
    for (const region of plan.shared) {
      const one = new SharedRegion({
        region,
        url: plan.url,
        nodes: (config.nodes[region] ?? []).map(({ url }) => url),
        coordination,
        open: (stepDown) => openSharedRegion(shared, region, commitLog, stepDown),
        drainTimeoutMs,
        maxWaiting: Math.ceil(maxConcurrentRequests * WAITING_PART),
        passer,
        readiness,
        runtime,
        log,
        faults,
        onPassed: () => metrics.passed(region),
      })
      this.#regions.set(region, closing.add(one))
    }
  }

  of(region: string): SharedRegion | undefined {
    return this.#regions.get(region)
  }

  reports(): readonly SharedRegionReport[] {
    return [...this.#regions.values()].map((region) => region.report())
  }

  /** Hands over those that are held here. Requests for them are passed from then on. */
  async handOver(): Promise<void> {
    await Promise.all([...this.#regions.values()].map((region) => region.handOver()))
  }

  /** Before `timeoutMs` are over, what waits for a holder is refused. */
  stopWaitingWithin({ runtime }: Pick<Shared, 'runtime'>, timeoutMs: number): CancelTimer {
    return runtime.timers.after(timeoutMs * WAITING_TIME_PART, () => {
      for (const region of this.#regions.values()) region.stopWaiting()
    })
  }

  isEmpty(): boolean {
    return this.#regions.size === 0
  }
}
