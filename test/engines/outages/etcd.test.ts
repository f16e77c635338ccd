/** What becomes of strong writes where etcd loses its leader, is full, or is another one. */
import { Etcd3 } from 'etcd3'
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd, startEtcdCluster, type EtcdEngine } from '../../../src/cluster/engines/etcd.ts'
import { isErrorCode } from '../../../src/core/errors.ts'
import { until } from '../../support/until.ts'
import { compactNow, rawEtcd } from '../etcd/support/raw-etcd.ts'
import {
  DEADLINE_MS,
  HOME,
  LONG_MS,
  NodePlace,
  prepare,
  strongWriteSays,
  TENANT,
  type Client,
} from './outage-node.ts'

const options = { deadlineMs: DEADLINE_MS }
const WAIT_MS = 600_000
const QUOTA_BYTES = 24 * 1024 * 1024

function newPlace(): NodePlace {
  const place = new NodePlace()
  onTestFinished(() => place.remove())
  return place
}

async function own(etcd: Promise<EtcdEngine>): Promise<EtcdEngine> {
  const started = await etcd
  onTestFinished(() => started.close())
  return started
}

/** Writes one after the other, each repeated under its key until its outcome is known. */
async function writeUntil(db: Client, writer: string, isOver: () => boolean): Promise<number> {
  for (let n = 0; ; n++) {
    if (isOver()) return n
    const id = `${writer}-${n}`
    const call = { idempotencyKey: id, deadlineMs: DEADLINE_MS / 4 }
    await until(async () => {
      await db.plans.insert({ id, seats: n }, call).catch((error: unknown) => {
        if (isErrorCode(error, 'LOG_UNAVAILABLE', 'UNKNOWN_OUTCOME', 'DEADLINE_EXCEEDED'))
          throw error
        // Anything else would be repeated in vain, and hidden by that.
        expect.unreachable(String(error))
      })
    }, LONG_MS)
  }
}

/** The member that leads. */
async function leaderOf(members: readonly EtcdEngine[]): Promise<EtcdEngine> {
  for (const member of members) {
    const client = new Etcd3({ hosts: member.address })
    const { leader, header } = await client.maintenance.status().finally(() => client.close())
    if (leader === header.member_id) return member
  }
  throw new Error('There is no leader.')
}

test(
  'the leader of three is killed under load: none lost, none twice',
  { timeout: WAIT_MS },
  async () => {
    const cluster = await startEtcdCluster({ names: ['a', 'b', 'c'] })
    onTestFinished(() => cluster.close())
    const node = await newPlace().start({ etcd: { members: { [HOME]: cluster.addresses } } })
    await node.ready()
    const db = await node.client()
    let isOver = false
    const counts = [0, 0, 0]
    const writers = counts.map((_, i) => writeUntil(db, `w${i}`, () => isOver))
    const applied = async (): Promise<number> => (await node.region()).strongIndex
    const further = async (): Promise<void> => {
      const goal = (await applied()) + 20
      await until(async () => expect(await applied()).toBeGreaterThanOrEqual(goal), LONG_MS)
    }
    await further()
    const leader = await leaderOf(cluster.members)
    await leader.kill()
    await further()
    await leader.restart()
    await further()
    isOver = true
    const written = await Promise.all(writers)
    const { rows } = await db.plans.list({ consistency: 'strong', limit: 10_000, ...options })
    const expected = written.flatMap((count, i) =>
      Array.from({ length: count }, (_, n) => `w${i}-${n}`),
    )
    expect(rows.map(({ id }) => id).sort()).toEqual(expected.sort())
    expect(await node.isReady()).toBe(true)
    await node.stop()
  },
)

