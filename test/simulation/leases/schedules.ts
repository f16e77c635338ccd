/**
 * Schedules in which one broken rule shows: a write is answered in one region, and then another
 * region answers a strong read with what was there before. Each says whether that happened.
 */
import { compareStamps } from '../../../replication/strong/leases/stamp.ts'
import { HintAcks } from '../../../replication/strong/leases/hint-acks.ts'
import { Marks } from '../../../replication/strong/leases/marks.ts'
import type { InvalidationHints } from '../../../replication/strong/leases/mesh-messages.ts'
import type { Mutation } from './mutation.ts'
import { LEASE_MS, put, record, Rig, type Side } from './rig.ts'
import { ALL_KEYS } from './sim-region.ts'
import { rowKey, type Transaction } from './sim-store.ts'

export type Schedule = (mutation: Mutation) => boolean

interface Pair {
  readonly rig: Rig
  /** Where the write is sent. */
  readonly writer: Side
  /** Which has a lease that the writer has seen, at index 1. */
  readonly holder: Side
}

function pair(rig: Rig, writerRate = 1, holderRate = 1): Pair {
  const writer = rig.region('eu', writerRate)
  const holder = rig.region('ap', holderRate)
  rig.append(holder.renew())
  writer.receive(holder.apply())
  holder.receive(writer.apply())
  return { rig, writer, holder }
}

const WRITE = put('t1', 0)

/** The holder has not applied the write; whether the writer answers and the holder serves the old row. */
function isStale({ rig, writer, holder }: Pair, key = 0): boolean {
  writer.apply()
  return writer.answers(rig.log.length) && holder.read(key) === ''
}

function hintsOf(from: Side, ...transactions: readonly Transaction[]): InvalidationHints {
  return from.hints(...transactions) as InvalidationHints
}

/** An INVACK, a restart that loses the mark, a new lease; then the append lands. */
const hintAckOfOlderIncarnation: Schedule = (mutation) => {
  const world = pair(new Rig(mutation))
  const { rig, writer, holder } = world
  writer.receive(holder.receive(writer.hints(WRITE)))
  holder.restart()
  rig.append(holder.renew())
  holder.receive(writer.apply())
  holder.apply()
  rig.append(record(WRITE))
  return isStale(world)
}

/** As above, without a restart: the renewal drops the mark of what may never be appended. */
const hintAckIgnoresSeq: Schedule = (mutation) => {
  const world = pair(new Rig(mutation))
  const { rig, writer, holder } = world
  writer.receive(holder.receive(writer.hints(WRITE)))
  rig.append(holder.renew())
  writer.apply()
  holder.apply()
  rig.append(record(WRITE))
  return isStale(world)
}

/** Hints of one transaction of the record are lost. */
const hintAckOfAnyInRecord: Schedule = (mutation) => {
  const world = pair(new Rig(mutation))
  const other = put('t2', 1)
  const { rig, writer, holder } = world
  const hints = hintsOf(writer, WRITE, other)
  writer.receive(holder.receive({ ...hints, hints: hints.hints.slice(0, 1) }))
  rig.append(record(WRITE, other))
  return isStale(world, 1)
}

/** The region has a new store; its old file is still served, and was told nothing. */
const hintAckWithoutDatabase: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation))
  const { core, store } = holder
  holder.restore(store, 'ap-2')
  holder.renew()
  writer.receive(holder.receive(writer.hints(WRITE)))
  rig.append(record(WRITE))
  writer.apply()
  return writer.answers(rig.log.length) && holder.read(0, { core, store }) === ''
}

/** A row appears between what a delete by range looked like and what it is. */
const guessWriteSets: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation))
  const wipe: Transaction = { ...put('t2'), keys: ALL_KEYS, isDelete: true, isRange: true }
  rig.append(record(put('t0', 1)))
  writer.receive(holder.apply())
  holder.receive(writer.apply())
  rig.append(record(WRITE))
  writer.receive(holder.receive(writer.hints(wipe)))
  writer.receive(holder.apply())
  holder.receive(writer.apply())
  rig.append(record(wipe))
  writer.apply()
  return writer.answers(rig.log.length) && holder.read(0) === 't1'
}

