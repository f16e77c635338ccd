import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CommitLog, LogEntry } from '../../../src/core/ports/commit-log.ts'
import { serveCommitLog } from '../../../src/drivers/commit-log/commit-log-server.ts'
import { openFileCommitLog } from '../../../src/drivers/commit-log/file-commit-log.ts'
import { createRemoteCommitLog } from '../../../src/drivers/commit-log/remote-commit-log.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { startDelayProxy, type DelayProxy } from '../../../src/drivers/transport/delay-proxy.ts'
import { openHttpRegions } from '../../conformance/support/http-regions.ts'
import { until } from '../../conformance/support/failure.ts'
import { tempFolder } from '../../conformance/support/temp-folder.ts'

const runtime = systemRuntime
const { timers, random } = runtime
const CUTS = 50

interface World {
  readonly proxy: DelayProxy
  /** As the region that keeps it has it. */
  readonly log: CommitLog
  /** As the other region has it, over the proxy. */
  readonly remote: CommitLog
}

/** `wrap`: what the server does around the log's own append. */
async function openWorld(
  wrap: (append: CommitLog['append'], proxy: DelayProxy) => CommitLog['append'] = (append) =>
    append,
): Promise<World> {
  let proxy: DelayProxy | undefined
  const { a, b } = await openHttpRegions({
    via: async (server) => {
      proxy = await startDelayProxy({ target: server, oneWayDelayMs: () => 3 * random.fraction() })
      return proxy.url
    },
  })
  if (proxy === undefined) throw new Error('the proxy was not started')
  const started = proxy
  const log = await openFileCommitLog({ path: join(tempFolder(), 'log.db'), timers })
  const append = wrap((group, id, payload) => log.append(group, id, payload), started)
  const served: CommitLog = {
    append,
    tail: (group, fromIndex, handlers) => log.tail(group, fromIndex, handlers),
    readIndex: (group) => log.readIndex(group),
    trim: (group, beforeIndex) => log.trim(group, beforeIndex),
    close: () => log.close(),
  }
  b.listen('b', {
    onRequest: async (message) => message,
    onChannel: (channel) => serveCommitLog(served, channel),
  })
  const transport = a.transport('a')
  const remote = createRemoteCommitLog({
    connect: () => transport.connect('b', 'commit-log'),
    runtime,
    requestTimeoutMs: 50_000,
  })
  onTestFinished(async () => {
    await remote.close()
    await started.close()
    await log.close()
  })
  return { proxy: started, log, remote }
}

async function cutFor(proxy: DelayProxy, ms: number): Promise<void> {
  proxy.partition()
  await new Promise((resolve) => setTimeout(resolve, ms))
  await proxy.heal()
}

const payload = new Uint8Array(100)

describe('a commit log over a link that is cut', () => {
  test(`tails have no gap and no repetition over ${CUTS} random cuts`, async () => {
    const { proxy, log, remote } = await openWorld()
    const entries: LogEntry[] = []
    const failures: unknown[] = []
    remote.tail('g', 1, {
      onEntries: async (batch) => {
        entries.push(...batch)
      },
      onFailure: (error) => failures.push(error),
    })
    let isOver = false
    let acknowledged = 0
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 0; !isOver; i++) {
        await remote.append('g', `${writer}-${i}`, payload)
        acknowledged++
      }
    })
    for (let cut = 0; cut < CUTS; cut++) {
      const before = acknowledged
      await until(() => acknowledged > before)
      await cutFor(proxy, 5 * random.fraction())
    }
    isOver = true
    await Promise.all(writers)
    const last = await log.readIndex('g')
    await until(() => entries.length >= last)
    expect(failures).toEqual([])
    expect(entries.map((entry) => entry.index)).toEqual(
      Array.from({ length: last }, (_, i) => i + 1),
    )
    // As many as were acknowledged, each under its own id: none twice, none lost.
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(acknowledged)
    expect(last).toBe(acknowledged)
  })

  test('a cut in the middle of an append makes never two entries', async () => {
    let appends = 0
    const { log, remote } = await openWorld((append, proxy) => async (group, id, bytes) => {
      appends++
      // The first copy of each is stored and its answer lost; the second is answered.
      const isFirst = appends % 2 === 1
      const index = await append(group, id, bytes)
      if (isFirst) await cutFor(proxy, 0)
      return index
    })
    for (let i = 1; i <= 10; i++) expect(await remote.append('g', `${i}`, payload)).toBe(i)
    expect(appends).toBe(20)
    expect(await log.readIndex('g')).toBe(10)
  })
})
