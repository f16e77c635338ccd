import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createChangeConsumer,
  type ChangeConsumer,
  type ChangeConsumerOptions,
} from '../../../../cdc/consumer/change-consumer.ts'
import type { Change } from '../../../../src/core/change.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { ChangeLog } from '../../../../src/core/ports/change-log.ts'
import { openFileChangeLog } from '../../../../src/drivers/change-log/file-change-log.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { encodeChange } from '../../../../src/protocol/change-codec.ts'
import { tempFolder } from '../../../conformance/support/temp-folder.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'
import { ORDERS, streamSchema } from '../../../support/stream-schema.ts'

async function openLog(): Promise<ChangeLog> {
  const path = `${tempFolder()}/log.db`
  const changeLog = await openFileChangeLog({ path, timers: systemRuntime.timers })
  onTestFinished(() => changeLog.close())
  return changeLog
}

function change(localSeq: number, index = 0, size = 1): Change {
  return {
    localSeq,
    origin: { source: 'eu.1', epoch: 1, seq: localSeq },
    txId: `tx-${localSeq - index}`,
    index,
    size,
    hlc: '0192aabbccdd0001',
    schemaVersion: 1,
    cause: 'user',
    tableId: ORDERS.id,
    op: 'insert',
    tenant: 'acme',
    key: ['a'],
    before: null,
    // As of a schema without the last column.
    after: ['a', 'x'],
    version: 'v',
    delta: null,
  }
}

function append(changeLog: ChangeLog, ...changes: readonly Change[]): Promise<void> {
  return changeLog.append(
    changes.map((one) => ({ position: one.localSeq, payload: encodeChange(one) })),
  )
}

function consume(
  options: Pick<ChangeConsumerOptions, 'changeLog' | 'handler'> & Partial<ChangeConsumerOptions>,
): ChangeConsumer {
  const runtime = new ManualRuntime()
  const consumer = createChangeConsumer({
    timers: runtime.timers,
    random: runtime.random,
    schema: streamSchema,
    position: 0,
    ...options,
  })
  onTestFinished(() => consumer.stop())
  return consumer
}

describe('change consumer', () => {
  test('hands over whole transactions, from the given position, woken by an append', async () => {
    const changeLog = await openLog()
    const batches: number[][] = []
    await append(changeLog, change(1), change(2, 0, 3), change(3, 1, 3), change(4, 2, 3), change(5))
    const consumer = consume({
      changeLog,
      position: 1,
      maxChanges: 2,
      handler: async (changes) => {
        await Promise.resolve()
        batches.push(changes.map((one) => one.localSeq))
      },
    })
    await turns()
    expect(batches).toEqual([[2, 3, 4], [5]])
    await append(changeLog, change(6))
    await turns()
    expect(batches.at(-1)).toEqual([6])
    expect(consumer.position()).toBe(6)
  })

  test('holds a cut transaction back until its end is there', async () => {
    const changeLog = await openLog()
    const batches: number[][] = []
    await append(changeLog, change(1), change(2, 0, 2))
    consume({
      changeLog,
      handler: (changes) => {
        batches.push(changes.map((one) => one.localSeq))
        return Promise.resolve()
      },
    })
    await turns()
    expect(batches).toEqual([[1]])
    await append(changeLog, change(3, 1, 2))
    await turns()
    expect(batches).toEqual([[1], [2, 3]])
  })

  test('images of an older schema get the defaults of the columns that they lack', async () => {
    const changeLog = await openLog()
    const images: unknown[] = []
    await append(changeLog, change(1))
    consume({
      changeLog,
      handler: ([one]) => {
        images.push(one?.after, one?.before)
        return Promise.resolve()
      },
    })
    await turns()
    expect(images).toEqual([['a', 'x', null], null])
  })

  test('a failed handler gets the same changes again, and nothing is skipped', async () => {
    const changeLog = await openLog()
    const runtime = new ManualRuntime()
    const batches: number[][] = []
    await append(changeLog, change(1))
    const consumer = consume({
      timers: runtime.timers,
      random: runtime.random,
      changeLog,
      handler: (changes) => {
        batches.push(changes.map((one) => one.localSeq))
        return batches.length < 3
          ? Promise.reject(new MeridianError('STORE_UNAVAILABLE', 'No store.'))
          : Promise.resolve()
      },
    })
    await turns()
    expect(consumer.status()).toMatchObject({ position: 0, error: { code: 'STORE_UNAVAILABLE' } })
    await runtime.advance(1000)
    expect(batches).toEqual([[1], [1], [1]])
    expect(consumer.status()).toEqual({ position: 1, error: null })
  })

  test('an error that may not be repeated ends the consumer where it stands', async () => {
    const changeLog = await openLog()
    const runtime = new ManualRuntime()
    let calls = 0
    await append(changeLog, change(1))
    const consumer = consume({
      timers: runtime.timers,
      random: runtime.random,
      changeLog,
      handler: () => {
        calls++
        return Promise.reject(new MeridianError('SCHEMA_INCOMPATIBLE', 'No.'))
      },
    })
    await runtime.advance(60_000)
    await append(changeLog, change(2))
    await turns()
    expect(calls).toBe(1)
    expect(consumer.status()).toMatchObject({ position: 0, error: { retry: 'never' } })
  })

  test('bytes that are no change end it typed', async () => {
    const changeLog = await openLog()
    await changeLog.append([{ position: 1, payload: new Uint8Array([1, 2, 3]) }])
    const consumer = consume({ changeLog, handler: () => Promise.resolve() })
    await turns()
    expect(consumer.status().error).toMatchObject({ code: 'PROTOCOL_MALFORMED' })
  })
})