/** A LEASE of an earlier life lands after one of a later life. */
const lateLeaseCounts: Schedule = (mutation) => {
  const world = pair(new Rig(mutation))
  const { rig, writer, holder } = world
  const late = holder.renew()
  writer.receive(holder.receive(writer.hints(WRITE)))
  holder.restart()
  rig.append(holder.renew(), late)
  writer.apply()
  holder.apply()
  rig.append(record(WRITE))
  return isStale(world)
}

/** Two processes mark one transaction in one table; the older one comes last. */
const lowerStampOverwrites: Schedule = (mutation) => {
  const marks = new Marks(mutation)
  const acks = new HintAcks(mutation)
  const hint = { txId: 't1', keys: [rowKey(0)] }
  const store = { region: 'ap', databaseId: 'ap-1', key: 'ap ap-1' }
  const promised = { incarnation: 2, seq: 5 }
  marks.add(hint, promised)
  acks.add({ ...store, stamp: promised, txIds: ['t1'] })
  marks.add(hint, { incarnation: 1, seq: 9 })
  const lease = { incarnation: 2, seq: 5 }
  marks.renewed(lease)
  const isCounted = acks.covers(store, 't1', lease) && compareStamps(lease, promised) === 0
  return isCounted && !marks.touches([{ table: 1, from: null, to: null }])
}

/** The region's new store acknowledges everything; its old file is still served. */
const newestDatabaseOnly: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation, { usesHints: false }))
  const { core, store } = holder
  holder.restore(store, 'ap-2')
  rig.append(holder.renew(), record(WRITE))
  writer.receive(holder.apply())
  writer.apply()
  return writer.answers(rig.log.length) && holder.read(0, { core, store }) === ''
}

/** The holder applies its own LEASE half a term after the writer did. */
const expiryFromApply: Schedule = (mutation) => {
  const rig = new Rig(mutation)
  const writer = rig.region('eu')
  const holder = rig.region('ap')
  rig.append(holder.renew())
  writer.apply()
  rig.nowMs = LEASE_MS / 2
  holder.apply()
  rig.append(record(WRITE))
  rig.nowMs = LEASE_MS * 1.1
  return isStale({ rig, writer, holder })
}

/** The holder's clock is slow and the writer's is fast, by 40 %; the LEASE took no time. */
const skipDriftMargin: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false, driftRate: 0.4 }), 1.4, 0.6)
  const { rig } = world
  rig.append(record(WRITE))
  rig.nowMs = LEASE_MS / 1.4 + 20
  return isStale(world)
}

/** The holder's machine is suspended for two leases. */
const holderTrustsMonotonic: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false }))
  const { rig, holder } = world
  holder.clock.suspend(2 * LEASE_MS)
  rig.append(record(WRITE))
  rig.nowMs = 2 * LEASE_MS + 1
  return isStale(world)
}

/** Somebody sets the writer's clock an hour ahead. */
const waiterTrustsWall: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false }))
  const { rig, writer } = world
  writer.clock.setWall(3_600_000)
  rig.append(record(WRITE))
  rig.nowMs = 10
  return isStale(world)
}

/** A reader finds a row deleted, of which its process is not told yet that it is committed. */
const dirtyAfterCommit: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation, { usesHints: false }))
  const other = rig.region('us')
  rig.append(other.renew(), record(WRITE))
  const sides = [writer, holder, other]
  for (const from of sides) for (const to of sides) if (from !== to) to.receive(from.apply())
  rig.append(record({ ...put('t2', 0), isDelete: true }))
  holder.commitNext()
  return holder.read(0) === 't2' && other.read(0) === 't1'
}

