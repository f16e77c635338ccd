import { describe, expect, test, vi } from 'vitest'
import { KeepTimer } from '../../../../replication/stream/keep-timer.ts'
import type { StreamBatch } from '../../../../replication/stream/messages.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import { formatHlc } from '../../../../src/core/hlc.ts'
import {
  accept,
  batch,
  change,
  openRig,
  openSubscribed,
  POSITIONS,
  SOURCE,
  type ImportRig,
} from '../../../support/import-rig.ts'
import { turns } from '../../../support/manual-runtime.ts'
import { NOTES, ORDERS, testAppliers } from '../../../support/stream-schema.ts'

const ORDER_IDS = `SELECT c1 FROM ${ORDERS.physicalName} ORDER BY 1`
const KEPT_WITHIN_MS = 1_000

function advance(previous: number, position: number): StreamBatch {
  return { ...batch(previous), position }
}

async function acks(rig: ImportRig): Promise<(readonly [credit: boolean, position: number])[]> {
  const heard = await rig.heard()
  return heard.flatMap((m) => (m.kind === 'ack' ? [[m.credit > 0, m.position] as const] : []))
}

function countCommits(rig: ImportRig): () => number {
  let commits = 0
  rig.target.store.onCommit(() => {
    commits++
  })
  return () => commits
}

