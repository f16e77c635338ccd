import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { HranaWorld, client, type Json } from '../../../support/hrana-world.ts'
import { turns } from '../../../support/manual-runtime.ts'

function execute(sql: string, extra: Json = {}): Json {
  return { type: 'execute', stmt: { sql, ...extra } }
}

const CLOSE: Json = { type: 'close' }

function codes(results: readonly Json[]): unknown[] {
  return results.map((result) =>
    result['type'] === 'ok' ? 'ok' : (result['error'] as Json)['code'],
  )
}

describe('paths', () => {
  it.each(['/v2', '/v3', '/v3-protobuf'])('says that %s is served', async (path) => {
    const world = new HranaWorld()
    expect((await world.answer({ path, method: 'GET' })).status).toBe(200)
    const { status, headers } = await world.answer({ path, method: 'POST' })
    expect([status, headers['allow']]).toEqual([405, 'GET'])
  })

  it.each(['/v1', '/v1/execute', '/v4/pipeline', '/v2/cursor', '/', '', '/v3/', '/v3/pipelines'])(
    'answers %s with a typed 404',
    async (path) => {
      const { status, text } = await new HranaWorld().answer({ path })
      expect([status, JSON.parse(text)]).toEqual([
        404,
        expect.objectContaining({ code: 'NOT_FOUND' }),
      ])
    },
  )

  it('answers a body that is no message, or too large, with a typed error', async () => {
    const world = new HranaWorld({ maxRequestBytes: 100 })
    const path = '/v2/pipeline'
    const wrong = await world.answer({ path, body: '{' })
    expect([wrong.status, JSON.parse(wrong.text)]).toMatchObject([400, { code: 'MALFORMED' }])
    const large = await world.answer({ path, body: ' '.repeat(101) })
    expect([large.status, JSON.parse(large.text)]).toMatchObject([
      413,
      { code: 'REQUEST_TOO_LARGE' },
    ])
    expect(world.backend.sessions).toEqual([])
  })
})

