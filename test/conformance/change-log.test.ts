import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import { openFileChangeLog } from '../../src/drivers/change-log/file-change-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { describeChangeLogSuite, records } from './change-log-suite.ts'
import { tempFolder } from './support/temp-folder.ts'

const { timers } = systemRuntime

const open = (path = join(tempFolder(), 'changes.db')): Promise<ChangeLog> =>
  openFileChangeLog({ path, timers })

describeChangeLogSuite('file change log', () => open())

describe('file change log: durability', () => {
  test('goes on where it was after a close and an open, trimmed or not', async () => {
    const path = join(tempFolder(), 'changes.db')
    const first = await open(path)
    await first.append(records(1, 10))
    await first.trim(4)
    await first.close()
    const second = await open(path)
    expect(await second.end()).toBe(10)
    expect(await second.read(4, 100)).toStrictEqual(records(5, 10))
    await second.append(records(9, 12))
    await second.trim(12)
    await second.close()
    const third = await open(path)
    expect(await third.end()).toBe(12)
    expect(await third.read(12, 1)).toEqual([])
    await third.append(records(13, 13))
    expect(await third.read(12, 1)).toStrictEqual(records(13, 13))
    await third.close()
  })
})