describe('an advance', () => {
  test('counts at once, and gives its credit back at once, but is confirmed when the store has it', async () => {
    const rig = await openSubscribed()
    await rig.say(advance(0, 7))
    expect(rig.importer.status()).toMatchObject({ position: 7, lag: 0 })
    expect(rig.reached.at(-1)).toEqual([SOURCE, 7])
    expect(await rig.rows(POSITIONS)).toEqual([])
    expect(await acks(rig)).toEqual([[true, 0]])
    await rig.runtime.advance(KEPT_WITHIN_MS)
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 7]])
    expect(await acks(rig)).toEqual([[false, 7]])
    expect(await rig.target.feed().end()).toBe(0)
  })

  test('makes a probe that waited for its position fresh at once', async () => {
    const rig = await openSubscribed()
    await rig.runtime.advance(150)
    const probe = (await rig.heard()).findLast((m) => m.kind === 'probe')
    const sentMs = rig.runtime.clock.monotonicMs()
    await rig.say({ kind: 'answer', id: probe?.id ?? -1, end: 7, sent: 0 })
    expect(rig.importer.freshAsOfMs()).not.toBe(sentMs)
    await rig.say(advance(0, 7))
    expect(rig.importer.freshAsOfMs()).toBe(sentMs)
  })

  test('a hundred of them in a second cost a few commits', async () => {
    const rig = await openSubscribed()
    const commits = countCommits(rig)
    for (let position = 1; position <= 100; position++) {
      await rig.say(advance(position - 1, position))
      expect(rig.importer.status().position).toBe(position)
      await rig.runtime.advance(10)
    }
    expect(commits()).toBe(1000 / KEPT_WITHIN_MS)
    await rig.runtime.advance(5_000)
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 100]])
    expect(commits()).toBe(1000 / KEPT_WITHIN_MS)
  })

  test('of several sources goes into the store in one commit', async () => {
    const first = await openSubscribed()
    const commits = countCommits(first)
    const keepTimer = new KeepTimer(first.runtime.timers, KEPT_WITHIN_MS)
    const rigs = await Promise.all(
      ['ap', 'sa'].map((from) => openRig(undefined, undefined, { of: first, from, keepTimer })),
    )
    for (const [i, rig] of rigs.entries()) {
      await rig.say(accept(0, ['ap.1', 'sa.1'][i]), advance(0, 5))
      await first.runtime.advance(20)
    }
    await first.runtime.advance(KEPT_WITHIN_MS)
    expect(await first.rows(POSITIONS)).toEqual([
      ['ap.1', 5],
      ['sa.1', 5],
    ])
    expect(commits()).toBe(1)
  })

  test('goes into the store with the next changes', async () => {
    const rig = await openSubscribed()
    const commits = countCommits(rig)
    await rig.say(advance(0, 7), batch(7, change(8)))
    await rig.say(advance(8, 9))
    await rig.say(batch(9, change(10)))
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 10]])
    expect(await rig.rows(ORDER_IDS)).toEqual([['o10'], ['o8']])
    expect((await acks(rig)).at(-1)).toEqual([true, 10])
    await rig.runtime.advance(5 * KEPT_WITHIN_MS)
    expect(commits()).toBe(2)
  })

  test('takes the highest stamp along', async () => {
    const rig = await openSubscribed()
    const [high, low] = [formatHlc(1_700_000_000_000, 2), formatHlc(1_700_000_000_000, 1)]
    await rig.say({ ...advance(0, 7), hlc: high })
    await rig.say({ ...batch(7, change(8)), hlc: low })
    expect(await rig.rows('SELECT hlc FROM _positions')).toEqual([[high]])
  })

  test('goes into the store when the importer stops, and when the link breaks', async () => {
    const rig = await openSubscribed()
    await rig.say(advance(0, 7))
    rig.peer().close()
    await turns()
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 7]])
    await rig.runtime.advance(100)
    expect((await rig.heard())[0]).toMatchObject({ kind: 'subscribe', positions: [[SOURCE, 7]] })
    await rig.say(accept(7), advance(7, 9))
    await rig.importer.stop()
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 9]])
  })

  test('that a crash took is told again, and what comes behind it applied once', async () => {
    const rig = await openSubscribed()
    await rig.say(batch(0, change(1)), advance(1, 7))
    const gone = new MeridianError('STORE_UNAVAILABLE', 'Gone.')
    const write = vi.spyOn(rig.target.store, 'write').mockRejectedValueOnce(gone)
    rig.peer().close()
    await turns()
    expect(write).toHaveBeenCalledOnce()
    await rig.runtime.advance(100)
    expect((await rig.heard())[0]).toMatchObject({ kind: 'subscribe', positions: [[SOURCE, 1]] })
    await rig.say(accept(1))
    // What was readable here is so still.
    expect(rig.importer.status().position).toBe(7)
    await rig.say(advance(1, 5), batch(5, change(8)), batch(5, change(8)))
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 8]])
    expect((await rig.target.feed().read(0, 9)).map((one) => one.origin.seq)).toEqual([1, 8])
    expect(rig.importer.status()).toMatchObject({ position: 8, error: null })
  })

  test('does not move a position that moved under it', async () => {
    const rig = await openSubscribed()
    await rig.say(batch(0, change(1)), advance(1, 7))
    await rig.target.store.write([{ sql: 'UPDATE _positions SET seq = 5', args: [] }])
    await rig.runtime.advance(KEPT_WITHIN_MS)
    expect(rig.importer.status().error).toMatchObject({ code: 'LOG_GAP' })
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 5]])
    await rig.runtime.advance(100)
    expect((await rig.heard())[0]).toMatchObject({ kind: 'subscribe', positions: [[SOURCE, 5]] })
  })

  test('before a poison transaction stays, behind it nothing does', async () => {
    const rig = await openSubscribed()
    await rig.say(advance(0, 7))
    await rig.say(batch(7, change(8, { after: ['o8', null, 1] })), advance(8, 9))
    expect(rig.importer.status()).toMatchObject({
      position: 7,
      error: { code: 'CONSTRAINT_VIOLATED' },
    })
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 7]])
  })

  test('behind what is held is readable once that is', async () => {
    const inner = testAppliers()
    const hold = { sql: `INSERT INTO _held VALUES ('${SOURCE}', 2, '', x'')`, args: [] }
    const rig = await openRig({ ...inner, eventual: { apply: (_, commit) => commit([hold]) } })
    const hlc = formatHlc(Date.now() + 600_000, 0)
    const early = change(2, { hlc, tableId: NOTES.id, key: ['n'], after: ['n', 'x'] })
    await rig.say(accept(0), batch(0, change(1), early))
    await rig.say(advance(2, 7))
    await rig.runtime.advance(10)
    expect(rig.importer.status().position).toBe(1)
    await rig.target.store.write([{ sql: 'DELETE FROM _held', args: [] }])
    await rig.runtime.advance(150)
    expect(await rig.rows(POSITIONS)).toEqual([[SOURCE, 2]])
    expect(rig.importer.status().position).toBe(7)
  })
})
