import { describe, expect, test } from 'vitest'
import { Packr } from 'msgpackr'
import { MeridianError } from '../../../../src/core/errors.ts'
import type { CommitLog } from '../../../../src/core/ports/commit-log.ts'
import { serveCommitLog } from '../../../../src/drivers/commit-log/commit-log-server.ts'
import {
  decodeFromLog,
  encodeLogMessage,
  type FromLog,
  type ToLog,
} from '../../../../src/drivers/commit-log/remote-log-codec.ts'
import { channelPair, type TestEnd } from '../../../support/channel-pair.ts'
import { turns } from '../../../support/manual-runtime.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'

const packr = new Packr({ useRecords: false })
const payload = new Uint8Array([1])

/** The peer's end of a channel that the log serves. */
function serve(log: CommitLog): { readonly peer: TestEnd; readonly isClosed: () => boolean } {
  const { channel, peer } = channelPair()
  let isClosed = false
  peer.onClose(() => {
    isClosed = true
  })
  serveCommitLog(log, channel)
  return { peer, isClosed: () => isClosed }
}

const send = (peer: TestEnd, message: ToLog): void => peer.send(encodeLogMessage(message))
const received = (peer: TestEnd): FromLog[] => peer.received.map((bytes) => decodeFromLog(bytes))

/** A log that answers nothing and counts its tails. */
function silentLog(): CommitLog & { tails: number; calls: number } {
  const never = <T>(): Promise<T> => new Promise(() => {})
  const log = {
    tails: 0,
    calls: 0,
    append: (): Promise<number> => {
      log.calls++
      return never()
    },
    readIndex: (): Promise<number> => {
      log.calls++
      return never()
    },
    trim: (): Promise<void> => never(),
    tail: () => {
      log.tails++
      return {
        stop: async () => {
          log.tails--
        },
      }
    },
    close: async (): Promise<void> => {},
  }
  return log
}

