import { describe, expect, test } from 'vitest'
import { toWireError, MeridianError } from '../../../../src/core/errors.ts'
import type { CommitLog, LogEntry, LogTailHandlers } from '../../../../src/core/ports/commit-log.ts'
import { serveCommitLog } from '../../../../src/drivers/commit-log/commit-log-server.ts'
import { createRemoteCommitLog } from '../../../../src/drivers/commit-log/remote-commit-log.ts'
import {
  decodeToLog,
  encodeLogMessage,
  type FromLog,
  type ToLog,
} from '../../../../src/drivers/commit-log/remote-log-codec.ts'
import { TAIL_WINDOW_BYTES } from '../../../../src/drivers/commit-log/remote-log-tail.ts'
import { failureOf, until } from '../../../conformance/support/failure.ts'
import { channelPair, type TestEnd } from '../../../support/channel-pair.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'
import { MemoryCommitLog } from '../../../support/memory-commit-log.ts'

const payload = new Uint8Array([7])
const REQUEST_TIMEOUT_MS = 10_000

/** A remote log whose server is the test. */
interface World {
  readonly runtime: ManualRuntime
  readonly log: CommitLog
  /** The server's ends, one for each channel that was opened. */
  readonly ends: TestEnd[]
  /** While true no channel opens. */
  isCut: boolean
}

function openWorld(): World {
  const runtime = new ManualRuntime()
  const ends: TestEnd[] = []
  const log = createRemoteCommitLog({
    connect: async () => {
      if (world.isCut) throw new MeridianError('REGION_UNREACHABLE', 'cut')
      const { channel, peer } = channelPair()
      ends.push(peer)
      return channel
    },
    runtime,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  })
  const world: World = { runtime, log, ends, isCut: false }
  return world
}

const end = (world: World): TestEnd => world.ends.at(-1) as TestEnd
const received = (peer: TestEnd): ToLog[] => peer.received.map((bytes) => decodeToLog(bytes))
const send = (world: World, message: FromLog): void => end(world).send(encodeLogMessage(message))

/** Answers the calls that came over the last channel. */
function answerAll(world: World, index: number): void {
  for (const message of received(end(world))) {
    if ('call' in message) send(world, { kind: 'done', call: message.call, index })
  }
}

interface Seen {
  readonly entries: LogEntry[]
  readonly failures: unknown[]
}

function watch(log: CommitLog, fromIndex: number): Seen {
  const seen: Seen = { entries: [], failures: [] }
  log.tail('g', fromIndex, {
    onEntries: async (entries) => {
      seen.entries.push(...entries)
    },
    onFailure: (error) => seen.failures.push(error),
  })
  return seen
}

const entries = (tail: number, firstIndex: number, count: number): FromLog => ({
  kind: 'entries',
  tail,
  firstIndex,
  entries: Array.from({ length: count }, (_, i) => ({ id: `${firstIndex + i}`, payload })),
})

/** The number of the tail that the last channel was asked for, and where it begins. */
function askedTail(world: World): Extract<ToLog, { kind: 'tail' }> {
  const tail = received(end(world)).find((message) => message.kind === 'tail')
  if (tail === undefined) throw new Error('no tail was asked for')
  return tail
}

