import { describe, expect, test } from 'vitest'
import type { ChangeAppliers } from '../../../../replication/stream/import-writer.ts'
import { MeridianError, toWireError } from '../../../../src/core/errors.ts'
import { formatHlc } from '../../../../src/core/hlc.ts'
import {
  accept,
  batch,
  change,
  openRig,
  openSubscribed,
  POSITIONS,
  SOURCE,
} from '../../../support/import-rig.ts'
import { turns } from '../../../support/manual-runtime.ts'
import { NOTES, ORDERS, streamSchema, testAppliers } from '../../../support/stream-schema.ts'

const ORDER_IDS = `SELECT c1 FROM ${ORDERS.physicalName} ORDER BY 1`

describe('importer', () => {
  test('subscribes from nothing, then commits rows, outbox rows and position together', async () => {
    const rig = await openRig()
    expect((await rig.heard())[0]).toMatchObject({ kind: 'subscribe', region: 'eu', positions: [] })
    const note = change(2, {
      tableId: NOTES.id,
      after: ['n', 'x'],
      key: ['n'],
      version: `${change(2).hlc}@${SOURCE}`,
    })
    await rig.say(accept(0), batch(0, change(1), note))
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 2]])
    const changes = await rig.target.feed().read(0, 10)
    expect(changes.map((c) => [c.localSeq, c.origin.source, c.origin.seq])).toEqual([
      [1, SOURCE, 1],
      [2, SOURCE, 2],
    ])
    expect(await rig.rows(ORDER_IDS)).toEqual([['o1']])
    expect((await rig.heard()).find((m) => m.kind === 'ack')).toMatchObject({ position: 2 })
    expect(rig.importer.status()).toEqual({
      from: 'us',
      source: SOURCE,
      position: 2,
      lag: 0,
      connected: true,
      error: null,
    })
  })

  test('stamps drawn after an import are above those that it brought', async () => {
    const rig = await openSubscribed()
    const hlc = formatHlc(1_700_000_030_000, 9)
    await rig.say(batch(0, change(1, { hlc })))
    expect(rig.target.storeClock.next() > hlc).toBe(true)
    expect(String((await rig.rows('SELECT hlc FROM _tx'))[0]?.[0]) > hlc).toBe(true)
  })

  test('a clock row that another writer moved is drawn above, not failed on', async () => {
    const rig = await openSubscribed()
    const ahead = formatHlc(Date.now() + 10_000, 0)
    await rig.target.store.write([{ sql: 'UPDATE _tx SET hlc = ?', args: [ahead] }])
    await rig.say(batch(0, change(1)))
    expect(rig.importer.status()).toMatchObject({ position: 1, error: null })
  })

  test('drops duplicates and the known part of an overlap', async () => {
    const rig = await openSubscribed()
    await rig.say(batch(0, change(1)), batch(0, change(1)), batch(0, change(1), change(2)))
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 2]])
    expect(await rig.target.feed().end()).toBe(2)
    expect(rig.connections()).toBe(1)
  })

  test('a gap makes it subscribe again from the applied position', async () => {
    const rig = await openSubscribed()
    await rig.say(batch(0, change(1)), batch(2, change(3)))
    expect(rig.importer.status().error).toMatchObject({ code: 'LOG_GAP' })
    await rig.runtime.advance(100)
    expect(rig.connections()).toBe(2)
    expect((await rig.heard())[0]).toMatchObject({ kind: 'subscribe', positions: [[SOURCE, 1]] })
    await rig.say(accept(1), batch(1, change(2), change(3)))
    expect(await rig.rows(ORDER_IDS)).toEqual([['o1'], ['o2'], ['o3']])
    expect(rig.importer.status().error).toBeNull()
  })

  test('notices a lost tail by what the source says it sent', async () => {
    const rig = await openSubscribed()
    await rig.say({ kind: 'answer', id: 0, end: 5, sent: 5 })
    await rig.runtime.advance(100)
    expect(rig.connections()).toBe(2)
  })

  test.each([
    ['a foreign origin', [change(1, { origin: { source: 'ap.1', epoch: 1, seq: 1 } })]],
    ['a transaction without its end', [change(1, { size: 2 })]],
    ['a transaction without its begin', [change(1, { index: 1, size: 2 })]],
    ['changes out of order', [change(2), change(1)]],
  ])('refuses %s and applies nothing of it', async (_, changes) => {
    const rig = await openSubscribed()
    await rig.say({ ...batch(0), position: 2, changes })
    expect(rig.importer.status().error).toMatchObject({ code: 'PROTOCOL_MALFORMED' })
    expect(await rig.target.feed().end()).toBe(0)
  })

  test('follows no store that is of another region than the one it asked', async () => {
    const rig = await openRig()
    await rig.say(accept(0, 'ap.0001'))
    expect(rig.importer.status()).toMatchObject({
      source: null,
      error: { code: 'PROTOCOL_MALFORMED' },
    })
  })

  test('passes over whole transactions of what its source may not have written', async () => {
    const rig = await openRig(testAppliers(), async ({ tenant }) => tenant === 'acme')
    await rig.say(accept(0))
    const mixed = { txId: 'tx', size: 2 }
    await rig.say(
      batch(
        0,
        change(1),
        change(2, { ...mixed, tenant: 'other' }),
        change(3, { ...mixed, index: 1 }),
        change(4, { tenant: 'other' }),
        change(5),
      ),
    )
    expect(await rig.rows(ORDER_IDS)).toEqual([['o1'], ['o5']])
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 5]])
    expect(rig.importer.status()).toMatchObject({ position: 5, error: null })
  })

  test('a poison transaction stops the stream there: before it applied, behind it nothing', async () => {
    const rig = await openSubscribed()
    const poison = change(2, { after: ['o2', null, 1] })
    await rig.say(batch(0, change(1), poison, change(3)))
    const { error } = rig.importer.status()
    expect(error).toMatchObject({ code: 'CONSTRAINT_VIOLATED', retry: 'never' })
    expect(error?.details).toEqual({
      source: SOURCE,
      txId: 'tx-2',
      position: 2,
      tableId: ORDERS.id,
    })
    await rig.runtime.advance(60_000)
    expect(rig.connections()).toBe(1)
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 1]])
    expect(await rig.rows(ORDER_IDS)).toEqual([['o1']])
    // The operator repaired it.
    await rig.importer.start()
    await rig.say(accept(1), batch(1, change(2), change(3)))
    expect(await rig.rows(ORDER_IDS)).toEqual([['o1'], ['o2'], ['o3']])
  })

  test('a store that fails for a while is tried again, nothing is lost', async () => {
    let failures = 2
    const inner = testAppliers()
    const pinned: ChangeAppliers['pinned'] = {
      apply: (changes, commit) =>
        failures-- > 0
          ? Promise.reject(new MeridianError('STORE_UNAVAILABLE', 'No store.'))
          : inner.pinned.apply(changes, commit),
    }
    const rig = await openSubscribed({ ...inner, pinned })
    await rig.say(batch(0, change(1)))
    expect(rig.importer.status().error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    for (let i = 0; i < 2; i++) {
      await rig.runtime.advance(1_000)
      await rig.say(accept(0), batch(0, change(1)))
    }
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 1]])
  })

  test('a position that moved under it is not overwritten', async () => {
    const rig = await openSubscribed()
    await rig.say(batch(0, change(1)))
    await rig.target.store.write([{ sql: 'UPDATE _positions SET seq = 5', args: [] }])
    await rig.say(batch(1, change(2)))
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 5]])
    expect(await rig.rows(ORDER_IDS)).toEqual([['o1']])
    await rig.runtime.advance(100)
    expect((await rig.heard())[0]).toMatchObject({ kind: 'subscribe', positions: [[SOURCE, 5]] })
  })

  test('another life of the source ends the stream as POSITION_LOST', async () => {
    const rig = await openRig()
    const error = toWireError(new MeridianError('POSITION_LOST', 'Another store.'))
    await rig.say({ kind: 'refuse', error })
    await rig.runtime.advance(60_000)
    expect(rig.importer.status()).toMatchObject({
      connected: false,
      error: { code: 'POSITION_LOST', retry: 'never' },
    })
    expect(rig.connections()).toBe(1)
    expect(rig.stops).toMatchObject([{ code: 'POSITION_LOST' }])
  })

  test.each([
    'UNAUTHENTICATED',
    'PERMISSION_DENIED',
    'REGION_UNKNOWN',
    'PROTOCOL_VERSION',
  ] as const)('a refusal that is put right at the other end is not for good: %s', async (code) => {
    const rig = await openRig()
    const error = toWireError(new MeridianError(code, 'Not you.'))
    await rig.say({ kind: 'refuse', error })
    expect(rig.importer.status().error).toMatchObject({ code })
    await rig.runtime.advance(100)
    expect(rig.connections()).toBe(2)
    await rig.say(accept(0), batch(0, change(1)))
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 1]])
    expect(rig.importer.status()).toMatchObject({ connected: true, error: null })
  })

  test('a stamp from too far ahead neither moves the clock nor looks met while it is held', async () => {
    const inner = testAppliers()
    const hold = { sql: `INSERT INTO _held VALUES ('${SOURCE}', 2, '', x'')`, args: [] }
    const eventual: ChangeAppliers['eventual'] = { apply: (_, commit) => commit([hold]) }
    const rig = await openSubscribed({ ...inner, eventual })
    const hlc = formatHlc(Date.now() + 600_000, 0)
    const early = change(2, { hlc, tableId: NOTES.id, key: ['n'], after: ['n', 'x'] })
    await rig.say(batch(0, change(1), early), { kind: 'answer', id: 0, end: 2, sent: 2 })
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 2]])
    expect(rig.target.storeClock.next() < hlc).toBe(true)
    expect(rig.importer.status()).toMatchObject({ position: 1, lag: 1 })
    await rig.target.store.write([{ sql: 'DELETE FROM _held', args: [] }])
    await rig.runtime.advance(1_000)
    expect(rig.importer.status()).toMatchObject({ position: 2, lag: 0 })
  })

  test('what another writer was in the way of is computed again', async () => {
    const inner = testAppliers()
    let conflicts = 2
    const eventual: ChangeAppliers['eventual'] = {
      apply: (changes, commit) =>
        conflicts-- > 0
          ? Promise.reject(new MeridianError('CONFLICT', 'In the way.'))
          : inner.eventual.apply(changes, commit),
    }
    const rig = await openSubscribed({ ...inner, eventual })
    await rig.say(batch(0, change(1, { tableId: NOTES.id, after: ['o1', 'x'] })))
    expect(rig.importer.status()).toMatchObject({ position: 1, error: null })
    expect(rig.connections()).toBe(1)
  })

  test('a newer schema stops it: dropping columns that it does not know would lose them', async () => {
    const rig = await openSubscribed()
    await rig.say(batch(0, change(1, { schemaVersion: streamSchema.version + 1 })))
    expect(rig.importer.status().error).toMatchObject({ code: 'SCHEMA_INCOMPATIBLE' })
    expect(await rig.rows(POSITIONS)).toEqual([])
  })

  test('connects again after a broken link, waiting longer while it stays broken', async () => {
    const rig = await openSubscribed()
    rig.isUnreachable = true
    rig.peer().close()
    await turns()
    expect(rig.importer.status().connected).toBe(false)
    await rig.runtime.advance(20_000)
    expect(rig.importer.status().error).toMatchObject({ code: 'REGION_UNREACHABLE' })
    rig.isUnreachable = false
    await rig.runtime.advance(2_000)
    expect(rig.connections()).toBe(2)
    await rig.say(accept(0), batch(0, change(1)))
    expect(rig.importer.status()).toMatchObject({ connected: true, position: 1, error: null })
  })

  test('gives a silent channel up', async () => {
    const rig = await openSubscribed()
    await rig.runtime.advance(3_500)
    expect(rig.connections()).toBe(2)
  })

  test('is fresh as of the probe whose answered position is applied', async () => {
    const rig = await openSubscribed()
    await rig.runtime.advance(150)
    const probes = (await rig.heard()).filter((m) => m.kind === 'probe')
    const sentMs = rig.runtime.clock.monotonicMs()
    expect(rig.importer.freshAsOfMs()).toBeNull()
    await rig.runtime.advance(40)
    await rig.say({ kind: 'answer', id: probes.at(-1)?.id ?? -1, end: 1, sent: 0 })
    expect(rig.importer.freshAsOfMs()).toBeNull()
    expect(rig.importer.status().lag).toBe(1)
    await rig.say(batch(0, change(1)))
    expect(rig.importer.freshAsOfMs()).toBe(sentMs)
  })
})
