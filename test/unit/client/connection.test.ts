import { describe, expect, it, vi } from 'vitest'
import {
  isTransient,
  isTransientWrite,
  type CallContext,
  type Connection,
} from '../../../src/client/connection.ts'
import { MeridianError } from '../../../src/core/errors.ts'
import type { BodyOf } from '../../../src/protocol/messages.ts'
import { Session } from '../../../src/session/session.ts'
import { connectTo, FakeNodes, ok, refused, type Reply } from '../../support/fake-node.ts'

const commit: BodyOf<'commit'> = {
  kind: 'commit',
  request: {
    txId: 't',
    tenant: 'x',
    reads: [],
    ops: [],
    idempotencyKey: 'k',
    contentHash: 'h',
    issuedAtMs: 1,
    basis: 0,
  },
}
const hello: BodyOf<'hello'> = { kind: 'hello' }

function lost(): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', 'No answer.', { retry: 'unknown-outcome' })
}

function cut(): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', 'Not sent.')
}

function begin(connection: Connection, deadlineMs = 500, signal?: AbortSignal): CallContext {
  const bounds = signal === undefined ? { deadlineMs } : { deadlineMs, signal }
  return connection.begin('test', new Session(), bounds)
}

/** A write with retries, as the client sends it. */
function write(nodes: FakeNodes, deadlineMs = 10_000, signal?: AbortSignal): Promise<unknown> {
  const connection = connectTo(nodes)
  const call = begin(connection, deadlineMs, signal)
  return connection.bound(call, () =>
    connection.retry(call, isTransientWrite, () => connection.send('b', commit, call)),
  )
}

describe('a request', () => {
  it('carries version, schema, region, what is left of the deadline, and the session', async () => {
    const nodes = new FakeNodes(ok({ positions: {} }))
    const connection = connectTo(nodes)
    const session = new Session({ positions: { 'a.1': 7 }, nowMs: 9 })
    const call = connection.begin('test', session, { deadlineMs: 500 })
    await connection.send('b', hello, call)
    const { region, header } = nodes.received[0] as (typeof nodes.received)[number]
    expect(region).toBe('b')
    expect(header).toMatchObject({
      version: 1,
      schemaVersion: 1,
      principal: null,
      clientRegion: 'a',
      session: { positions: { 'a.1': 7 }, nowMs: 9 },
      forwarded: false,
    })
    expect(header.timeoutMs).toBeGreaterThan(400)
    expect(header.timeoutMs).toBeLessThanOrEqual(500)
  })

  it('adds what it has seen to its session, and its own way to the receipt', async () => {
    const nodes = new FakeNodes(ok({}, { positions: { 'b.1': 3 }, nowMs: 5 }))
    const connection = connectTo(nodes)
    const call = begin(connection)
    expect((await connection.send('a', hello, call)).receipt.crossRegionRoundTrips).toBe(0)
    expect((await connection.send('b', hello, call)).receipt.crossRegionRoundTrips).toBe(1)
    expect(call.session.state()).toEqual({ positions: { 'b.1': 3 }, nowMs: 5 })
  })

  it('says how many requests its call took, those of its parts among them', async () => {
    const connection = connectTo(new FakeNodes(ok({})))
    const call = begin(connection)
    expect((await connection.send('a', hello, call)).receipt.requests).toBe(1)
    const part = connection.within(call, 100)
    expect((await connection.send('b', hello, part)).receipt.requests).toBe(2)
    expect((await connection.send('a', hello, begin(connection))).receipt.requests).toBe(1)
  })

  it('that is refused throws the node’s error with its receipt, and sees nothing', async () => {
    const error = new MeridianError('SESSION_NOT_MET', 'Not here.', {
      fix: 'Wait.',
      details: { a: 1 },
    })
    const receipt = { level: 'session', region: 'b', crossRegionRoundTrips: 0 } as const
    const connection = connectTo(new FakeNodes(refused(error, receipt)))
    const call = begin(connection)
    await expect(connection.send('b', hello, call)).rejects.toMatchObject({
      code: 'SESSION_NOT_MET',
      message: 'Not here. Wait.',
      fix: 'Wait.',
      details: { a: 1 },
      receipt: { level: 'session', region: 'b', crossRegionRoundTrips: 1 },
    })
    expect(call.session.state().positions).toEqual({})
  })
})

