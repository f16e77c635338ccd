/**
 * The distances between members of one cluster that name each other by URL, as etcd's do. A member
 * is `<region>.etcd` to all of them; in the hosts file of the member in region r that name leads to
 * 127.0.r.s, where a proxy delays what goes from r to s. So every pair has its own distance although
 * all members are told the same list.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Wan } from './wan/wan.ts'

/** What members are told. */
export interface MemberDistances {
  /** How every member names the one of a region. */
  peerUrl(region: string): string
  /** The hosts file that the member of a region must see instead of the machine's. */
  hostsFile(region: string): string
}

/** How they are laid. */
export interface MemberDistancesOptions {
  readonly wan: Wan
  /** Where hosts files are written. */
  readonly directory: string
  /** The port that every member is reached at, by its name. Free on all of 127.0.0.0/16. */
  readonly port: number
  /** Where the member of a region really listens for its peers, on 127.0.0.1. */
  readonly listenPort: (region: string) => number
}

/** Writes the hosts files and opens a link for every ordered pair of regions. */
export async function openMemberDistances(
  options: MemberDistancesOptions,
): Promise<MemberDistances> {
  const { wan, directory, port, listenPort } = options
  const { regions } = wan.topology
  const hostsFile = (region: string): string => join(directory, `${region}.hosts`)
  for (const from of regions) {
    const names = regions.map((to) => `${wan.hostOf(from, to)} ${to}.etcd`)
    await writeFile(hostsFile(from), ['127.0.0.1 localhost', ...names, ''].join('\n'))
    for (const to of regions) {
      const host = wan.hostOf(from, to)
      await wan.link(from, to, `127.0.0.1:${listenPort(to)}`, { host, port })
    }
  }
  return { peerUrl: (region) => `http://${region}.etcd:${port}`, hostsFile }
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