describe('pipelines', () => {
  it('answers every request in its order, whatever became of those before', async () => {
    const world = new HranaWorld()
    const { status, body, results } = await world.pipeline([
      execute('one', { args: [{ type: 'integer', value: '5' }] }),
      execute('fail'),
      { type: 'sequence', sql: 'begin;two' },
      { type: 'describe', sql: 'three' },
      { type: 'get_autocommit' },
      CLOSE,
      execute('four'),
    ])
    expect([status, body['baton'], body['base_url']]).toEqual([200, null, null])
    expect(codes(results)).toEqual([
      ...['ok', 'SQLITE_CONSTRAINT', 'ok', 'ok', 'ok', 'ok'],
      'STREAM_CLOSED',
    ])
    expect(results[0]).toMatchObject({
      response: { result: { rows: [[{ type: 'integer', value: '5' }]], last_insert_rowid: '7' } },
    })
    expect(results[4]).toEqual({
      type: 'ok',
      response: { type: 'get_autocommit', is_autocommit: false },
    })
    expect(world.backend.sessions[0]?.log).toEqual([
      ...['one', 'fail', 'sequence begin;two', 'describe three', 'rolled back'],
    ])
  })

  it('passes arguments on, and rows back only where they are wanted', async () => {
    const world = new HranaWorld()
    const named_args = [{ name: ':a', value: { type: 'text', value: 'x' } }]
    const { results } = await world.pipeline([
      execute('q', { named_args }),
      execute('rows 3', { want_rows: false }),
    ])
    expect(world.backend.sessions[0]?.statements).toEqual([
      { sql: 'q', args: [], namedArgs: [{ name: ':a', value: 'x' }], wantRows: true },
      { sql: 'rows 3', args: [], namedArgs: [], wantRows: false },
    ])
    expect(results[1]).toMatchObject({ response: { result: { rows: [] } } })
  })

  it('tells of a failure of its own without its text, and reports it', async () => {
    const world = new HranaWorld()
    const { results } = await world.pipeline([execute('crash'), execute('deny')])
    expect(results[0]).toEqual({
      type: 'error',
      error: { message: 'The server failed unexpectedly.', code: 'INTERNAL' },
    })
    expect(results[1]).toMatchObject({ error: { code: 'PERMISSION_DENIED' } })
    expect(world.errors).toEqual([expect.any(TypeError)])
  })

  it('refuses in version 2 what only version 3 has', async () => {
    const world = new HranaWorld()
    const condition = { type: 'not', cond: { type: 'is_autocommit' } }
    const batch = { steps: [{ condition, stmt: { sql: 'q' } }] }
    const { results } = await world.pipeline(
      [{ type: 'get_autocommit' }, { type: 'batch', batch }, execute('q')],
      null,
      { path: '/v2/pipeline' },
    )
    expect(codes(results)).toEqual(['VERSION_TOO_OLD', 'VERSION_TOO_OLD', 'ok'])
  })

  it('stores SQL texts for the stream, within bounds', async () => {
    const world = new HranaWorld({ maxStoredSqls: 2, maxStoredSqlLength: 10 })
    const store = (sql_id: number, sql: string): Json => ({ type: 'store_sql', sql_id, sql })
    const use: Json = { type: 'execute', stmt: { sql_id: 1 } }
    const first = await world.pipeline([
      store(1, 'one'),
      store(1, 'again'),
      store(2, 'x'.repeat(8)),
      store(2, 'two'),
      store(3, ''),
      use,
    ])
    expect(codes(first.results)).toEqual([
      ...['ok', 'SQL_EXISTS', 'SQL_STORE_TOO_LARGE', 'ok', 'SQL_STORE_TOO_MANY', 'ok'],
    ])
    const second = await world.pipeline(
      [
        use,
        { type: 'close_sql', sql_id: 1 },
        use,
        store(3, 'three'),
        { type: 'execute', stmt: { sql: 'a', sql_id: 2 } },
        { type: 'describe' },
      ],
      first.baton,
    )
    expect(codes(second.results)).toEqual([
      ...['ok', 'ok', 'SQL_NOT_FOUND', 'ok', 'SQL_AMBIGUOUS', 'SQL_AMBIGUOUS'],
    ])
    const other = await world.pipeline([use])
    expect(codes(other.results)).toEqual(['SQL_NOT_FOUND'])
  })

  it('bounds the requests of a pipeline and the bytes of its answer', async () => {
    const world = new HranaWorld({ maxPipelineRequests: 3, maxResponseBytes: 1000 })
    const many = await world.pipeline([CLOSE, CLOSE, CLOSE, CLOSE])
    expect([many.status, many.body['code']]).toEqual([400, 'PIPELINE_TOO_LARGE'])
    const { results } = await world.pipeline([execute('big 900'), execute('big 900'), CLOSE])
    expect(codes(results)).toEqual(['ok', 'RESPONSE_TOO_LARGE', 'ok'])
  })

  it('answers what the backend refuses to open with its code', async () => {
    const world = new HranaWorld()
    world.backend.opening = Promise.reject(new MeridianError('TENANT_NOT_FOUND', 'No such tenant.'))
    const { status, body } = await world.pipeline([execute('q')])
    expect([status, body]).toEqual([404, { code: 'TENANT_NOT_FOUND', message: 'No such tenant.' }])
    expect(world.service.streams()).toBe(0)
  })
})

