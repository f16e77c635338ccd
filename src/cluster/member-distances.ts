/**
 * The distances between members of one cluster that name each other by URL, as etcd's do. A member
 * is `<region>.etcd` to all of them; in the hosts file of the member in region r that name leads to
 * 127.0.r.s, where a proxy delays what goes from r to s. So every pair has its own distance although
 * all members are told the same list.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { oneWayMs, type Topology } from '../config/topology.ts'
import { systemRuntime } from '../drivers/runtime/system-runtime.ts'
import { startDelayProxy, type DelayProxy } from '../drivers/transport/delay-proxy.ts'

/** What members are told, and what stands between them. */
export interface MemberDistances {
  /** How every member names the one of a region. */
  peerUrl(region: string): string
  /** The hosts file that the member of a region must see instead of the machine's. */
  hostsFile(region: string): string
  close(): Promise<void>
}

/** How they are laid. */
export interface MemberDistancesOptions {
  readonly topology: Topology
  /** Where hosts files are written. */
  readonly directory: string
  /** The port that every member is reached at, by its name. Free on all of 127.0.0.0/16. */
  readonly port: number
  /** Where the member of a region really listens for its peers, on 127.0.0.1. */
  readonly listenPort: (region: string) => number
}

/** Regions are numbered in the last two bytes of a loopback address. */
const FIRST_NUMBER = 1

/** Writes the hosts files and opens a proxy for every ordered pair of regions. */
export async function openMemberDistances(
  options: MemberDistancesOptions,
): Promise<MemberDistances> {
  const { topology, directory, port, listenPort } = options
  const { regions } = topology
  const proxies: DelayProxy[] = []
  const close = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.close()))
  }
  const address = (from: number, to: number): string =>
    `127.0.${from + FIRST_NUMBER}.${to + FIRST_NUMBER}`
  const hostsFile = (region: string): string => join(directory, `${region}.hosts`)
  try {
    for (const [i, from] of regions.entries()) {
      const names = regions.map((to, j) => `${address(i, j)} ${to}.etcd`)
      await writeFile(hostsFile(from), ['127.0.0.1 localhost', ...names, ''].join('\n'))
      for (const [j, to] of regions.entries()) {
        const target = { host: '127.0.0.1', port: listenPort(to) }
        const delayMs = oneWayMs(topology, from, to)
        const proxy = startDelayProxy({
          host: address(i, j),
          port,
          target,
          oneWayDelayMs: () => delayMs,
          timers: systemRuntime.timers,
        })
        proxies.push(await proxy)
      }
    }
  } catch (error) {
    await close()
    throw error
  }
  return { peerUrl: (region) => `http://${region}.etcd:${port}`, hostsFile, close }
}

/** A command line. */
export interface CommandLine {
  readonly command: string
  readonly args: readonly string[]
}

/** The same command with another hosts file, in a mount namespace of its own. It takes root. */
export function withHosts(hostsFile: string, { command, args }: CommandLine): CommandLine {
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"'
  return {
    command: 'unshare',
    args: ['--mount', 'sh', '-c', script, hostsFile, command, ...args],
  }
}

/** Whether this process may give another one a hosts file of its own. */
export function canChangeHosts(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0
}
