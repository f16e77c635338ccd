import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import { delayCommitLog } from '../../src/drivers/commit-log/delayed-commit-log.ts'
import {
  openFileCommitLog,
  type SharedCommitLog,
} from '../../src/drivers/commit-log/file-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { describeCommitLogSuite, watch } from './commit-log-suite.ts'
import { failureOf, until } from './support/failure.ts'
import { tempFolder } from './support/temp-folder.ts'

const { timers } = systemRuntime

const openLog = (path = join(tempFolder(), 'log.db')): Promise<SharedCommitLog> =>
  openFileCommitLog({ path, timers })

describeCommitLogSuite('file commit log', () => openLog())

describeCommitLogSuite('file commit log, a handle', async () => {
  const log = await openLog()
  const handle = log.handle()
  return {
    append: (group, id, payload) => handle.append(group, id, payload),
    tail: (group, fromIndex, handlers) => handle.tail(group, fromIndex, handlers),
    readIndex: (group) => handle.readIndex(group),
    trim: (group, beforeIndex) => handle.trim(group, beforeIndex),
    close: async () => {
      await handle.close()
      await log.close()
    },
  } satisfies CommitLog
})

describeCommitLogSuite('delayed commit log', async () =>
  delayCommitLog(await openLog(), {
    region: 'a',
    leader: 'b',
    members: ['a', 'b', 'c'],
    oneWayDelayMs: () => 1.5,
    timers,
  }),
)

describe('file commit log: sharing and durability', () => {
  const payload = new Uint8Array([1])

  test('goes on where it was after a close and an open', async () => {
    const path = join(tempFolder(), 'log.db')
    const first = await openLog(path)
    await first.append('g', 'one', payload)
    await first.append('g', 'two', payload)
    await first.close()
    const second = await openLog(path)
    expect(await second.append('g', 'one', payload)).toBe(1)
    expect(await second.append('g', 'three', payload)).toBe(3)
    const seen = watch(second, 'g', 1)
    await until(() => seen.entries.length === 3)
    await second.close()
  })

  test('handles see each other’s entries; closing one ends its own tails alone', async () => {
    const log = await openLog()
    const [a, b] = [log.handle(), log.handle()]
    const [seenByA, seenByB] = [watch(a, 'g', 1), watch(b, 'g', 1)]
    await a.append('g', 'one', payload)
    await until(() => seenByA.entries.length === 1 && seenByB.entries.length === 1)
    await a.close()
    expect(await failureOf(a.append('g', 'late', payload))).toMatchObject({ code: 'CLOSED' })
    await b.append('g', 'two', payload)
    await until(() => seenByB.entries.length === 2)
    expect(seenByA.entries).toHaveLength(1)
    expect(seenByB.failures).toEqual([])
    await log.close()
    expect(seenByB.failures).toMatchObject([{ code: 'CLOSED' }])
  })

  test('appends that wait at the same time share commits', async () => {
    const log = await openLog()
    let batches = 0
    let entries = 0
    log.tail('g', 1, {
      onEntries: async (batch) => {
        batches++
        entries += batch.length
      },
      onFailure: () => {},
    })
    await Promise.all(Array.from({ length: 512 }, (_, i) => log.append('g', `${i}`, payload)))
    await until(() => entries === 512)
    expect(batches).toBeLessThan(64)
    await log.close()
  })
})