describe('batons', () => {
  it('carry a stream, and its transaction, from request to request', async () => {
    const world = new HranaWorld()
    const first = await world.pipeline([execute('begin')])
    const second = await world.pipeline([execute('commit'), CLOSE], first.baton)
    expect(codes(second.results)).toEqual(['ok', 'ok'])
    expect(second.baton).toBeNull()
    expect(world.backend.sessions).toHaveLength(1)
    expect(world.backend.sessions[0]?.log).toEqual(['begin', 'commit', 'closed'])
  })

  it('work once, and only as they were given', async () => {
    const world = new HranaWorld()
    const { baton } = await world.pipeline([execute('begin')])
    const next = await world.pipeline([execute('one')], baton)
    expect(next.baton).not.toBe(baton)
    for (const wrong of [baton, `${next.baton}x`, next.baton.slice(0, -1), '', 'toString']) {
      const { status, body } = await world.pipeline([execute('two')], wrong)
      expect([status, body['code']]).toEqual([400, 'BATON_INVALID'])
    }
    expect(codes((await world.pipeline([execute('commit')], next.baton)).results)).toEqual(['ok'])
  })

  it('are unknown to every caller but the one who opened the stream', async () => {
    const world = new HranaWorld()
    const { baton } = await world.pipeline([execute('begin')])
    const others = [client('bob', ['t1']), client('alice', ['t2']), client('alice')]
    const answers = []
    for (const caller of others) {
      answers.push((await world.pipeline([execute('commit')], baton, { caller })).body)
    }
    const unknown = await world.pipeline([execute('commit')], 'never-was')
    expect(answers).toEqual([unknown.body, unknown.body, unknown.body])
    expect(codes((await world.pipeline([execute('commit')], baton)).results)).toEqual(['ok'])
  })

  it('expire after 10 s: the stream is rolled back and its owner is told why', async () => {
    const world = new HranaWorld()
    const first = await world.pipeline([execute('begin')])
    await world.runtime.advance(9_999)
    const second = await world.pipeline([execute('one')], first.baton)
    await world.runtime.advance(9_999)
    expect(world.service.streams()).toBe(1)
    await world.runtime.advance(1)
    expect(world.service.streams()).toBe(0)
    expect(world.backend.sessions[0]?.log).toEqual(['begin', 'one', 'rolled back'])
    const late = await world.pipeline([execute('commit')], second.baton)
    expect([late.status, late.body['code']]).toEqual([400, 'STREAM_EXPIRED'])
    const foreign = await world.pipeline([], second.baton, { caller: client('bob') })
    expect(foreign.body['code']).toBe('BATON_INVALID')
  })

  it('do not expire while a request runs', async () => {
    const world = new HranaWorld()
    const { baton } = await world.pipeline([execute('begin')])
    let open = (): void => undefined
    world.backend.gate = new Promise((resolve) => (open = resolve))
    const waiting = world.pipeline([execute('wait'), execute('commit')], baton)
    await world.runtime.advance(60_000)
    open()
    expect(codes((await waiting).results)).toEqual(['ok', 'ok'])
  })
})

describe('limits on streams', () => {
  it('bounds those of one caller and those of all, and says so with 429', async () => {
    const world = new HranaWorld({ maxStreams: 3, maxStreamsPerCaller: 2 })
    const { baton } = await world.pipeline([])
    await world.pipeline([])
    const refused = await world.pipeline([])
    expect([refused.status, refused.body['code']]).toEqual([429, 'TOO_MANY_STREAMS'])
    expect((await world.pipeline([], null, { caller: client('bob') })).status).toBe(200)
    expect((await world.pipeline([], null, { caller: client('eve') })).status).toBe(429)
    await world.pipeline([CLOSE], baton)
    expect((await world.pipeline([])).status).toBe(200)
  })
})

describe('a client that hangs up', () => {
  it('has its stream rolled back after the running statement, and no further one run', async () => {
    const world = new HranaWorld()
    let open = (): void => undefined
    world.backend.gate = new Promise((resolve) => (open = resolve))
    const leaving = new AbortController()
    const requests = [execute('begin'), execute('wait'), execute('two')]
    const waiting = world.pipeline(requests, null, { signal: leaving.signal })
    await turns()
    leaving.abort()
    open()
    await waiting
    expect(world.backend.sessions[0]?.log).toEqual(['begin', 'wait', 'rolled back'])
    expect(world.service.streams()).toBe(0)
  })
})

