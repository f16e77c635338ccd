/** Where a publisher goes on after a stop, a crash, a lost store, and beside another one. */
import { describe, expect, test } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { Change } from '../../../../src/core/change.ts'
import { isChange, openPublishWorld as open, SOURCE } from '../../../support/publish-world.ts'

const ORDERS_TOPIC = 'shop.eu-west.orders'

const sorted = (seqs: readonly number[]): number[] => seqs.toSorted((a, b) => a - b)

describe('position', () => {
  test('is kept now and then, behind the acknowledgement, and at a stop', async () => {
    const world = await open()
    await world.start()
    await world.turns()
    const before = world.store.writes
    for (let i = 0; i < 50; i++) {
      await world.append({})
      await world.turns()
    }
    expect(world.publisher.status()).toMatchObject({ position: 50, durablePosition: 0 })
    await world.runtime.advance(200)
    expect(world.publisher.status().durablePosition).toBe(50)
    expect(world.store.writes - before).toBe(1)
    await world.append({})
    await world.turns()
    await world.publisher.stop()
    expect(world.publisher.status().durablePosition).toBe(51)
    expect((await world.start()).position()).toBe(51)
  })

  test('is kept at once after a thousand changes', async () => {
    const world = await open()
    await world.start()
    await world.append(...Array.from({ length: 1000 }, (): Partial<Change> => ({})))
    await world.turns()
    expect(world.publisher.status().durablePosition).toBe(1000)
  })

  test('a crash repeats what was not kept yet, and nothing is missing', async () => {
    const world = await open()
    await world.append({}, {})
    await world.start()
    await world.runtime.advance(200)
    await world.append({}, {})
    await world.turns()
    await world.kill()
    await world.start()
    await world.settle()
    expect(sorted(world.seqs(ORDERS_TOPIC))).toEqual([1, 2, 3, 3, 4, 4])
  })

  test('a store that is away holds back the position alone', async () => {
    const world = await open()
    await world.start()
    await world.turns()
    world.store.beforeWrite = () => {
      throw new MeridianError('STORE_UNAVAILABLE', 'The disk is gone.')
    }
    await world.append({})
    await world.runtime.advance(5000)
    expect(world.publisher.status()).toMatchObject({
      position: 1,
      durablePosition: 0,
      error: { code: 'STORE_UNAVAILABLE' },
    })
    world.store.beforeWrite = () => undefined
    await world.settle()
  })

  test('of another life of the store says nothing', async () => {
    const world = await open()
    await world.append({})
    await world.start()
    await world.settle()
    await world.kill()
    const other = { source: 'eu-west.99999999' }
    expect((await world.start(other)).position()).toBe(0)
    await world.settle()
    const records = world.topics.records(ORDERS_TOPIC).filter(isChange)
    expect(records.map(({ headers }) => headers['meridian-store'])).toEqual([SOURCE, other.source])
    expect(records.map(({ headers }) => headers['meridian-prev-seq'])).toEqual(['0', '0'])
  })

  test('is moved by the publisher that started last alone', async () => {
    const world = await open()
    const first = await world.start()
    await world.append({})
    await world.settle()
    const second = await world.start()
    await world.append({})
    await world.runtime.advance(5000)
    expect(first.status().error).toMatchObject({ code: 'CONFLICT', retry: 'never' })
    expect(world.stopped).toMatchObject([{ code: 'CONFLICT' }])
    expect(second.status()).toMatchObject({ durablePosition: 2, error: null })
    await first.stop()
  })

  test('changes that the log does not have any more end the publisher', async () => {
    const world = await open()
    await world.append({}, {})
    await world.log.trim(1)
    await world.start()
    await world.turns()
    expect(world.stopped).toMatchObject([{ code: 'LOG_COMPACTED' }])
  })
})
