import { describe, expect, test, vi } from 'vitest'
import { PROCESS_CALLER } from '../../../../src/core/principal.ts'
import type { MayReplicate } from '../../../../replication/stream/export-filter.ts'
import { createExporter, type Exporter } from '../../../../replication/stream/exporter.ts'
import {
  decodeExporterMessage,
  encodeImporterMessage,
  type ExporterMessage,
  type ImporterMessage,
  type StreamBatch,
} from '../../../../replication/stream/messages.ts'
import { LAST_LOCAL_SEQ } from '../../../../src/schema/system-tables.ts'
import { outboxRows } from '../../../../src/sql/outbox-rows.ts'
import { channelPair } from '../../../support/channel-pair.ts'
import { turns } from '../../../support/manual-runtime.ts'
import { commitWrites, NOTES, ORDERS, PLANS, streamSchema } from '../../../support/stream-schema.ts'
import { openTestStore, type FeedStore } from '../../../support/test-store.ts'

interface Subscriber {
  say(message: ImporterMessage): Promise<void>
  /** What the exporter said since the last call. */
  heard(): Promise<ExporterMessage[]>
  batches(): Promise<StreamBatch[]>
  isClosed(): boolean
}

const onlyAcme: MayReplicate = (tenant) => Promise.resolve(tenant === 'acme')

function exporterOf(target: FeedStore, mayReplicate = onlyAcme): Exporter {
  return createExporter({
    feed: target.feed(),
    schema: streamSchema,
    regions: ['us', 'ap'],
    mayReplicate,
  })
}

function join(exporter: Exporter): Subscriber {
  const { channel, peer } = channelPair()
  let isClosed = false
  peer.onClose(() => {
    isClosed = true
  })
  exporter.accept(channel, PROCESS_CALLER)
  const heard = async (): Promise<ExporterMessage[]> => {
    await turns()
    return peer.received.splice(0).map(decodeExporterMessage)
  }
  return {
    say: async (message) => {
      peer.send(encodeImporterMessage(message))
      await turns()
    },
    heard,
    batches: async () => (await heard()).filter((message) => message.kind === 'batch'),
    isClosed: () => isClosed,
  }
}

async function subscribe(
  exporter: Exporter,
  positions: readonly (readonly [string, number])[] = [],
  credit = 1_000_000,
): Promise<Subscriber> {
  const subscriber = join(exporter)
  await subscriber.say({ kind: 'subscribe', region: 'us', credit, positions, schema: null })
  return subscriber
}

async function order(target: FeedStore, tenant: string, ...ids: readonly string[]): Promise<void> {
  await commitWrites(
    target,
    ids.map((id) => ({ table: ORDERS, tenant, id, body: 'x' })),
  )
}

