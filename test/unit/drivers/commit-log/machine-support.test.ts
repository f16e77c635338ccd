/** What regions support of a group's state machine, where one process keeps the log's file. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { Packr } from 'msgpackr'
import type { MachineSupport } from '../../../../src/core/ports/machine-support.ts'
import type { Channel } from '../../../../src/core/ports/transport.ts'
import { serveCommitLog } from '../../../../src/drivers/commit-log/commit-log-server.ts'
import { createMemorySupport } from '../../../../src/drivers/commit-log/memory-support.ts'
import {
  createRemoteCommitLog,
  type RemoteLog,
} from '../../../../src/drivers/commit-log/remote-commit-log.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { channelPair } from '../../../support/channel-pair.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'

const NAMES = ['us', 'eu']

/** The log from afar; `support` left out: its node is of a release that knows nothing of reports. */
function remote(support?: MachineSupport): RemoteLog {
  const log = new MemoryCommitLog()
  const connect = async (): Promise<Channel> => {
    const { channel, peer } = channelPair()
    serveCommitLog(log, channel, support)
    return peer
  }
  const made = createRemoteCommitLog({ connect, runtime: systemRuntime })
  onTestFinished(() => made.close())
  return made
}

describe('reports in memory', () => {
  it('are the last of each region, by group', async () => {
    const support = createMemorySupport(NAMES)
    await support.report('g', 'us', 2)
    await support.report('g', 'eu', 2)
    await support.report('g', 'us', 3)
    expect([...(await support.reported('g'))]).toEqual([
      ['us', 3],
      ['eu', 2],
    ])
    expect([...(await support.reported('h'))]).toEqual([])
  })

  it('of a region that is not configured, or of ever more groups, are refused', async () => {
    const support = createMemorySupport(NAMES)
    await expect(support.report('g', 'mars', 3)).rejects.toMatchObject({ code: 'REGION_UNKNOWN' })
    const many = Array.from({ length: 65 }, (_, i) => support.report(`g${i}`, 'us', 3))
    const failed = (await Promise.allSettled(many)).filter(({ status }) => status === 'rejected')
    expect(failed).toMatchObject([{ reason: { code: 'OVERLOADED' } }])
  })
})

describe('reports from afar', () => {
  it('are those that the process of the log has', async () => {
    const support = createMemorySupport(NAMES)
    await support.report('g', 'us', 4)
    const eu = remote(support)
    await eu.support.report('g', 'eu', 3)
    expect(await eu.support.reported('g')).toEqual(await support.reported('g'))
    expect((await support.reported('g')).get('eu')).toBe(3)
  })

  it('are refused as its process refuses them', async () => {
    const mars = remote(createMemorySupport(NAMES))
    await expect(mars.support.report('g', 'mars', 3)).rejects.toMatchObject({
      code: 'REGION_UNKNOWN',
    })
  })

  it('go to a log of an earlier release without harm: it has none', async () => {
    const eu = remote()
    await eu.support.report('g', 'eu', 3)
    expect(await eu.support.reported('g')).toEqual(new Map())
    await eu.append('g', 'id', Uint8Array.of(1))
    expect(await eu.readIndex('g')).toBe(1)
  })

  it.each([
    ['no report', 7],
    ['of no version', { region: 'eu', version: -1 }],
    ['of no region', { version: 1 }],
  ])('that are malformed end the channel: %s', async (_what, support) => {
    const { channel, peer } = channelPair()
    let isClosed = false
    peer.onClose(() => {
      isClosed = true
    })
    serveCommitLog(new MemoryCommitLog(), channel, createMemorySupport(NAMES))
    const packr = new Packr({ useRecords: false })
    peer.send(packr.pack({ version: 1, kind: 'read-index', call: 1, group: 'g', support }))
    await expect.poll(() => isClosed).toBe(true)
  })
})
