import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createOutboxPruner, pruneFloor } from '../../../../cdc/capture/outbox-pruner.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'
import { commitWrites, ORDERS } from '../../../support/stream-schema.ts'
import { openTestStore, type FeedStore } from '../../../support/test-store.ts'

async function fill(target: FeedStore, count: number): Promise<void> {
  await commitWrites(
    target,
    Array.from({ length: count }, (_, i) => ({
      table: ORDERS,
      tenant: 'acme',
      id: `o${i}`,
      body: 'x',
    })),
  )
}

describe('outbox pruner', () => {
  test('never passes the change log, nor a region that is not too far behind', () => {
    const positions = fc.nat(100)
    fc.assert(
      fc.property(
        positions,
        positions,
        fc.array(positions, { maxLength: 3 }),
        positions,
        (end, relay, regions, maxRetained) => {
          const floor = pruneFloor({ end, relay, regions, maxRetained })
          expect(floor).toBeLessThanOrEqual(relay)
          for (const region of regions) {
            expect(floor <= region || end - region > maxRetained || floor === 0).toBe(true)
          }
        },
      ),
    )
  })

  test('deletes in small batches what everybody has', async () => {
    const target = await openTestStore()
    const runtime = new ManualRuntime()
    await fill(target, 1200)
    let relay = 0
    let region = 0
    const pruner = createOutboxPruner({
      timers: runtime.timers,
      random: runtime.random,
      store: target.store,
      relayPosition: () => relay,
      regionPositions: () => [region],
    })
    onTestFinished(() => pruner.stop())
    expect(await pruner.prune()).toBe(0)
    relay = 1200
    region = 1100
    expect(await pruner.prune()).toBe(1100)
    expect((await target.feed().read(1100, 1000)).length).toBe(100)
    region = 1200
    await runtime.advance(10_000)
    expect(pruner.status()).toEqual({ prunedTo: 1200, error: null })
    await fill(target, 1)
    expect((await target.feed().read(1200, 10)).map((c) => c.localSeq)).toEqual([1201])
  })

  test('a region that is away holds back no more than the limit', async () => {
    const target = await openTestStore()
    const runtime = new ManualRuntime()
    await fill(target, 100)
    const pruner = createOutboxPruner({
      timers: runtime.timers,
      random: runtime.random,
      store: target.store,
      relayPosition: () => 90,
      regionPositions: () => [0, 100],
      maxRetained: 40,
    })
    onTestFinished(() => pruner.stop())
    expect(await pruner.prune()).toBe(60)
  })
})