describe('the server of a commit log', () => {
  test('answers appends, reads and trims each under its number', async () => {
    const { peer } = serve(new MemoryCommitLog())
    send(peer, { kind: 'append', call: 7, group: 'g', id: 'one', payload })
    send(peer, { kind: 'append', call: 8, group: 'g', id: 'one', payload })
    send(peer, { kind: 'append', call: 9, group: 'g', id: 'two', payload })
    await turns()
    send(peer, { kind: 'read-index', call: 10, group: 'g' })
    await turns()
    expect(received(peer)).toMatchObject([
      { kind: 'done', call: 7, index: 1 },
      { kind: 'done', call: 8, index: 1 },
      { kind: 'done', call: 9, index: 2 },
      { kind: 'done', call: 10, index: 2 },
    ])
  })

  test.each([
    ['bytes that are none', new Uint8Array([0xc1]), 'PROTOCOL_MALFORMED'],
    ['no bytes', new Uint8Array(0), 'PROTOCOL_MALFORMED'],
    ['no map', packr.pack([1, 2]), 'PROTOCOL_MALFORMED'],
    ['no version', packr.pack({ kind: 'credit', tail: 1, creditBytes: 1 }), 'PROTOCOL_MALFORMED'],
    ['another version', packr.pack({ version: 2, kind: 'new' }), 'PROTOCOL_VERSION'],
    ['another kind', packr.pack({ version: 1, kind: 'drop' }), 'PROTOCOL_MALFORMED'],
    [
      'a group of 300 characters',
      packr.pack({ version: 1, kind: 'read-index', call: 1, group: 'x'.repeat(300) }),
      'PROTOCOL_MALFORMED',
    ],
    [
      'a payload that is text',
      packr.pack({ version: 1, kind: 'append', call: 1, group: 'g', id: 'a', payload: 'x' }),
      'PROTOCOL_MALFORMED',
    ],
    [
      'a payload beyond 16 MiB',
      packr.pack({
        ...{ version: 1, kind: 'append', call: 1, group: 'g', id: 'a' },
        payload: new Uint8Array(16 * 1024 * 1024 + 1),
      }),
      'PROTOCOL_MALFORMED',
    ],
    [
      'an index that is negative',
      packr.pack({ version: 1, kind: 'tail', tail: 1, group: 'g', fromIndex: -1, creditBytes: 1 }),
      'PROTOCOL_MALFORMED',
    ],
  ])('refuses %s and closes this channel alone', async (_, bytes, code) => {
    const log = new MemoryCommitLog()
    const [bad, good] = [serve(log), serve(log)]
    bad.peer.send(bytes)
    await turns()
    expect(received(bad.peer)).toMatchObject([{ kind: 'refused', error: { code } }])
    expect(bad.isClosed()).toBe(true)
    send(good.peer, { kind: 'append', call: 1, group: 'g', id: 'one', payload })
    await turns()
    expect(received(good.peer)).toMatchObject([{ kind: 'done', index: 1 }])
  })

  test('bounds the calls and the tails of a channel', async () => {
    const calls: ToLog = { kind: 'read-index', call: 1, group: 'g' }
    const log = silentLog()
    const caller = serve(log)
    for (let i = 0; i < 1025; i++) send(caller.peer, calls)
    await turns()
    expect(log.calls).toBe(1024)
    expect(received(caller.peer)).toMatchObject([
      { kind: 'refused', error: { code: 'OVERLOADED' } },
    ])
    const bytes = serve(log)
    const large = new Uint8Array(16 * 1024 * 1024)
    for (let call = 1; call <= 4; call++) {
      send(bytes.peer, { kind: 'append', call, group: 'g', id: `${call}`, payload: large })
    }
    await turns()
    expect(bytes.isClosed()).toBe(true)
    const reader = serve(log)
    for (let tail = 1; tail <= 1025; tail++) {
      send(reader.peer, { kind: 'tail', tail, group: 'g', fromIndex: 1, creditBytes: 1 })
    }
    await turns()
    expect(reader.isClosed()).toBe(true)
    expect(log.tails).toBe(0)
  })

  test('a tail sends within its credit, at least an entry when there is any', async () => {
    const log = new MemoryCommitLog()
    for (let i = 0; i < 4; i++) await log.append('g', `${i}`, new Uint8Array(1000))
    const { peer } = serve(log)
    const tail = { kind: 'tail', tail: 3, group: 'g', fromIndex: 1, creditBytes: 1 } as const
    send(peer, tail)
    await turns(30)
    expect(received(peer)).toMatchObject([{ kind: 'entries', tail: 3, firstIndex: 1 }])
    send(peer, { kind: 'credit', tail: 3, creditBytes: 500 })
    await turns(30)
    expect(received(peer)).toHaveLength(1)
    send(peer, { kind: 'credit', tail: 3, creditBytes: 4000 })
    await turns(30)
    const sent = received(peer).flatMap((message) =>
      message.kind === 'entries' ? message.entries.map(({ id }) => id) : [],
    )
    expect(sent).toEqual(['0', '1', '2', '3'])
  })

  test('a channel that closes stops its tails and leaves the log open', async () => {
    const log = silentLog()
    const { peer } = serve(log)
    for (let tail = 1; tail <= 3; tail++) {
      send(peer, { kind: 'tail', tail, group: 'g', fromIndex: 1, creditBytes: 1 })
    }
    await turns()
    expect(log.tails).toBe(3)
    send(peer, { kind: 'stop-tail', tail: 2 })
    await turns()
    expect(log.tails).toBe(2)
    peer.close()
    await turns()
    expect(log.tails).toBe(0)
  })

  test('a failure crosses with its code and its word on repeating', async () => {
    const log = silentLog()
    log.append = async () => {
      throw new MeridianError('LOG_UNAVAILABLE', 'The file is away.', { retry: 'unknown-outcome' })
    }
    const { peer } = serve(log)
    send(peer, { kind: 'append', call: 1, group: 'g', id: 'one', payload })
    await turns()
    expect(received(peer)).toMatchObject([
      { kind: 'failed', call: 1, error: { code: 'LOG_UNAVAILABLE', retry: 'unknown-outcome' } },
    ])
  })
})
