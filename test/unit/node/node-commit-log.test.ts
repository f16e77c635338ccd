import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { FULL_PRINCIPAL, type Caller } from '../../../src/core/principal.ts'
import type { Network } from '../../../src/core/ports/transport.ts'
import { createRemoteCommitLog } from '../../../src/drivers/commit-log/remote-commit-log.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { Closing } from '../../../src/node/closing.ts'
import { openNodeCommitLog } from '../../../src/node/node-commit-log.ts'
import { channelPair } from '../../support/channel-pair.ts'

const EU_NODE: Caller = {
  kind: 'node',
  subject: 'eu',
  principal: { ...FULL_PRINCIPAL, regions: ['eu'] },
}

it('another region appends to the log and reads it, and takes nothing away', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'meridian-log-'))
  const closing = new Closing()
  onTestFinished(async () => {
    await closing.close()
    await rm(directory, { recursive: true, force: true })
  })
  const { serve } = await openNodeCommitLog(
    {
      directory,
      leader: 'us',
      isHere: true,
      regions: ['us', 'eu'],
      network: {} as Network,
      runtime: systemRuntime,
      writer: 'inline',
    },
    closing,
  )
  const connect = async (): Promise<ReturnType<typeof channelPair>['peer']> => {
    const { channel, peer } = channelPair()
    serve?.(channel, EU_NODE)
    return peer
  }
  const remote = closing.add(createRemoteCommitLog({ connect, runtime: systemRuntime }))
  for (const id of ['one', 'two']) await remote.append('main', id, new Uint8Array([1]))
  await expect(remote.trim('main', 2)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  expect(await remote.readIndex('main')).toBe(2)
  const first = await new Promise((resolve, reject) => {
    remote.tail('main', 1, {
      onEntries: async (entries) => resolve(entries[0]?.id),
      onFailure: reject,
    })
  })
  expect(first).toBe('one')
  // What regions support is kept beside the log, and each speaks for itself.
  await remote.support.report('main', 'eu', 3)
  expect([...(await remote.support.reported('main'))]).toEqual([['eu', 3]])
  expect([...(await remote.support.reported('system'))]).toEqual([])
  await expect(remote.support.report('main', 'us', 9)).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
  })
})
