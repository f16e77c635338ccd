/**
 * 10,000 messages, a good part of them nonsense, over both faces and in both encodings: each is
 * answered with a type or ends its socket with a code, and every session that was opened is closed.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HttpResponse } from '../../../src/core/ports/http.ts'
import { HranaError } from '../../../src/hrana/errors.ts'
import { jsonCodec } from '../../../src/hrana/json/codec.ts'
import { protobufCodec } from '../../../src/hrana/protobuf/codec.ts'
import { ALICE, FakeSocket, HranaWorld, client } from '../../support/hrana-world.ts'
import { turns } from '../../support/manual-runtime.ts'
import {
  jsonCursor,
  jsonMessage,
  jsonPipeline,
  protobufCursor,
  protobufMessage,
  protobufPipeline,
} from './hrana-arbitrary.ts'

const RUNS = 100
/** In each run, of each of the four kinds. */
const MESSAGES = 25

const LIMITS = {
  maxStreams: 20,
  maxStreamsPerCaller: 12,
  maxStreamsPerSocket: 3,
  maxResponseBytes: 4000,
  maxStoredSqls: 2,
  maxBatchSteps: 3,
  maxSocketRequests: 4,
}

const CLOSE_CODES = [1002, 1003, 1007, 1008]
const BOB = client('bob', ['t2'])

const rejections: unknown[] = []
const onRejection = (reason: unknown): void => void rejections.push(reason)

beforeAll(() => void process.on('unhandledRejection', onRejection))
afterAll(() => void process.off('unhandledRejection', onRejection))

/** Nothing is left, nothing was done twice, and only the planned failure was unexpected. */
async function expectClean(world: HranaWorld): Promise<void> {
  await world.service.close()
  await turns()
  expect(world.service.streams()).toBe(0)
  expect(world.backend.closed).toBe(world.backend.sessions.length)
  expect(world.backend.sessions.every(({ isOpen }) => !isOpen)).toBe(true)
  const unplanned = world.errors.filter((error) => !String(error).includes('/internal/path'))
  expect(unplanned).toEqual([])
  expect(rejections).toEqual([])
}

interface Post {
  readonly path: string
  readonly body: string | Uint8Array
  readonly isBob: boolean
  /** Which of the batons so far, counted from the newest. */
  readonly baton: number
  readonly leaves: boolean
  /** Pieces of a cursor that are read; of a pipeline all. */
  readonly pieces: number
  readonly waitMs: number
}

function posts(path: string, body: fc.Arbitrary<string | Uint8Array>): fc.Arbitrary<Post> {
  return fc.record({
    path: fc.constant(path),
    body,
    isBob: fc.integer({ min: 0, max: 4 }).map((one) => one === 0),
    baton: fc.constantFrom(0, 0, 0, 1, 2, 5),
    leaves: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
    pieces: fc.nat(4),
    waitMs: fc.constantFrom(0, 0, 0, 0, 0, 0, 3000, 10_000),
  })
}

function sequence(first: fc.Arbitrary<Post>, second: fc.Arbitrary<Post>): fc.Arbitrary<Post[]> {
  const post = fc.oneof({ arbitrary: first, weight: 3 }, { arbitrary: second, weight: 1 })
  return fc.array(post, { minLength: MESSAGES, maxLength: MESSAGES })
}

/** Sends one message; what of its answer is text. */
async function send(world: HranaWorld, post: Post, batons: readonly string[]): Promise<string> {
  const baton = batons.at(-1 - post.baton) ?? 'none'
  const body = typeof post.body === 'string' ? post.body.replace('BATON', baton) : post.body
  const leaving = new AbortController()
  const answering = world.request({
    path: post.path,
    body,
    caller: post.isBob ? BOB : ALICE,
    signal: leaving.signal,
  })
  if (post.leaves) leaving.abort()
  const response = await answering
  const text = await read(response, post.pieces)
  if (response.status !== 200) {
    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(JSON.parse(text)).toEqual({ message: expect.any(String), code: expect.any(String) })
  }
  expect(text).not.toContain('/internal/path')
  if (post.waitMs > 0) await world.runtime.advance(post.waitMs)
  return text
}

