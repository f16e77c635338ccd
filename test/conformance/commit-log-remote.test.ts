import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { CommitLog } from '../../src/core/ports/commit-log.ts'
import type { Channel, Network } from '../../src/core/ports/transport.ts'
import { serveCommitLog } from '../../src/drivers/commit-log/commit-log-server.ts'
import { openFileCommitLog } from '../../src/drivers/commit-log/file-commit-log.ts'
import { createRemoteCommitLog } from '../../src/drivers/commit-log/remote-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { createInProcessNetwork } from '../../src/drivers/transport/in-process-network.ts'
import { describeCommitLogSuite } from './commit-log-suite.ts'
import { openHttpRegions } from './support/http-regions.ts'
import { tempFolder } from './support/temp-folder.ts'

const runtime = systemRuntime
const { timers } = runtime

/** The log of a file at region `b`, as `a` has it over the network. */
async function openOver(network: Network): Promise<CommitLog> {
  const log = await openFileCommitLog({ path: join(tempFolder(), 'log.db'), timers })
  onTestFinished(() => log.close())
  network.listen('b', {
    onRequest: async (message) => message,
    onChannel: (channel: Channel) => serveCommitLog(log, channel),
  })
  const transport = network.transport('a')
  return createRemoteCommitLog({ connect: () => transport.connect('b', 'commit-log'), runtime })
}

describeCommitLogSuite('remote commit log in process', () =>
  openOver(createInProcessNetwork({ oneWayDelayMs: () => 1.5, timers })),
)
describeCommitLogSuite('remote commit log in process without delays', () =>
  openOver(createInProcessNetwork({ oneWayDelayMs: () => 0, timers })),
)
describeCommitLogSuite('remote commit log over a WebSocket', async () =>
  openOver((await openHttpRegions()).network),
)
