import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import {
  ALICE,
  FakeSocket,
  HranaWorld,
  authenticator,
  client,
  type Json,
} from '../../../support/hrana-world.ts'
import { turns } from '../../../support/manual-runtime.ts'

const HELLO: Json = { type: 'hello', jwt: 'alice' }

function open(stream_id: number): Json {
  return { type: 'open_stream', stream_id }
}

function run(stream_id: number, sql: string): Json {
  return { type: 'execute', stream_id, stmt: { sql } }
}

describe('subprotocols', () => {
  it('chooses the latest of those offered', () => {
    const world = new HranaWorld()
    const choose = (...offered: string[]): unknown => {
      const decision = world.service.upgrade(offered, authenticator())
      return decision.kind === 'open' ? decision.protocol : decision.response.status
    }
    expect(choose('hrana2', 'hrana1')).toBe('hrana2')
    expect(choose('hrana2', 'hrana3')).toBe('hrana3')
    expect(choose('hrana1', 'hrana2', 'hrana3', 'hrana3-protobuf')).toBe('hrana3-protobuf')
    expect(choose('hrana1')).toBe(400)
    expect(choose('graphql-ws')).toBe(400)
    expect(choose()).toBe(400)
  })
})

describe('hello', () => {
  it('comes first', async () => {
    const socket = new HranaWorld().socket()
    socket.ask(1, open(1))
    expect(socket.closed).toMatchObject({ code: 1002 })
    expect(socket.sent).toEqual([])
  })

  it('lets requests follow at once and be served in their order', async () => {
    const world = new HranaWorld()
    const socket = world.socket()
    socket.receive(HELLO)
    socket.ask(1, open(1))
    socket.ask(2, run(1, 'one'))
    await turns()
    expect(socket.messages().map(({ type, request_id }) => [type, request_id])).toEqual([
      ['hello_ok', undefined],
      ['response_ok', 1],
      ['response_ok', 2],
    ])
    expect(world.backend.sessions[0]?.caller).toEqual(ALICE)
  })

  it('that is refused is answered with why, and ends the socket', async () => {
    const world = new HranaWorld()
    const socket = world.socket()
    socket.receive({ type: 'hello', jwt: 'mallory' })
    socket.ask(1, open(1))
    await turns()
    expect(socket.messages()).toEqual([
      {
        type: 'hello_error',
        error: { message: 'The token is not valid.', code: 'UNAUTHENTICATED' },
      },
    ])
    expect(socket.closed).toMatchObject({ code: 1008 })
    expect(world.backend.sessions).toEqual([])
  })

  it('may renew a token but not change who speaks', async () => {
    const world = new HranaWorld()
    const socket = world.socket('hrana3', authenticator('bob'))
    socket.receive(HELLO)
    socket.ask(1, open(1))
    socket.receive(HELLO)
    await turns()
    socket.receive({ type: 'hello', jwt: 'bob' })
    socket.ask(2, run(1, 'one'))
    await turns()
    const types = socket.messages().map(({ type }) => type)
    expect(types.filter((type) => type !== 'response_ok')).toEqual([
      ...['hello_ok', 'hello_ok', 'hello_error'],
    ])
    expect(socket.messages().at(-1)).toMatchObject({ error: { code: 'IDENTITY_CHANGED' } })
    expect(socket.closed).toMatchObject({ code: 1008 })
    expect(world.backend.closed).toBe(1)
    expect(world.backend.sessions[0]?.log).toEqual(['closed'])
  })

  it('must come within 10 s', async () => {
    const world = new HranaWorld()
    const socket = world.socket()
    await world.runtime.advance(9_999)
    expect(socket.closed).toBeUndefined()
    await world.runtime.advance(1)
    expect(socket.closed).toMatchObject({ code: 1008 })
  })

  it('is verified again every minute: a token that expired ends the socket', async () => {
    const world = new HranaWorld()
    let problem: Error | undefined
    const socket = world.socket('hrana3', async () => {
      if (problem !== undefined) throw problem
      return ALICE
    })
    socket.receive(HELLO)
    socket.ask(1, open(1))
    await world.runtime.advance(60_000)
    problem = new MeridianError('STORE_UNAVAILABLE', 'The keys cannot be read now.')
    await world.runtime.advance(60_000)
    expect(socket.closed).toBeUndefined()
    problem = new MeridianError('UNAUTHENTICATED', 'The token has expired.')
    await world.runtime.advance(60_000)
    expect(socket.closed).toMatchObject({ code: 1008 })
    expect(socket.messages().at(-1)).toMatchObject({ type: 'hello_error' })
    expect(world.backend.closed).toBe(1)
  })

  it('that renews a token outlives the end of the one before', async () => {
    const world = new HranaWorld()
    const valid = new Set(['old'])
    const socket = world.socket('hrana3', async (jwt) => {
      if (jwt !== null && valid.has(jwt)) return ALICE
      throw new MeridianError('UNAUTHENTICATED', 'The token has expired.')
    })
    socket.receive({ type: 'hello', jwt: 'old' })
    await world.runtime.advance(59_000)
    valid.add('new')
    socket.receive({ type: 'hello', jwt: 'new' })
    valid.delete('old')
    await world.runtime.advance(120_000)
    expect(socket.closed).toBeUndefined()
  })

  it('for which the caller has become another ends the socket', async () => {
    const world = new HranaWorld()
    let caller = ALICE
    const socket = world.socket('hrana3', async () => caller)
    socket.receive(HELLO)
    await turns()
    caller = client('alice', ['t1', 't2'])
    await world.runtime.advance(60_000)
    expect(socket.messages().at(-1)).toMatchObject({ error: { code: 'IDENTITY_CHANGED' } })
    expect(socket.closed).toMatchObject({ code: 1008 })
  })
})

