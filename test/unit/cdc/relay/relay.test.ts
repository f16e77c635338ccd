import { describe, expect, onTestFinished, test } from 'vitest'
import { createRelay, type Relay } from '../../../../cdc/relay/relay.ts'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { ChangeLog } from '../../../../src/core/ports/change-log.ts'
import { openFileChangeLog } from '../../../../src/drivers/change-log/file-change-log.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { decodeChange } from '../../../../src/protocol/change-codec.ts'
import { tempFolder } from '../../../conformance/support/temp-folder.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'
import { commitWrites, ORDERS } from '../../../support/stream-schema.ts'
import { openTestStore, type FeedStore } from '../../../support/test-store.ts'

async function openLog(): Promise<ChangeLog> {
  const path = `${tempFolder()}/log.db`
  const changeLog = await openFileChangeLog({ path, timers: systemRuntime.timers })
  onTestFinished(() => changeLog.close())
  return changeLog
}

function startRelay(
  target: FeedStore,
  changeLog: ChangeLog,
  runtime = new ManualRuntime(),
  stops: MeridianError[] = [],
): Relay {
  const relay = createRelay({
    timers: runtime.timers,
    random: runtime.random,
    feed: target.feed(),
    changeLog,
    onStopped: (error) => stops.push(error),
  })
  onTestFinished(() => relay.stop())
  return relay
}

async function write(target: FeedStore, ...ids: readonly string[]): Promise<void> {
  await commitWrites(
    target,
    ids.map((id) => ({ table: ORDERS, tenant: 'acme', id, body: 'x' })),
  )
}

async function logged(changeLog: ChangeLog): Promise<number[]> {
  const records = await changeLog.read(0, 1000)
  return records.map((record) => decodeChange(record.payload).localSeq)
}

describe('relay', () => {
  test('copies every change in order and is woken by a commit', async () => {
    const target = await openTestStore()
    const changeLog = await openLog()
    await write(target, 'a', 'b')
    const relay = startRelay(target, changeLog)
    await turns()
    expect(relay.status()).toEqual({ position: 2, error: null })
    await write(target, 'c')
    await turns()
    expect(await logged(changeLog)).toEqual([1, 2, 3])
    expect(relay.position()).toBe(3)
  })

  test('resumes behind the log, also when an append was stored and its answer lost', async () => {
    const target = await openTestStore()
    const changeLog = await openLog()
    let failures = 2
    const flaky: ChangeLog = {
      append: async (records) => {
        // The first failure stores nothing, the second everything.
        if (failures > 1) {
          failures--
          throw new MeridianError('LOG_UNAVAILABLE', 'No log.')
        }
        await changeLog.append(records)
        if (failures-- > 0) throw new MeridianError('UNKNOWN_OUTCOME', 'No answer.')
      },
      end: () => changeLog.end(),
      read: (position, maxRecords) => changeLog.read(position, maxRecords),
      onAppend: (listener) => changeLog.onAppend(listener),
      trim: (position) => changeLog.trim(position),
      close: () => changeLog.close(),
    }
    const runtime = new ManualRuntime()
    await write(target, 'a')
    const relay = startRelay(target, flaky, runtime)
    await turns()
    expect(relay.status().error).toMatchObject({ code: 'LOG_UNAVAILABLE' })
    await write(target, 'b')
    await runtime.advance(1000)
    expect(relay.status()).toEqual({ position: 2, error: null })
    expect(await logged(changeLog)).toEqual([1, 2])
    await relay.stop()
    await write(target, 'c')
    startRelay(target, changeLog)
    await turns()
    expect(await logged(changeLog)).toEqual([1, 2, 3])
  })

  test('stands still with a typed error, and says so, when changes were pruned unread', async () => {
    const target = await openTestStore()
    const changeLog = await openLog()
    await write(target, 'a', 'b')
    await target.store.write([{ sql: 'DELETE FROM _outbox WHERE seq = 1', args: [] }])
    const stops: MeridianError[] = []
    const relay = startRelay(target, changeLog, new ManualRuntime(), stops)
    await turns()
    expect(relay.status()).toMatchObject({ position: 0, error: { code: 'LOG_COMPACTED' } })
    expect(stops).toMatchObject([{ code: 'LOG_COMPACTED' }])
    expect(await changeLog.end()).toBe(0)
  })

  test('waits longer after every failure and never gives up', async () => {
    const target = await openTestStore()
    const changeLog = await openLog()
    let attempts = 0
    const down: ChangeLog = {
      ...changeLog,
      append: () => {
        attempts++
        return Promise.reject(new MeridianError('LOG_UNAVAILABLE', 'No log.'))
      },
      end: () => changeLog.end(),
      onAppend: (listener) => changeLog.onAppend(listener),
    }
    const runtime = new ManualRuntime()
    await write(target, 'a')
    startRelay(target, down, runtime)
    await runtime.advance(2_000)
    const early = attempts
    expect(early).toBeGreaterThan(3)
    await runtime.advance(60_000)
    expect(attempts - early).toBeGreaterThan(10)
    expect(attempts - early).toBeLessThan(30)
  })
})
