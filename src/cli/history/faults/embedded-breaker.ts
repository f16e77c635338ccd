/** Faults of regions in this process: the ways between them. */
import { MeridianError } from '../../../core/errors.ts'
import type { Breaker } from './nemesis.ts'

/** What can be cut. */
export interface CuttableNetwork {
  partition?(a: string, b: string): void
  heal?(a: string, b: string): void
}

/** Breaks what is between regions of one process, which is always a `cut`. */
export function embeddedBreaker(network: CuttableNetwork): Breaker {
  return {
    lockOf: () => 'network',
    async begin({ kind, region, from }) {
      if (kind !== 'partition' || network.partition === undefined) {
        throw new MeridianError('INTERNAL', `Regions in one process have no fault ${kind}.`)
      }
      for (const other of from) network.partition(region, other)
      return {
        target: `${region} | ${from.join(', ')}, cut`,
        async heal() {
          for (const other of from) network.heal?.(region, other)
        },
      }
    },
  }
}