describe('cursors', () => {
  const steps = [
    { stmt: { sql: 'rows 2' } },
    { stmt: { sql: 'fail' } },
    { stmt: { sql: 'skipped' }, condition: { type: 'ok', step: 1 } },
    { stmt: { sql: 'last' } },
  ]

  it('stream the entries of each step, then leave the stream to its baton', async () => {
    const world = new HranaWorld()
    const body = JSON.stringify({ batch: { steps } })
    const { status, text } = await world.answer({ path: '/v3/cursor', body })
    const [head, ...entries] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Json)
    expect(status).toBe(200)
    expect(entries.map((entry) => entry['type'])).toEqual([
      ...['step_begin', 'row', 'row', 'step_end', 'step_error', 'step_begin', 'row', 'step_end'],
    ])
    const next = await world.pipeline([CLOSE], head?.['baton'] as string)
    expect(codes(next.results)).toEqual(['ok'])
    expect(world.backend.sessions[0]?.log).toEqual(['rows 2', 'fail', 'last', 'closed'])
  })

  it('run a step only when it is reached, and none after their client is gone', async () => {
    const world = new HranaWorld()
    const leaving = new AbortController()
    const many = Array.from({ length: 3 }, () => ({ stmt: { sql: 'big 100000' } }))
    const body = JSON.stringify({ batch: { steps: many } })
    const response = await world.request({ path: '/v3/cursor', body, signal: leaving.signal })
    const pieces = (response.body as AsyncIterable<string>)[Symbol.asyncIterator]()
    await pieces.next()
    await pieces.next()
    leaving.abort()
    expect((await pieces.next()).done).toBe(true)
    expect(world.backend.sessions[0]?.log).toEqual(['big 100000'])
    await world.runtime.advance(10_000)
    expect(world.service.streams()).toBe(0)
  })

  it('end with an error entry when their stream expires because nobody reads', async () => {
    const world = new HranaWorld()
    const body = JSON.stringify({ batch: { steps } })
    const response = await world.request({ path: '/v3/cursor', body })
    const pieces = (response.body as AsyncIterable<string>)[Symbol.asyncIterator]()
    await pieces.next()
    await world.runtime.advance(10_000)
    expect(world.service.streams()).toBe(0)
    const { value } = (await pieces.next()) as { value: string }
    expect(JSON.parse(value)).toMatchObject({ type: 'error', error: { code: 'STREAM_EXPIRED' } })
    expect((await pieces.next()).done).toBe(true)
  })

  it('end when their baton is used before their end', async () => {
    const world = new HranaWorld()
    const body = JSON.stringify({ batch: { steps } })
    const response = await world.request({ path: '/v3/cursor', body })
    const pieces = (response.body as AsyncIterable<string>)[Symbol.asyncIterator]()
    const { value } = (await pieces.next()) as { value: string }
    const { baton } = JSON.parse(value) as { baton: string }
    expect(codes((await world.pipeline([execute('next')], baton)).results)).toEqual(['ok'])
    expect((await pieces.next()).done).toBe(true)
    expect(world.backend.sessions[0]?.log).toEqual(['next'])
  })

  it('are refused, and their stream closed, for a batch that cannot run', async () => {
    const world = new HranaWorld({ maxBatchSteps: 1 })
    const body = JSON.stringify({ batch: { steps } })
    const { status, text } = await world.answer({ path: '/v3/cursor', body })
    expect([status, JSON.parse(text)]).toMatchObject([400, { code: 'BATCH_TOO_LARGE' }])
    expect(world.service.streams()).toBe(0)
  })
})

describe('close', () => {
  it('closes every session and refuses new streams', async () => {
    const world = new HranaWorld()
    const { baton } = await world.pipeline([execute('begin')])
    await world.pipeline([])
    await world.service.close()
    expect(world.backend.closed).toBe(2)
    const refused = await world.pipeline([])
    expect([refused.status, refused.body['code']]).toEqual([503, 'CLOSED'])
    expect((await world.pipeline([], baton)).body['code']).toBe('BATON_INVALID')
  })
})