describe('calls', () => {
  test('an answer that is lost is asked for again under the same id', async () => {
    const world = openWorld()
    const append = world.log.append('g', 'one', payload)
    await turns()
    end(world).close()
    await world.runtime.advance(100)
    expect(world.ends).toHaveLength(2)
    expect(received(end(world))).toEqual(received(world.ends[0] as TestEnd))
    answerAll(world, 5)
    expect(await append).toBe(5)
  })

  test('the time-out tells an append that was sent from one that was not', async () => {
    const world = openWorld()
    world.isCut = true
    const unsent = failureOf(world.log.append('g', 'one', payload))
    await world.runtime.advance(REQUEST_TIMEOUT_MS)
    expect(await unsent).toMatchObject({
      code: 'LOG_UNAVAILABLE',
      retry: 'safe',
      cause: { code: 'REGION_UNREACHABLE' },
    })
    world.isCut = false
    await world.runtime.advance(2000)
    const sent = failureOf(world.log.append('g', 'two', payload))
    const read = failureOf(world.log.readIndex('g'))
    await world.runtime.advance(REQUEST_TIMEOUT_MS)
    expect(await sent).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'unknown-outcome' })
    expect(await read).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
    // The late answer finds nobody, and harms nobody.
    answerAll(world, 1)
    const next = world.log.readIndex('g')
    await turns()
    answerAll(world, 9)
    expect(await next).toBe(9)
  })

  test('every read index asks the log', async () => {
    const world = openWorld()
    const reads = [world.log.readIndex('g'), world.log.readIndex('g')]
    await turns()
    expect(received(end(world)).map(({ kind }) => kind)).toEqual(['read-index', 'read-index'])
    answerAll(world, 3)
    expect(await Promise.all(reads)).toEqual([3, 3])
  })

  test('more calls than the window wait in their order', async () => {
    const world = openWorld()
    const reads = Array.from({ length: 700 }, (_, i) => world.log.readIndex(`${i}`))
    await turns()
    expect(received(end(world))).toHaveLength(512)
    const groups = new Set<string>()
    while (groups.size < 700) {
      const fresh = end(world)
        .received.splice(0)
        .map((bytes) => decodeToLog(bytes))
      for (const message of fresh) {
        if (message.kind !== 'read-index') continue
        expect(message.group).toBe(String(groups.size))
        groups.add(message.group)
        send(world, { kind: 'done', call: message.call, index: 1 })
      }
      await turns(2)
    }
    await Promise.all(reads)
  })

  test('a typed failure of the log is the caller’s', async () => {
    const world = openWorld()
    const append = failureOf(world.log.append('g', 'one', payload))
    await turns()
    const error = new MeridianError('LOG_UNAVAILABLE', 'The disk is full.', { retry: 'safe' })
    send(world, { kind: 'failed', call: 1, error: toWireError(error) })
    expect(await append).toMatchObject({ code: 'LOG_UNAVAILABLE', retry: 'safe' })
  })

  test('what the server would refuse is refused here, and harms no other call', async () => {
    const { log } = openWorld()
    const long = 'x'.repeat(300)
    for (const call of [
      () => log.append(long, 'one', payload),
      () => log.append('g', long, payload),
      () => log.readIndex(long),
    ]) {
      expect(await failureOf(call())).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    const large = new Uint8Array(17 * 1024 * 1024)
    expect(await failureOf(log.append('g', 'one', large))).toMatchObject({
      code: 'TRANSACTION_TOO_LARGE',
    })
  })
})

describe('tails', () => {
  test('a tail over a broken link goes on after what it received', async () => {
    const world = openWorld()
    const seen = watch(world.log, 4)
    await turns()
    send(world, entries(askedTail(world).tail, 4, 3))
    await turns()
    end(world).close()
    await world.runtime.advance(100)
    expect(askedTail(world)).toMatchObject({ group: 'g', fromIndex: 6 })
    send(world, entries(askedTail(world).tail, 6, 1))
    send(world, entries(askedTail(world).tail, 7, 2))
    await until(() => seen.entries.length === 5)
    expect(seen.entries.map(({ index, id }) => [index, id])).toEqual(
      [4, 5, 6, 7, 8].map((index) => [index, String(index)]),
    )
    expect(seen.failures).toEqual([])
  })

  test('a log that came back with another entry where the tail was ends it', async () => {
    const world = openWorld()
    const seen = watch(world.log, 1)
    await turns()
    send(world, entries(askedTail(world).tail, 1, 2))
    await turns()
    end(world).close()
    await world.runtime.advance(100)
    const { tail, fromIndex } = askedTail(world)
    expect(fromIndex).toBe(2)
    const others = ['b', 'c'].map((id) => ({ id, payload }))
    send(world, { kind: 'entries', tail, firstIndex: 2, entries: others })
    await until(() => seen.failures.length === 1)
    expect(seen.failures).toMatchObject([{ code: 'POSITION_LOST', details: { index: 2 } }])
    expect(seen.entries.map(({ id }) => id)).toEqual(['1', '2'])
  })

  test.each([
    ['leaves a gap', 3],
    ['repeats an entry', 1],
  ])('a batch that %s ends the tail', async (_, firstIndex) => {
    const world = openWorld()
    const seen = watch(world.log, 1)
    await turns()
    const { tail } = askedTail(world)
    send(world, entries(tail, 1, 1))
    send(world, entries(tail, firstIndex, 1))
    await until(() => seen.failures.length === 1)
    expect(seen.failures).toMatchObject([{ code: 'LOG_GAP', details: { wanted: 2 } }])
    expect(received(end(world)).at(-1)).toEqual({ version: 1, kind: 'stop-tail', tail })
  })

  test('a slow reader holds no more than its window, over a new link too', async () => {
    const world = openWorld()
    const log = new MemoryCommitLog()
    const large = new Uint8Array(1024 * 1024)
    for (let i = 0; i < 12; i++) await log.append('g', `${i}`, large)
    let sentBytes = 0
    let isOpen = true
    const channels: TestEnd[] = []
    const remote = createRemoteCommitLog({
      connect: async () => {
        const { channel, peer } = channelPair()
        channels.push(peer)
        serveCommitLog(log, {
          send: (message) => {
            sentBytes += message.length
            peer.send(message)
          },
          onMessage: (listener) => peer.onMessage(listener),
          onClose: (listener) => peer.onClose(listener),
          close: () => peer.close(),
        })
        return channel
      },
      runtime: world.runtime,
    })
    let release = (): void => undefined
    const indices: number[] = []
    remote.tail('g', 1, {
      onEntries: async (batch) => {
        indices.push(...batch.map(({ index }) => index))
        if (isOpen) {
          await new Promise<void>((resolve) => {
            release = resolve
          })
        }
      },
      onFailure: () => undefined,
    })
    await turns(50)
    const mostBytes = TAIL_WINDOW_BYTES + 2 * large.length
    expect(sentBytes).toBeGreaterThan(TAIL_WINDOW_BYTES / 2)
    expect(sentBytes).toBeLessThan(mostBytes)
    channels[0]?.close()
    await world.runtime.advance(100)
    await turns(50)
    expect(channels).toHaveLength(2)
    expect(sentBytes).toBeLessThan(mostBytes)
    isOpen = false
    release()
    await until(() => indices.length === 12)
    expect(indices).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
    await remote.close()
  })

  test('a failure comes after the entries before it, and ends the tail', async () => {
    const world = openWorld()
    const seen = watch(world.log, 1)
    await turns()
    const { tail } = askedTail(world)
    send(world, entries(tail, 1, 2))
    const compacted = toWireError(new MeridianError('LOG_COMPACTED', 'gone'))
    send(world, { kind: 'tail-failed', tail, error: compacted })
    await until(() => seen.failures.length === 1)
    expect(seen.entries).toHaveLength(2)
    expect(seen.failures).toMatchObject([{ code: 'LOG_COMPACTED' }])
    end(world).close()
    await world.runtime.advance(5000)
    // Nothing is left to open a channel for.
    expect(world.ends).toHaveLength(1)
  })
})

