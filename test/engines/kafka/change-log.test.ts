import { describe, expect, test } from 'vitest'
import type { ChangeLog } from '../../../src/core/ports/change-log.ts'
import { describeChangeLogSuite, records } from '../../conformance/change-log-suite.ts'
import { engines } from '../../support/engines.ts'
import { freshTopic, openEngine } from './support/open-engine.ts'

const open = async (topic = freshTopic()): Promise<ChangeLog> =>
  openEngine(engines().kafka.broker).changeLog({ topic, replicationFactor: 1 })

describeChangeLogSuite('kafka change log', () => open())

describe('kafka change log: durability', () => {
  test('goes on where it was after a close and an open, trimmed or not', async () => {
    const topic = freshTopic()
    const first = await open(topic)
    await first.append(records(1, 10))
    await first.append(records(11, 15))
    await first.trim(12)
    await first.close()
    const second = await open(topic)
    expect(await second.end()).toBe(15)
    expect(await second.read(12, 100)).toStrictEqual(records(13, 15))
    await second.append(records(14, 17))
    await second.trim(17)
    await second.close()
    const third = await open(topic)
    expect(await third.end()).toBe(17)
    expect(await third.read(17, 1)).toEqual([])
    await third.append(records(18, 18))
    expect(await third.read(17, 1)).toStrictEqual(records(18, 18))
  })
})