describe('messages', () => {
  it.each([
    ['text that is not JSON', 'x', 1007],
    ['an unknown type', '{"type":"bye"}', 1007],
    ['binary where text was agreed', new Uint8Array([1]), 1003],
  ])('%s closes the socket with a code', async (_, message, code) => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    await socket.exchange(open(1))
    socket.receive(message)
    await turns()
    expect(socket.closed).toMatchObject({ code })
    expect(world.backend.closed).toBe(1)
  })

  it('in text close a socket of protobuf', () => {
    const socket = new HranaWorld().socket('hrana3-protobuf')
    socket.receive(HELLO)
    expect(socket.closed).toMatchObject({ code: 1003 })
  })
})

describe('flow', () => {
  it('stops reading a client that has too many requests under way', async () => {
    const world = new HranaWorld({ maxSocketRequests: 3 })
    const socket = await world.greeted()
    let release = (): void => undefined
    world.backend.gate = new Promise((resolve) => (release = resolve))
    await socket.exchange(open(1))
    socket.ask(1, run(1, 'wait'))
    socket.ask(2, run(1, 'x'))
    await turns()
    expect(socket.paused).toBe(false)
    socket.ask(3, run(1, 'x'))
    expect(socket.paused).toBe(true)
    // What was on its way is served all the same.
    socket.ask(4, run(1, 'x'))
    release()
    await turns()
    expect(socket.paused).toBe(false)
    expect(socket.sent).toHaveLength(5)
  })

  it('stops reading while requests under way hold too many bytes', async () => {
    const world = new HranaWorld({ maxSocketRequestBytes: 1000 })
    const socket = await world.greeted()
    await socket.exchange(open(1))
    socket.ask(1, run(1, 'x'.repeat(1000)))
    expect(socket.paused).toBe(true)
    await turns()
    expect(socket.paused).toBe(false)
  })

  it('is given up at once when answers pile up that were under way together', async () => {
    const world = new HranaWorld({ maxSocketUnsentBytes: 100 })
    const socket = world.socket()
    socket.receive(HELLO)
    for (let stream = 1; stream <= 3; stream++) socket.ask(stream, open(stream))
    for (let stream = 1; stream <= 3; stream++) socket.ask(10 + stream, run(stream, 'one'))
    socket.unsent = 801
    await turns()
    expect(socket.closed).toMatchObject({ code: 1008, reason: 'Answers were not read.' })
    await turns()
    expect(world.service.streams()).toBe(0)
  })

  it('computes no further answers for a client that does not read them, and gives it up', async () => {
    const world = new HranaWorld({ maxSocketUnsentBytes: 100 })
    const socket = await world.greeted()
    await socket.exchange(open(1))
    socket.unsent = 101
    socket.ask(1, run(1, 'one'))
    await world.runtime.advance(1000)
    expect(world.backend.sessions[0]?.log).toEqual([])
    expect(socket.paused).toBe(true)
    socket.unsent = 100
    await world.runtime.advance(10)
    expect(world.backend.sessions[0]?.log).toEqual(['one'])
    socket.unsent = 101
    socket.ask(2, run(1, 'two'))
    await world.runtime.advance(29_000)
    expect(socket.closed).toBeUndefined()
    await world.runtime.advance(1_100)
    expect(socket.closed).toMatchObject({ code: 1008 })
    expect(world.backend.sessions[0]?.log).toEqual(['one', 'closed'])
  })

  it('computes no answer that was asked for before the earlier ones were read', async () => {
    const world = new HranaWorld({ maxSocketUnsentBytes: 100 })
    const socket = await world.greeted()
    let release = (): void => undefined
    world.backend.gate = new Promise((resolve) => (release = resolve))
    await socket.exchange(open(1))
    socket.ask(1, run(1, 'wait'))
    socket.ask(2, run(1, 'two'))
    await turns()
    socket.unsent = 101
    release()
    await world.runtime.advance(1000)
    expect(world.backend.sessions[0]?.log).toEqual(['wait'])
    socket.unsent = 0
    await world.runtime.advance(10)
    expect(world.backend.sessions[0]?.log).toEqual(['wait', 'two'])
  })
})