describe('links', () => {
  test('one that does not open backs off, and is open soon after it was of use', async () => {
    const world = openWorld()
    let attempts = 0
    const log = createRemoteCommitLog({
      connect: async () => {
        attempts++
        if (attempts <= 10) throw new MeridianError('REGION_UNREACHABLE', 'cut')
        const { channel, peer } = channelPair()
        world.ends.push(peer)
        return channel
      },
      runtime: world.runtime,
      requestTimeoutMs: 60_000,
    })
    const read = log.readIndex('g')
    // Half of 50, 100, 200, 400 …, 2,000 milliseconds.
    await world.runtime.advance(25 + 50 + 100)
    expect(attempts).toBe(4)
    await world.runtime.advance(7000)
    expect(attempts).toBe(11)
    answerAll(world, 1)
    expect(await read).toBe(1)
    watch(log, 1)
    end(world).close()
    await world.runtime.advance(25)
    expect(attempts).toBe(12)
  })

  test('what is no message drops the link, and calls move to the next', async () => {
    for (const bytes of [
      new Uint8Array([0xc1]),
      encodeLogMessage({ kind: 'done', call: -1, index: 1 }),
      encodeLogMessage({
        kind: 'refused',
        error: toWireError(new MeridianError('PROTOCOL_VERSION', 'another version')),
      }),
    ]) {
      const world = openWorld()
      const read = world.log.readIndex('g')
      await turns()
      end(world).send(bytes)
      await world.runtime.advance(200)
      expect(world.ends).toHaveLength(2)
      answerAll(world, 4)
      expect(await read).toBe(4)
    }
  })

  test('closing fails what waits and opens nothing any more', async () => {
    const world = openWorld()
    const read = failureOf(world.log.readIndex('g'))
    const seen = watch(world.log, 1)
    await turns()
    await world.log.close()
    expect(await read).toMatchObject({ code: 'CLOSED' })
    expect(seen.failures).toMatchObject([{ code: 'CLOSED' }])
    await world.runtime.advance(5000)
    expect(world.ends).toHaveLength(1)
  })

  test.each(['CLOSED', 'LOG_UNAVAILABLE'] as const)(
    'a log that closes or is away on the other side ends no tail (%s)',
    async (code) => {
      const runtime = new ManualRuntime()
      const log = new MemoryCommitLog()
      await log.append('g', 'one', payload)
      const failing: LogTailHandlers[] = []
      const served: CommitLog = {
        append: (group, id, bytes) => log.append(group, id, bytes),
        readIndex: (group) => log.readIndex(group),
        trim: (group, beforeIndex) => log.trim(group, beforeIndex),
        tail: (group, fromIndex, handlers) => {
          failing.push(handlers)
          return log.tail(group, fromIndex, handlers)
        },
        close: () => log.close(),
      }
      const remote = createRemoteCommitLog({
        connect: async () => {
          const { channel, peer } = channelPair()
          serveCommitLog(served, peer)
          return channel
        },
        runtime,
      })
      const seen = watch(remote, 1)
      await until(() => seen.entries.length === 1)
      failing[0]?.onFailure(new MeridianError(code, 'gone'))
      await runtime.advance(200)
      await log.append('g', 'two', payload)
      await until(() => seen.entries.length === 2)
      expect(failing).toHaveLength(2)
      expect(seen.entries.map(({ index }) => index)).toEqual([1, 2])
      expect(seen.failures).toEqual([])
      await remote.close()
    },
  )
})