describe('exporter', () => {
  test('pushes pinned and eventual changes of its own, nothing strong, nothing imported', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'a')
    await commitWrites(target, [{ table: PLANS, tenant: '', id: 'p', body: 'x' }])
    const [own] = await target.feed().read(0, 1)
    const imported = { ...own, epoch: 1, origin: { source: 'ap.1', seq: 1 }, txId: 'imported' }
    await target.store.write([outboxRows(streamSchema, [imported as never])])
    await commitWrites(target, [{ table: NOTES, tenant: 'acme', id: 'n', body: 'x' }])
    const us = await subscribe(exporterOf(target))
    const [accept, batch] = await us.heard()
    expect(accept).toEqual({ kind: 'accept', source: target.source, position: 0, end: 4 })
    expect(batch).toMatchObject({ kind: 'batch', previous: 0, position: 4 })
    expect((batch as StreamBatch).changes.map((c) => c.localSeq)).toEqual([1, 4])
  })

  test('counts a transaction per destination, after filtering', async () => {
    const target = await openTestStore()
    await commitWrites(target, [
      { table: ORDERS, tenant: 'other', id: 'a', body: 'secret' },
      { table: ORDERS, tenant: 'acme', id: 'b', body: 'x' },
      { table: ORDERS, tenant: 'other', id: 'c', body: 'secret' },
      { table: ORDERS, tenant: 'acme', id: 'd', body: 'x' },
    ])
    const us = await subscribe(exporterOf(target))
    const [batch] = await us.batches()
    expect(batch?.changes.map((c) => [c.localSeq, c.index, c.size])).toEqual([
      [2, 0, 2],
      [4, 1, 2],
    ])
    expect(batch?.position).toBe(4)
  })

  test('a denied range becomes one advance when a probe asks: no gap, no byte of it', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'a')
    const us = await subscribe(exporterOf(target))
    await us.heard()
    await order(target, 'other', 'secret-id')
    await order(target, 'other', 'secret-id')
    expect(await us.batches()).toEqual([])
    await us.say({ kind: 'probe', id: 1 })
    const advance = { kind: 'batch', previous: 1, position: 3, imports: null, changes: [] }
    expect(await us.batches()).toEqual([expect.objectContaining(advance)])
    await order(target, 'acme', 'b')
    expect(await us.batches()).toMatchObject([{ previous: 3, position: 4 }])
  })

  test('the image before a change never leaves the store', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'o')
    await commitWrites(target, [{ table: ORDERS, tenant: 'acme', id: 'o', body: 'new' }])
    await commitWrites(target, [{ table: ORDERS, tenant: 'acme', id: 'o', body: null }])
    const us = await subscribe(exporterOf(target))
    const changes = (await us.batches()).flatMap((batch) => batch.changes)
    expect(changes.map((c) => [c.op, c.key, c.before, c.after])).toEqual([
      ['insert', ['o'], null, ['o', 'x', 1]],
      ['update', ['o'], null, ['o', 'new', 3]],
      ['delete', ['o'], null, null],
    ])
  })

  test('a tenant that nobody knows is denied, a rule that fails closes the channel', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'a')
    const denied = await subscribe(exporterOf(target, () => Promise.resolve(false)))
    expect((await denied.batches()).flatMap((batch) => batch.changes)).toEqual([])
    const exporter = exporterOf(target, () => Promise.reject(new Error('No directory.')))
    const failed = await subscribe(exporter)
    expect((await failed.heard()).map((message) => message.kind)).toEqual(['accept', 'refuse'])
    expect(failed.isClosed()).toBe(true)
    expect(exporter.status()[0]).toMatchObject({ region: 'us', error: { code: 'INTERNAL' } })
  })

  test('skips what was imported in silence until a probe asks', async () => {
    const target = await openTestStore()
    await commitWrites(target, [{ table: PLANS, tenant: '', id: 'p', body: 'x' }])
    const us = await subscribe(exporterOf(target))
    expect(await us.batches()).toEqual([])
    await us.say({ kind: 'probe', id: 7 })
    const [answer, advance] = await us.heard()
    expect(answer).toEqual({ kind: 'answer', id: 7, end: 1, sent: 0 })
    expect(advance).toMatchObject({ kind: 'batch', previous: 0, position: 1, changes: [] })
  })

  test('a probe of a store at rest costs a look at its end at most', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'a')
    const us = await subscribe(exporterOf(target))
    await order(target, 'other', 'b')
    await us.heard()
    const read = vi.spyOn(target.store, 'read')
    await us.say({ kind: 'probe', id: 1 })
    const told = await us.heard()
    expect(told).toMatchObject([
      { kind: 'answer', end: 2, sent: 1 },
      { position: 2, changes: [] },
    ])
    await us.say({ kind: 'probe', id: 2 })
    expect(await us.heard()).toMatchObject([{ kind: 'answer', end: 2, sent: 2 }])
    expect(read.mock.calls.length).toBeLessThanOrEqual(2)
    for (const [statements] of read.mock.calls) expect(statements).toEqual([LAST_LOCAL_SEQ])
  })

  test('answers probes with the end of the store, not with what its own process knows', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'a')
    let end = 1
    const exporter = createExporter({
      feed: target.feed(),
      schema: streamSchema,
      regions: ['us'],
      mayReplicate: onlyAcme,
      readEnd: () => Promise.resolve(end),
    })
    const us = await subscribe(exporter)
    await us.heard()
    // Another process has the store now, and has committed.
    end = 3
    await us.say({ kind: 'probe', id: 1 })
    expect(await us.heard()).toEqual([{ kind: 'answer', id: 1, end: 3, sent: 1 }])
  })

  test('sends no more than its credit and one batch, and goes on when it is renewed', async () => {
    const target = await openTestStore()
    const us = await subscribe(exporterOf(target), [], 1)
    for (let i = 0; i < 5; i++) {
      await order(target, 'acme', `o${i}`)
      await turns()
    }
    const first = await us.batches()
    expect(first.flatMap((batch) => batch.changes).length).toBe(1)
    await us.say({ kind: 'ack', credit: 10_000, position: 1 })
    expect((await us.batches()).flatMap((batch) => batch.changes).length).toBe(4)
  })

  test('splits what is too large for a message between transactions', async () => {
    const target = await openTestStore()
    const body = 'x'.repeat(400_000)
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      await commitWrites(target, [{ table: ORDERS, tenant: 'acme', id, body }])
    }
    const us = await subscribe(exporterOf(target), [], 100_000_000)
    const batches = await us.batches()
    expect(batches.length).toBeGreaterThan(1)
    expect(batches.flatMap((batch) => batch.changes.map((c) => c.localSeq))).toEqual([
      1, 2, 3, 4, 5,
    ])
    let previous = 0
    for (const batch of batches) {
      expect(batch.previous).toBe(previous)
      previous = batch.position
    }
    expect(previous).toBe(5)
  })

  test('resumes at the subscriber’s position and tells the durable one for pruning', async () => {
    const target = await openTestStore()
    await order(target, 'acme', 'a')
    await order(target, 'acme', 'b')
    const exporter = exporterOf(target)
    const us = await subscribe(exporter, [[target.source, 1]])
    const [batch] = await us.batches()
    expect(batch).toMatchObject({ previous: 1, position: 2 })
    expect(exporter.regionPositions()).toEqual([1, 0])
    await us.say({ kind: 'ack', credit: 0, position: 2 })
    expect(exporter.regionPositions()).toEqual([2, 0])
    expect(exporter.status()).toEqual([
      { region: 'us', position: 2, inFlight: 0, connected: true, error: null },
      { region: 'ap', position: 0, inFlight: 0, connected: false, error: null },
    ])
  })

  test.each([
    ['another life of the store', [['eu.old', 5]], 'POSITION_LOST'],
    ['a position beyond the end', 'beyond', 'POSITION_LOST'],
    ['pruned changes', [], 'LOG_COMPACTED'],
  ] as const)('refuses a subscriber of %s', async (_, positions, code) => {
    const target = await openTestStore()
    await order(target, 'acme', 'a', 'b')
    await target.store.write([{ sql: 'DELETE FROM _outbox WHERE seq = 1', args: [] }])
    const us = await subscribe(
      exporterOf(target),
      positions === 'beyond' ? [[target.source, 9]] : positions,
    )
    expect((await us.heard()).at(-1)).toMatchObject({ kind: 'refuse', error: { code } })
    expect(us.isClosed()).toBe(true)
  })

  test.each([
    ['numbers tables otherwise under the same version', 0, 'other', 'SCHEMA_INCOMPATIBLE'],
    ['has another version, as while nodes are upgraded', 1, 'other', undefined],
    ['has the same schema', 0, streamSchema.fingerprint, undefined],
  ] as const)('a region that %s', async (_, later, fingerprint, refusal) => {
    const subscriber = join(exporterOf(await openTestStore('eu')))
    const schema = { version: streamSchema.version + later, fingerprint }
    await subscriber.say({ kind: 'subscribe', region: 'us', credit: 1, positions: [], schema })
    const [first] = await subscriber.heard()
    if (refusal === undefined) expect(first?.kind).toBe('accept')
    else expect(first).toMatchObject({ kind: 'refuse', error: { code: refusal } })
  })

  test('refuses strangers, bytes that are no message, and acks before a subscription', async () => {
    const target = await openTestStore()
    const exporter = exporterOf(target)
    const stranger = join(exporter)
    await stranger.say({
      kind: 'subscribe',
      region: 'mars',
      credit: 1,
      positions: [],
      schema: null,
    })
    expect((await stranger.heard()).at(-1)).toMatchObject({ error: { code: 'REGION_UNKNOWN' } })
    const early = join(exporter)
    await early.say({ kind: 'ack', credit: 1, position: 1 })
    expect((await early.heard()).at(-1)).toMatchObject({ error: { code: 'PROTOCOL_MALFORMED' } })
    expect(early.isClosed()).toBe(true)
  })
})
