/** How far behind the log a region's groups are now, by asking the log: a read that waits, timed. */
import { asMeridianError, toWireError, type WireError } from '../core/errors.ts'
import type { Clock } from '../core/ports/runtime.ts'
import type { DigestStatus } from '../../replication/strong/digests/divergence-guard.ts'
import type { LogGroupStatus } from '../../replication/strong/log-group-options.ts'
import type { RegionLogGroupStatus } from './log-retention.ts'

/** A group that can be asked. */
export interface ProbedGroup {
  status(): LogGroupStatus
  readIndex(call: { readonly timeoutMs: number }): Promise<number>
  waitApplied(index: number, call: { readonly timeoutMs: number }): Promise<void>
}

/** How a group of a region stands beside the log. */
export interface LogGroupProbe {
  readonly group: string
  readonly applied: number
  /** The end of the log, where it answered; else the last that is known of it. */
  readonly logEnd: number
  /** Records of the log that were not applied when it answered. */
  readonly lagRecords: number
  /** How long they then took to be applied; 0: there were none. Null: not known, or longer than 1 s. */
  readonly lagMs: number | null
  /** What asking the log took: what a strong read waits for at least. Null: it gave no answer. */
  readonly readIndexMs: number | null
  /** The version of the state machine that the log has risen to; releases before it say nothing. */
  readonly machineVersion?: number
  /** The schema that the log has come to; null: it has said none. */
  readonly schemaVersion?: number | null
  /** What of the log is kept from here on; null: this process has not trimmed it. */
  readonly retainedFrom: number | null
  /** Regions that the log does not wait for: they are seeded again when they return. */
  readonly leftBehind: readonly string[]
  readonly reseeding: {
    /** The region that is asked. */
    readonly from: string | null
    /** Parts of the snapshot that were written in this attempt. */
    readonly parts: number
    /** Why attempts failed, by region. */
    readonly failures: Readonly<Record<string, string>>
    /** Why, where it is not that the log does not go back so far. */
    readonly why?: string
  } | null
  /** What is known of this copy beside the other regions'; nodes of older versions do not say it. */
  readonly digests?: DigestStatus
  /** Why the group has stopped for good; null: it has not. */
  readonly stopped: WireError | null
  /** Why the log gave no answer. */
  readonly logError: WireError | null
}

const READ_INDEX_TIMEOUT_MS = 3_000
const APPLY_TIMEOUT_MS = 1_000

/** Asks the log once for each group. `kept`: what is known of their retention. Never rejects. */
export function probeGroups(
  groups: readonly ProbedGroup[],
  kept: readonly RegionLogGroupStatus[],
  clock: Clock,
): Promise<readonly LogGroupProbe[]> {
  const byName = new Map(kept.map((one) => [one.group, one]))
  return Promise.all(groups.map((one) => probe(one, byName.get(one.status().group), clock)))
}

async function probe(
  group: ProbedGroup,
  kept: RegionLogGroupStatus | undefined,
  clock: Clock,
): Promise<LogGroupProbe> {
  const startedMs = clock.monotonicMs()
  let readIndexMs: number | null = null
  let lagMs: number | null = null
  let logEnd: number | undefined
  let atAnswer: number | undefined
  let logError: WireError | null = null
  try {
    logEnd = await group.readIndex({ timeoutMs: READ_INDEX_TIMEOUT_MS })
    readIndexMs = clock.monotonicMs() - startedMs
    atAnswer = group.status().applied
    lagMs = await untilApplied(group, logEnd, clock)
  } catch (error) {
    logError = toWireError(asMeridianError(error))
  }
  const {
    group: name,
    applied,
    logEnd: known,
    machineVersion,
    schemaVersion,
    reseeding,
    error,
    digests,
  } = group.status()
  const end = Math.max(logEnd ?? known, applied)
  return {
    group: name,
    applied,
    logEnd: end,
    lagRecords: Math.max(0, (logEnd ?? end) - (atAnswer ?? applied)),
    lagMs,
    readIndexMs,
    machineVersion,
    schemaVersion,
    retainedFrom: kept?.retainedFrom === 0 ? null : (kept?.retainedFrom ?? null),
    leftBehind: kept?.leftBehind ?? [],
    reseeding: reseeding === undefined ? null : seedingOf(reseeding),
    digests,
    stopped: error === null ? null : toWireError(error),
    logError: error === null && reseeding === undefined ? logError : null,
  }
}

function seedingOf({
  peer,
  parts,
  failures,
  why,
}: NonNullable<LogGroupStatus['reseeding']>): LogGroupProbe['reseeding'] {
  return { from: peer, parts, failures, ...(why === undefined ? {} : { why }) }
}

async function untilApplied(
  group: ProbedGroup,
  index: number,
  clock: Clock,
): Promise<number | null> {
  if (group.status().applied >= index) return 0
  const sinceMs = clock.monotonicMs()
  try {
    await group.waitApplied(index, { timeoutMs: APPLY_TIMEOUT_MS })
    return clock.monotonicMs() - sinceMs
  } catch {
    // Too far behind, or stopped: its status says which.
    return null
  }
}
