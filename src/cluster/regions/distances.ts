/** The nodes of other regions, which are reached over the emulated network and start after it. */
import type { Wan } from '../wan/wan.ts'

export interface Distances {
  /** Where each region is reached from `region`; `own` names the address within it. */
  urlsFrom(region: string, own: ReadonlyMap<string, string>): Readonly<Record<string, string>>
  /** The node of a region is there now. */
  aim(region: string, url: string): Promise<void>
}

/** Opens a link for every ordered pair of regions. They end with the network. */
export async function openDistances(wan: Wan): Promise<Distances> {
  const { regions } = wan.topology
  /** By the regions that they lead to and from. */
  const links = new Map(regions.map((to) => [to, new Map<string, string>()]))
  for (const [to, ofTarget] of links) {
    for (const from of regions) if (from !== to) ofTarget.set(from, await wan.link(from, to))
  }
  const urlFrom = (from: string, to: string): string | undefined => {
    const link = links.get(to)?.get(from)
    return link === undefined ? undefined : `http://${link}`
  }
  return {
    urlsFrom: (from, own) =>
      Object.fromEntries(regions.map((to) => [to, urlFrom(from, to) ?? own.get(to) ?? ''])),
    async aim(region, url) {
      const ofTarget = links.get(region)?.values() ?? []
      await Promise.all(Array.from(ofTarget, (link) => wan.aim(link, new URL(url).host)))
    },
  }
}
