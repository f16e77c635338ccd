/**
 * A cluster of real engines as a target: a member of etcd, a Kafka, a Redis, a store and a node a
 * region, each a process; members, nodes and clients reach other regions over the emulated network.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Schema } from '../../src/client/index.ts'
import { canChangeHosts } from '../../src/cluster/member-distances.ts'
import { leaderOf, moveLeader } from '../../src/cluster/engines/etcd-leader.ts'
import { openClusterRegions } from '../../src/cluster/regions/cluster-regions.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { Wan } from '../../src/cluster/wan/wan.ts'
import { targetOf, type OpenTargetOptions } from './regions-target.ts'
import type { BenchTarget } from './target.ts'

export interface OpenRealOptions<S extends Schema> extends OpenTargetOptions<S> {
  /** The module whose export the schema is: an absolute path. */
  readonly schemaModule: string
}

/** A target whose network can be impaired and cut. */
export interface RealTarget<S extends Schema> extends BenchTarget<S> {
  readonly wan: Wan
}

/** Who leads may have to be elected first. */
const LEAD_TRIES = 20
const LEAD_PAUSE_MS = 250
/** What is told of the progress of starting, which nobody must know later. */
const STARTED = / ready after \d+(\.\d+)? s$/

/**
 * Opens it; the commit log is led from the configuration's region.
 *
 * @throws MeridianError `CONFIG_INVALID` where members of etcd could have no distance between them:
 * strong calls would be faster than they can be; and as `openCluster` does
 */
export async function openRealTarget<S extends Schema>(
  options: OpenRealOptions<S>,
): Promise<RealTarget<S>> {
  requireDistances(canChangeHosts())
  const { config, directory } = options
  const remarks: string[] = []
  const onNotice = (text: string): void => {
    if (!STARTED.test(text)) remarks.push(text)
    options.onNotice(text)
  }
  const running = await openClusterRegions({ ...options, onNotice, scale: 1 })
  const { etcd } = running.cluster.engines
  const lead = (region: string): Promise<string | undefined> =>
    leadFrom(region, {
      leaderOf: () => leaderOf(etcd),
      moveLeader: (to) => moveLeader(etcd, to),
    })
  try {
    const asked = config.commitLog.leader
    const leader = await lead(asked)
    if (leader !== asked) {
      onNotice(`The commit log is led from ${leader ?? 'nowhere'}, not from ${asked}.`)
    }
    const led = leader ?? asked
    const target = targetOf({ engines: 'real', running, config, leader: led, directory })
    return {
      ...target,
      wan: running.wan,
      currentLeader: () => leaderOf(etcd).catch(() => undefined),
      handBackLead: () => lead(target.leader),
      remarks: () => remarks,
    }
  } catch (error) {
    await running.close()
    throw error
  }
}

/** @throws MeridianError `CONFIG_INVALID` where they cannot be laid */
export function requireDistances(canBeLaid: boolean): void {
  if (canBeLaid) return
  const message =
    'Members of etcd would have no distance between them, and strong calls would be faster than they can be.'
  throw new MeridianError('CONFIG_INVALID', message, {
    fix: 'Run it as root on Linux, which a hosts file for each member takes, or with `--engines embedded`.',
  })
}

/** How etcd is asked. */
export interface Leadership {
  leaderOf(): Promise<string | undefined>
  moveLeader(to: string): Promise<void>
}

/**
 * Lets a region lead: another member may have won an election. Resolves to the region that leads in
 * the end; `undefined`: none. Never rejects.
 */
export async function leadFrom(region: string, etcd: Leadership): Promise<string | undefined> {
  let leader: string | undefined
  for (let tried = 0; tried < LEAD_TRIES; tried++) {
    if (tried > 0) await pause(LEAD_PAUSE_MS)
    try {
      leader = await etcd.leaderOf()
      if (leader === region) return region
      await etcd.moveLeader(region)
      leader = await etcd.leaderOf()
      if (leader === region) return region
    } catch {
      // Nobody leads while an election lasts, or the one who is to lead is behind.
    }
  }
  return leader
}
