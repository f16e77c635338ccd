import { describe, expect, it } from 'vitest'
import type { SqlSession } from '../../../src/core/ports/sql-session.ts'
import { DEFAULT_HRANA_LIMITS } from '../../../src/hrana/limits.ts'
import { StreamPool, callerKey } from '../../../src/hrana/sql-stream.ts'
import { FakeBackend } from '../../support/hrana-backend.ts'
import { ALICE, client } from '../../support/hrana-world.ts'

function pool(backend = new FakeBackend()) {
  const errors: unknown[] = []
  const limits = DEFAULT_HRANA_LIMITS
  const onError = (error: unknown): void => void errors.push(error)
  return { backend, errors, pool: new StreamPool({ backend, limits, onError }) }
}

function run(sql: string): (session: SqlSession) => Promise<unknown> {
  return (session) => session.execute({ sql, args: [], namedArgs: [], wantRows: true })
}

describe('the share of a caller', () => {
  it('is one, for whatever its streams read', () => {
    const limits = { ...DEFAULT_HRANA_LIMITS, maxStreamsPerCaller: 2 }
    const streams = new StreamPool({ backend: new FakeBackend(), limits, onError: () => undefined })
    streams.open(client('a', ['t1']))
    streams.open(client('a', ['t2']))
    expect(() => streams.open(client('a', ['t3']))).toThrow(
      expect.objectContaining({ code: 'TOO_MANY_STREAMS' }),
    )
    expect(() => streams.open(client('b', ['t3']))).not.toThrow()
  })
})

describe('a stream', () => {
  it('makes its calls one after another, a failed one no obstacle', async () => {
    const { pool: streams, backend } = pool()
    const stream = streams.open(ALICE)
    const calls = [stream.call(run('one')), stream.call(run('fail')), stream.call(run('two'))]
    const settled = await Promise.allSettled(calls)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(backend.sessions[0]?.log).toEqual(['one', 'fail', 'two'])
  })

  it('is closed once, after the running call, and makes no further one', async () => {
    const { pool: streams, backend } = pool()
    let release = (): void => undefined
    backend.gate = new Promise((resolve) => (release = resolve))
    const stream = streams.open(ALICE)
    await stream.opened
    const running = stream.call(run('wait'))
    const waiting = stream.call(run('two'))
    await Promise.resolve()
    const closing = Promise.all([stream.close(), stream.close()])
    const refusal = waiting.catch((error: unknown) => error)
    release()
    await running
    await closing
    expect(await refusal).toMatchObject({ code: 'STREAM_CLOSED' })
    await expect(stream.call(run('three'))).rejects.toMatchObject({ code: 'STREAM_CLOSED' })
    expect(backend.sessions[0]?.log).toEqual(['wait', 'closed'])
    expect(streams.size).toBe(0)
  })

  it('gives up its place although its session fails to close, and that is reported', async () => {
    const { pool: streams, backend, errors } = pool()
    const stream = streams.open(ALICE)
    await stream.opened
    await backend.sessions[0]?.close()
    await stream.close()
    expect(streams.size).toBe(0)
    expect(errors).toEqual([expect.objectContaining({ message: 'a session was closed twice' })])
  })

  it('gives up its place when its backend throws at once', async () => {
    const { pool: streams, backend } = pool()
    backend.open = () => {
      throw new Error('no')
    }
    const stream = streams.open(ALICE)
    await expect(stream.opened).rejects.toThrow('no')
    await stream.close()
    expect(streams.size).toBe(0)
  })
})

describe('whom a stream belongs to', () => {
  it('is told by who asks and all that this allows, in whatever order it is listed', () => {
    const key = callerKey(client('a', ['t1', 't2']))
    expect(callerKey(client('a', ['t2', 't1']))).toBe(key)
    expect(callerKey(client('a', ['t1']))).not.toBe(key)
    expect(callerKey(client('a', ['t1,t2']))).not.toBe(key)
    expect(callerKey(client('a'))).not.toBe(key)
    expect(callerKey(client('b', ['t1', 't2']))).not.toBe(key)
    const all = client('a', ['t1', 't2'])
    expect(callerKey({ ...all, kind: 'node' })).not.toBe(key)
    const readOnly = { ...all.principal, scopes: ['read'] as const }
    expect(callerKey({ ...all, principal: readOnly })).not.toBe(key)
    expect(callerKey({ ...all, principal: { ...all.principal, regions: ['eu'] } })).not.toBe(key)
  })
})