test(
  'at its quota strong writes say so, the rest goes on; it heals',
  { timeout: WAIT_MS },
  async () => {
    const etcd = await own(startEtcd({ quotaBytes: QUOTA_BYTES }))
    const node = await newPlace().start({ etcd: { members: { [HOME]: [etcd.address] } } })
    await node.ready()
    const db = await node.client()
    await prepare(db)
    await db.plans.insert({ id: 'before', seats: 1 }, options)
    const client = rawEtcd(etcd.address)
    const filler = Buffer.alloc(1024 * 1024, 1)
    for (let isFull = false; !isFull;) {
      isFull = await client
        .put('filler')
        .value(filler)
        .then(
          () => false,
          () => true,
        )
    }
    await strongWriteSays(db, 'full', 'LOG_FULL', `etcd at ${etcd.address}`, 'etcdctl alarm disarm')
    await node.says('the commit log fails', 'LOG_FULL', etcd.address, 'etcdctl alarm disarm')
    // What etcd has can be read, and what needs none of it goes on.
    expect(await db.plans.get('before', { consistency: 'strong', ...options })).not.toBeUndefined()
    await db.tenant(TENANT).orders.insert({ id: 'meanwhile', amount: 1 }, options)
    await client.delete().key('filler')
    await compactNow(client)
    await client.maintenance.defragment()
    const { alarms } = await client.maintenance.alarm({ action: 'Get' })
    for (const { memberID, alarm } of alarms) {
      await client.maintenance.alarm({ action: 'Deactivate', memberID, alarm })
    }
    // Of those that were refused one may have taken effect.
    const full = { idempotencyKey: 'full', ...options }
    await until(
      () => db.plans.insert({ id: 'full', seats: 1 }, full).then(() => undefined),
      LONG_MS,
    )
    const { rows } = await db.plans.list({ consistency: 'strong', ...options })
    expect(rows.map(({ id }) => id).sort()).toEqual(['before', 'full'])
    await node.stop(/LOG_FULL/)
  },
)

test(
  'another etcd at the same address: nothing is believed of it',
  { timeout: WAIT_MS },
  async () => {
    const ours = ['u', 'v', 'w', 'x', 'y', 'z']
    const theirs = ['a', 'b']
    const etcd = await own(startEtcd())
    const port = Number(etcd.address.split(':')[1])
    const place = newPlace()
    const sections = { etcd: { members: { [HOME]: [etcd.address] } } }
    const node = await place.start(sections)
    await node.ready()
    const db = await node.client()
    await prepare(db)
    // Further than the other will be: what was reported to it of this log would stand out.
    for (const id of ours) await db.plans.insert({ id, seats: 1 }, options)
    const { strongIndex } = await node.region()
    // Of either log, one record besides raises its machine's version.
    expect(strongIndex).toBeGreaterThan(theirs.length + 2)
    await etcd.kill()
    const foreign = await own(startEtcd({ port }))
    // Another deployment of the same name goes on there.
    const other = newPlace()
    Object.assign(other, { name: place.name })
    const stranger = await other.start(sections)
    await stranger.ready()
    const theirDb = await stranger.client()
    for (const id of theirs) await theirDb.plans.insert({ id, seats: 1 }, options)

    const expectRefused = async (one: typeof node, client: Client): Promise<void> => {
      await one.says('role failed', '"main"', 'LOG_FOREIGN', etcd.address)
      await strongWriteSays(client, 'lost', 'LOG_FOREIGN', etcd.address)
      expect(await one.isReady()).toBe(false)
      expect((await one.region()).strongIndex).toBe(strongIndex)
      const { rows } = await client.plans.list({ consistency: 'stale', ...options })
      expect(rows.map(({ id }) => id).sort()).toEqual(ours)
      await client.tenant(TENANT).orders.insert({ id: `${performance.now()}`, amount: 1 }, options)
    }
    const expected = /LOG_FOREIGN/
    await expectRefused(node, db)
    await node.stop(expected)
    // It is known by its store, not only by what the process remembers.
    const again = await place.start(sections)
    await expectRefused(again, await again.client())
    await again.stop(expected)
    // Nor did they see anything of these.
    const { rows } = await theirDb.plans.list({ consistency: 'strong', ...options })
    expect(rows.map(({ id }) => id).sort()).toEqual(theirs)
    const reported = Number(await rawEtcd(etcd.address).get(`${place.name}/applied/main/${HOME}`))
    expect(reported).toBeLessThanOrEqual((await stranger.region()).strongIndex + 1)
    await stranger.stop()
    await foreign.close()
    await etcd.restart()
    const healed = await place.start(sections)
    await healed.ready()
    const last = await healed.client()
    await last.plans.insert({ id: 'after', seats: 1 }, options)
    const all = await last.plans.list({ consistency: 'strong', ...options })
    expect(all.rows.map(({ id }) => id).sort()).toEqual(['after', ...ours])
    expect(await last.tenant(TENANT).orders.list(options)).toHaveProperty('rows.length', 2)
    await healed.stop()
  },
)