describe('the end of a socket', () => {
  it('rolls back what its streams have open, after the running statement', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    let release = (): void => undefined
    world.backend.gate = new Promise((resolve) => (release = resolve))
    await socket.exchange(open(1), open(2), run(1, 'begin'), run(2, 'begin'))
    socket.ask(1, run(1, 'wait'))
    socket.ask(2, run(1, 'never'))
    await turns()
    socket.hangUp()
    await turns()
    expect(world.backend.closed).toBe(1)
    release()
    await turns()
    expect(world.backend.sessions.map(({ log }) => log)).toEqual([
      ['begin', 'wait', 'rolled back'],
      ['begin', 'rolled back'],
    ])
    expect(world.service.streams()).toBe(0)
  })

  it('closes a session that was still being opened', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    let release = (): void => undefined
    world.backend.opening = new Promise((resolve) => (release = resolve))
    socket.ask(1, open(1))
    await turns()
    socket.hangUp()
    release()
    await turns()
    expect([world.backend.sessions.length, world.backend.closed]).toEqual([1, 1])
  })

  it('while its hello is verified opens nothing', async () => {
    const world = new HranaWorld()
    let release = (): void => undefined
    const verified = new Promise<void>((resolve) => (release = resolve))
    const socket = world.socket('hrana3', async () => {
      await verified
      return client('alice')
    })
    socket.receive(HELLO)
    socket.ask(1, open(1))
    expect(socket.paused).toBe(true)
    socket.hangUp()
    release()
    await turns()
    expect([socket.sent, world.backend.sessions]).toEqual([[], []])
  })

  it('comes with 1001 when the service closes', async () => {
    const world = new HranaWorld()
    const sockets: FakeSocket[] = [await world.greeted(), world.socket()]
    await sockets[0]?.exchange(open(1))
    await world.service.close()
    expect(sockets.map(({ closed }) => closed?.code)).toEqual([1001, 1001])
    expect(world.backend.closed).toBe(1)
  })
})
