/** How what listens in one region is reached from another, over the emulated network. */
import type { Wan } from './wan.ts'

/** The `host:port` to connect to from a region, for one in another; its own within a region. */
export type Route = (from: string, to: string, address: string) => string

/** Everything is reached where it is. */
export const directRoute: Route = (_from, _to, address) => address

/** Opens a link from every other region to each address. */
export async function openRoutes(
  wan: Wan,
  addresses: Readonly<Record<string, readonly string[]>>,
): Promise<Route> {
  const links = new Map<string, string>()
  const keyOf = (from: string, address: string): string => `${from} ${address}`
  for (const from of wan.topology.regions) {
    for (const [to, ofRegion] of Object.entries(addresses)) {
      if (from === to) continue
      for (const address of ofRegion) {
        links.set(keyOf(from, address), await wan.link(from, to, address))
      }
    }
  }
  return (from, _to, address) => links.get(keyOf(from, address)) ?? address
}
