/** Whether a region's node may stamp records of the strong log with its clock: wiring and status. */
import { ClockMonitor, type ClockStatus } from '../../replication/strong/clocks/clock-monitor.ts'
import type { ClockVerdict } from '../../replication/strong/clocks/peer-clocks.ts'
import type { Log } from '../core/ports/log.ts'
import { clockCheck, type Readiness } from './readiness.ts'
import type { RegionNodeParts } from './region-node.ts'

/** A node's clock beside those of other regions' nodes, for status and metrics. */
export type { ClockStatus }

/** Told when the node's clock falls out of step with the others', and when it is in step again. */
export type OnClock = (verdict: ClockVerdict) => void

/** `undefined`: every region has this process's clock. */
export function startClockMonitor(parts: RegionNodeParts): ClockMonitor | undefined {
  const { region, config, network, runtime, clockPeers = [], onClock } = parts
  if (clockPeers.length === 0) return undefined
  return new ClockMonitor({
    peers: clockPeers,
    regionCount: config.regions.length,
    maxSkewMs: config.limits.maxClockSkewMs,
    transport: network.transport(region),
    runtime,
    ...(onClock === undefined ? {} : { onChange: onClock }),
  })
}

/** A region is not ready while its node may write nothing to strong tables. */
export function clockReporter(readiness: Readiness, log: Log, region: string): OnClock {
  return ({ isInStep, offsetMs, uncertaintyMs }) => {
    const facts = { region, offsetMs, uncertaintyMs }
    if (isInStep) {
      readiness.meet(clockCheck(region))
      log.write('info', 'clock is in step again: strong tables are written', facts)
      return
    }
    readiness.wait(
      clockCheck(region),
      `the right time: its clock is off by ${Math.round(offsetMs ?? 0)} ms`,
    )
    log.write('error', 'clock is out of step: strong tables are not written', facts)
  }
}
