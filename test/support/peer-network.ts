/** A network with the distances of a topology, for peers that are tested without a deployment. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PeerOperation } from '../../benchmarks/peers/peer.ts'
import type { PeerSite } from '../../benchmarks/peers/peer-site.ts'
import { oneWayMs, type Topology } from '../../src/config/topology.ts'
import { startDelayProxy, type DelayProxy } from '../../src/drivers/transport/delay-proxy.ts'

/** Timers may fire up to a millisecond early, and a call crosses at least four of them. */
export const EARLY_MS = 4

/** Where a peer is put. */
export interface PeerNetwork extends PeerSite {
  close(): Promise<void>
}

/** Opens it. */
export function openPeerNetwork(topology: Topology, leader: string): PeerNetwork {
  const proxies: DelayProxy[] = []
  const directory = mkdtempSync(join(tmpdir(), 'meridian-peer-'))
  return {
    topology,
    leader,
    directory,
    link: async (from, to, address) => {
      const [host = '', port] = address.split(':')
      const delayMs = oneWayMs(topology, from, to)
      const target = { host, port: Number(port) }
      const proxy = await startDelayProxy({ target, oneWayDelayMs: () => delayMs })
      proxies.push(proxy)
      return `${proxy.host}:${proxy.port}`
    },
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The least that one of ten calls took: load makes calls slower, nothing makes one faster. */
export async function fastestMs({ operation }: PeerOperation): Promise<number> {
  const takenMs: number[] = []
  for (let i = 0; i < 10; i++) {
    const startMs = performance.now()
    await operation(i)
    takenMs.push(performance.now() - startMs)
  }
  return Math.min(...takenMs)
}

/** Every process whose working directory is in a folder, that of a removed one, too. */
export function processesIn(folder: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
    } catch {
      return false
    }
  })
}