describe('a retry', () => {
  it('repeats the same write until it is answered', async () => {
    const nodes = new FakeNodes(
      cut(),
      lost(),
      refused(new MeridianError('OVERLOADED', 'Busy.')),
      ok({}),
    )
    await write(nodes)
    expect(nodes.received).toHaveLength(4)
    const bodies = new Set(nodes.received.map(({ body }) => JSON.stringify(body)))
    expect(bodies.size).toBe(1)
  })

  it.each(['NOT_FOUND', 'CONFLICT', 'INTERNAL', 'IDEMPOTENCY_REUSED'] as const)(
    'does not repeat what failed with %s',
    async (code) => {
      const nodes = new FakeNodes(refused(new MeridianError(code, 'No.')), ok({}))
      await expect(write(nodes)).rejects.toMatchObject({ code })
      expect(nodes.received).toHaveLength(1)
    },
  )

  it('of a read does not repeat an unknown outcome that is not a lost link', async () => {
    const nodes = new FakeNodes(refused(new MeridianError('UNKNOWN_OUTCOME', 'Who knows.')), ok({}))
    const connection = connectTo(nodes)
    const call = begin(connection)
    const read = connection.retry(call, isTransient, () => connection.send('a', hello, call))
    await expect(read).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
  })

  it.each<[string, Reply[]]>([
    ['the link was cut afterwards', [lost(), cut()]],
    ['the region was busy afterwards', [lost(), refused(new MeridianError('OVERLOADED', 'Busy.'))]],
  ])('keeps saying that the outcome is unknown when %s', async (_what, replies) => {
    const error = await write(new FakeNodes(...replies), 40).catch((e: unknown) => e)
    expect(error).toMatchObject({ retry: 'unknown-outcome' })
    expect((error as MeridianError).fix).toContain('idempotency key')
  })

  it.each(['UNAUTHENTICATED', 'PERMISSION_DENIED', 'SCHEMA_INCOMPATIBLE'] as const)(
    'a refusal at the door, %s, says nothing of the attempt before, whose answer was lost',
    async (code) => {
      const nodes = new FakeNodes(lost(), refused(new MeridianError(code, 'Not you.')))
      await expect(write(nodes)).rejects.toMatchObject({ code, retry: 'unknown-outcome' })
      const alone = new FakeNodes(refused(new MeridianError(code, 'Not you.')))
      await expect(write(alone)).rejects.toMatchObject({ code, retry: 'never' })
    },
  )

  it('what the write was judged with holds for the attempt before as well', async () => {
    const nodes = new FakeNodes(lost(), refused(new MeridianError('CONFLICT', 'Changed.')))
    await expect(write(nodes)).rejects.toMatchObject({ code: 'CONFLICT', retry: 'safe' })
  })

  it('says that nothing happened when no attempt was ever sent', async () => {
    await expect(write(new FakeNodes(cut()), 40)).rejects.toMatchObject({ retry: 'safe' })
  })
})

describe('a deadline', () => {
  it('ends a write that was sent with an unknown outcome', async () => {
    await expect(write(new FakeNodes('silence'), 20)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      retry: 'unknown-outcome',
    })
  })

  it('that has passed keeps anything from being sent', async () => {
    const nodes = new FakeNodes(ok({}))
    const connection = connectTo(nodes)
    const call = connection.within(begin(connection), -1)
    await expect(connection.send('a', hello, call)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      retry: 'safe',
    })
    await expect(connection.bound(call, async () => 1)).rejects.toThrow('deadline')
    expect(nodes.received).toEqual([])
  })

  it('is the connection’s when the call names none', async () => {
    const connection = connectTo(new FakeNodes('silence'), 15)
    const call = connection.begin('test', new Session(), undefined)
    const startMs = performance.now()
    await expect(
      connection.bound(call, () => connection.send('a', hello, call)),
    ).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(performance.now() - startMs).toBeLessThan(1_000)
  })
})

describe('a call that ends between two attempts', () => {
  it('says what kept it', async () => {
    const connection = connectTo(new FakeNodes(cut(), 'silence'))
    const call = begin(connection, 40)
    const running = connection.bound(call, () =>
      connection.retry(call, isTransient, () => connection.send('b', hello, call)),
    )
    await expect(running).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      cause: { code: 'REGION_UNREACHABLE' },
    })
  })
})

describe('a signal', () => {
  it('ends a call between two attempts, and keeps its outcome unknown', async () => {
    const controller = new AbortController()
    const nodes = new FakeNodes(lost())
    const running = write(nodes, 5_000, controller.signal)
    setTimeout(() => controller.abort(), 10)
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED', retry: 'unknown-outcome' })
    const sent = nodes.received.length
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
    expect(nodes.received.length).toBe(sent)
  })

  it('is left alone once the call is over', async () => {
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    await write(new FakeNodes(ok({})), 500, signal)
    await expect(write(new FakeNodes('silence'), 10, signal)).rejects.toThrow('deadline')
    expect(added).toHaveBeenCalledTimes(2)
    expect(removed.mock.calls).toEqual(added.mock.calls)
  })
})

describe('closing', () => {
  it('ends calls in flight once, and forgets those that are over', async () => {
    const connection = connectTo(new FakeNodes(ok({}), 'silence'))
    const first = begin(connection)
    await connection.bound(first, () => connection.send('a', hello, first))
    const second = begin(connection)
    const running = connection.bound(second, () => connection.send('b', commit, second))
    connection.close()
    connection.close()
    await expect(running).rejects.toMatchObject({ code: 'CLOSED', retry: 'unknown-outcome' })
  })
})
