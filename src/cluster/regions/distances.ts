/** The distances between regions, as proxies that everything crosses which leaves a region. */
import type { Config } from '../../config/parse-config.ts'
import { oneWayMs, scaleTopology } from '../../config/topology.ts'
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { startDelayProxy, type DelayProxy } from '../../drivers/transport/delay-proxy.ts'

export interface Distances {
  /** Where each region is reached from `region`; `own` names the address within it. */
  urlsFrom(region: string, own: ReadonlyMap<string, string>): Readonly<Record<string, string>>
  /** The node of a region is there now. */
  aim(region: string, url: string): void
  close(): Promise<void>
}

/** Opens a proxy for every ordered pair of regions. */
export async function openDistances(config: Config, scale: number): Promise<Distances> {
  const { timers } = systemRuntime
  const topology = scaleTopology(config.topology, scale)
  const targets = new Map(config.regions.map((region) => [region, { host: '127.0.0.1', port: 0 }]))
  const proxies = new Map<string, DelayProxy>()
  for (const from of config.regions) {
    for (const [to, target] of targets) {
      if (from === to) continue
      const delayMs = oneWayMs(topology, from, to)
      proxies.set(
        `${from}>${to}`,
        await startDelayProxy({ target, oneWayDelayMs: () => delayMs, timers }),
      )
    }
  }
  return {
    urlsFrom: (from, own) =>
      Object.fromEntries(
        config.regions.map((to) => [to, proxies.get(`${from}>${to}`)?.url ?? own.get(to) ?? '']),
      ),
    aim(region, url) {
      const target = targets.get(region)
      if (target !== undefined) target.port = Number(new URL(url).port)
    },
    async close() {
      await Promise.all(Array.from(proxies.values(), (proxy) => proxy.close()))
    },
  }
}