/** A process that is replaced had deleted a row that another region still serves. */
const startsClean: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation, { usesHints: false }))
  const other = rig.region('us')
  rig.append(other.renew(), record(WRITE))
  const sides = [writer, holder, other]
  for (const from of sides) for (const to of sides) if (from !== to) to.receive(from.apply())
  rig.append(record({ ...put('t2', 0), isDelete: true }), holder.renew())
  holder.apply()
  holder.restart()
  rig.append(holder.renew())
  holder.apply()
  return holder.read(0) === 't2' && other.read(0) === 't1'
}

/** A region joins with a copy of a peer's store, the peer's lease row included. */
const restoreKeepsRow: Schedule = (mutation) => {
  const { rig, writer, holder: peer } = pair(new Rig(mutation, { usesHints: false }))
  const joining = rig.region('us')
  joining.restore(peer.store, 'us-2')
  joining.receive(peer.apply())
  rig.append(record(WRITE))
  writer.receive(peer.apply())
  writer.apply()
  return writer.answers(rig.log.length) && joining.read(0) === ''
}

/** Others apply the RELEASE, the region that sent it does not yet. */
const releaseBeforeVoid: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false }))
  const { rig, holder } = world
  rig.append(holder.release(), record(WRITE))
  return isStale(world)
}

/** A LEASE that was in flight lands before the RELEASE in the region that gave it up. */
const releaseKeepsSent: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false }))
  const { rig, holder } = world
  const inFlight = holder.renew()
  const release = holder.release()
  rig.append(inFlight, release, record(WRITE))
  holder.apply(2)
  return isStale(world)
}

/** A RELEASE is late: the lease was taken again meanwhile. */
const releaseAnyStamp: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false }))
  const { rig, writer, holder } = world
  const late = holder.release()
  holder.core.resume()
  rig.append(holder.renew())
  writer.receive(holder.apply())
  writer.apply()
  rig.append(late, record(WRITE))
  return isStale(world)
}

/** The store's process is replaced, and the one before goes on reading. */
const skipIncarnationCheck: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation))
  const { core, store } = holder
  holder.restart()
  rig.append(holder.renew())
  holder.receive(writer.apply())
  holder.apply()
  writer.receive(holder.receive(writer.hints(WRITE)))
  rig.append(record(WRITE))
  writer.apply()
  return writer.answers(rig.log.length) && holder.read(0, { core, store }) === ''
}

/** A process is replaced while it commits its own LEASE; it reads on under the row of it. */
const rowOfAnyLife: Schedule = (mutation) => {
  const { rig, writer, holder } = pair(new Rig(mutation))
  const { core, store } = holder
  rig.append(holder.renew())
  holder.restart(holder.evaluateNext())
  holder.renew()
  holder.receive(writer.apply())
  writer.receive(holder.receive(writer.hints(WRITE)))
  rig.append(record(WRITE))
  writer.apply()
  return writer.answers(rig.log.length) && holder.read(0, { core, store }) === ''
}

/** A lease is released while its renewal is being committed. */
const rowAfterRelease: Schedule = (mutation) => {
  const world = pair(new Rig(mutation, { usesHints: false }))
  const { rig, holder } = world
  rig.append(holder.renew())
  const commit = holder.evaluateNext()
  rig.append(holder.release(), record(WRITE))
  commit()
  return isStale(world)
}

/** By the rule that each breaks. */
export const SCHEDULES = {
  hintAckOfOlderIncarnation,
  hintAckIgnoresSeq,
  hintAckOfAnyInRecord,
  hintAckWithoutDatabase,
  guessWriteSets,
  lateLeaseCounts,
  lowerStampOverwrites,
  newestDatabaseOnly,
  expiryFromApply,
  skipDriftMargin,
  holderTrustsMonotonic,
  waiterTrustsWall,
  dirtyAfterCommit,
  startsClean,
  restoreKeepsRow,
  releaseBeforeVoid,
  releaseKeepsSent,
  releaseAnyStamp,
  skipIncarnationCheck,
  rowOfAnyLife,
  rowAfterRelease,
} satisfies Partial<Record<keyof Mutation, Schedule>>