async function read(response: HttpResponse, pieces: number): Promise<string> {
  const { body = '' } = response
  if (typeof body === 'string') return body
  if (body instanceof Uint8Array) return new TextDecoder().decode(body)
  let text = ''
  let left = pieces
  for await (const piece of body) {
    text += typeof piece === 'string' ? piece : new TextDecoder().decode(piece)
    if (--left < 0) break
  }
  return text
}

describe('over HTTP', () => {
  it('JSON is answered or refused with a type', async () => {
    const arbitrary = sequence(posts('/v3/pipeline', jsonPipeline), posts('/v3/cursor', jsonCursor))
    await fc.assert(
      fc.asyncProperty(arbitrary, async (sent) => {
        const world = new HranaWorld(LIMITS)
        const batons: string[] = []
        for (const post of sent) {
          const text = await send(world, post, batons)
          const baton = /"baton":"([^"]+)"/.exec(text)?.[1]
          if (baton !== undefined) batons.push(baton)
        }
        await expectClean(world)
      }),
      { numRuns: RUNS },
    )
  })

  it('protobuf is answered or refused with a type', async () => {
    const arbitrary = sequence(
      posts('/v3-protobuf/pipeline', protobufPipeline),
      posts('/v3-protobuf/cursor', protobufCursor),
    )
    await fc.assert(
      fc.asyncProperty(arbitrary, async (sent) => {
        const world = new HranaWorld(LIMITS)
        for (const post of sent) await send(world, post, [])
        await expectClean(world)
      }),
      { numRuns: RUNS },
    )
  })
})

describe.each([
  ['hrana3', jsonCodec, jsonMessage],
  ['hrana3-protobuf', protobufCodec, protobufMessage],
] as const)('over a WebSocket, %s', (protocol, codec, arbitrary) => {
  it('is answered once for each request, or the socket is closed with a code', async () => {
    const message: fc.Arbitrary<string | Uint8Array> = arbitrary
    const sequence = fc.array(message, { minLength: MESSAGES, maxLength: MESSAGES })
    await fc.assert(
      fc.asyncProperty(sequence, fc.nat(MESSAGES), async (sent, hangUpAt) => {
        const world = new HranaWorld(LIMITS)
        let socket = await greet(world, protocol)
        let asked = 0
        for (const [i, one] of sent.entries()) {
          socket.receive(one)
          if (socket.closed === undefined && isRequest(codec, one)) asked++
          if (i % 3 === 0) await turns(3)
          if (i === hangUpAt) socket.hangUp()
          if (socket.closed !== undefined) {
            if (socket.closed.code !== 1006) expect(CLOSE_CODES).toContain(socket.closed.code)
            socket = await greet(world, protocol)
            asked = 0
          }
        }
        await turns(50)
        if (socket.closed === undefined) expect(answers(codec, socket)).toBe(asked)
        await expectClean(world)
      }),
      { numRuns: RUNS },
    )
  })
})

/** A socket that has said hello and opened the streams 0 and 1. */
async function greet(world: HranaWorld, protocol: string): Promise<FakeSocket> {
  const socket = world.socket(protocol)
  if (protocol === 'hrana3') {
    socket.receive({ type: 'hello', jwt: 'alice' })
    for (const id of [0, 1]) socket.ask(id, { type: 'open_stream', stream_id: id })
  } else {
    socket.receive(Uint8Array.from([0x0a, 0x07, 0x0a, 0x05, ...Buffer.from('alice')]))
    for (const id of [0, 1]) socket.receive(Uint8Array.from([0x12, 4, 0x12, 2, 0x08, id]))
  }
  await turns(3)
  expect(socket.sent).toHaveLength(3)
  socket.sent.length = 0
  return socket
}

function isRequest(codec: typeof jsonCodec, message: string | Uint8Array): boolean {
  try {
    return codec.decodeClientMessage(message).type === 'request'
  } catch (error) {
    if (error instanceof HranaError) return false
    throw error
  }
}

/** Answers to requests, without those to further hellos. */
function answers(codec: typeof jsonCodec, socket: FakeSocket): number {
  const [hello] = codec === jsonCodec ? ['{"type":"hello_ok"}'] : ['0a00']
  return socket.sent.filter((one) => {
    const text = typeof one === 'string' ? one : Buffer.from(one).toString('hex')
    return text !== hello
  }).length
}
