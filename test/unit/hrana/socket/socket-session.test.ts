import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { HranaWorld, type Json } from '../../../support/hrana-world.ts'
import { turns } from '../../../support/manual-runtime.ts'

function open(stream_id: number): Json {
  return { type: 'open_stream', stream_id }
}

function run(stream_id: number, sql: string): Json {
  return { type: 'execute', stream_id, stmt: { sql } }
}

/** By request id: `ok`, or the error's code. */
function codes(messages: readonly Json[]): Record<string, unknown> {
  return Object.fromEntries(
    messages.map((message) => [
      message['request_id'],
      message['type'] === 'response_ok' ? 'ok' : (message['error'] as Json)['code'],
    ]),
  )
}

describe('streams', () => {
  it('run their requests in order, each independent of the others', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    let release = (): void => undefined
    world.backend.gate = new Promise((resolve) => (release = resolve))
    socket.ask(1, open(1))
    socket.ask(2, open(2))
    socket.ask(3, run(1, 'wait'))
    socket.ask(4, run(1, 'after'))
    socket.ask(5, run(2, 'free'))
    await turns()
    expect(socket.messages().map((message) => message['request_id'])).toEqual([1, 2, 5])
    release()
    await turns()
    expect(socket.messages().map((message) => message['request_id'])).toEqual([1, 2, 5, 3, 4])
    expect(world.backend.sessions[0]?.log).toEqual(['wait', 'after'])
  })

  it('answer every request that they know', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    const batch = { steps: [{ stmt: { sql_id: 9 } }, { stmt: { sql: 'fail' } }] }
    const answers = await socket.exchange(
      open(1),
      { type: 'store_sql', sql_id: 9, sql: 'stored' },
      { type: 'batch', stream_id: 1, batch },
      { type: 'close_sql', sql_id: 9 },
      { type: 'sequence', stream_id: 1, sql: 'begin;x' },
      { type: 'describe', stream_id: 1, sql: 'd' },
      { type: 'get_autocommit', stream_id: 1 },
      run(1, 'fail'),
      { type: 'close_stream', stream_id: 1 },
    )
    const byId = Object.fromEntries(answers.map((answer) => [answer['request_id'], answer]))
    expect(byId[2]).toMatchObject({
      response: {
        type: 'batch',
        result: {
          step_results: [{ affected_row_count: 1 }, null],
          step_errors: [null, { code: 'SQLITE_CONSTRAINT' }],
        },
      },
    })
    expect(byId[6]).toMatchObject({ response: { type: 'get_autocommit', is_autocommit: false } })
    expect(codes(answers)).toMatchObject({ 0: 'ok', 1: 'ok', 3: 'ok', 4: 'ok', 5: 'ok', 8: 'ok' })
    expect(codes(answers)).toMatchObject({ 7: 'SQLITE_CONSTRAINT' })
    expect(world.backend.sessions[0]?.log.at(-1)).toBe('rolled back')
  })

  it('keep the text of a request that was stored when it came', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    await socket.exchange(
      open(1),
      { type: 'store_sql', sql_id: 1, sql: 'first' },
      { type: 'execute', stream_id: 1, stmt: { sql_id: 1 } },
      { type: 'close_sql', sql_id: 1 },
      { type: 'store_sql', sql_id: 1, sql: 'second' },
      { type: 'execute', stream_id: 1, stmt: { sql_id: 1 } },
    )
    expect(world.backend.sessions[0]?.log).toEqual(['first', 'second'])
  })

  it('refuse ids that are unknown or in use, and leave what is open alone', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    const answers = await socket.exchange(
      open(1),
      open(1),
      run(2, 'x'),
      { type: 'close_stream', stream_id: 2 },
      run(1, 'x'),
      { type: 'fetch_cursor', cursor_id: 1, max_count: 1 },
      { type: 'close_cursor', cursor_id: 1 },
    )
    expect(codes(answers)).toEqual({
      0: 'ok',
      1: 'STREAM_EXISTS',
      2: 'STREAM_NOT_FOUND',
      3: 'STREAM_NOT_FOUND',
      4: 'ok',
      5: 'CURSOR_NOT_FOUND',
      6: 'CURSOR_NOT_FOUND',
    })
    expect(world.backend.sessions).toHaveLength(1)
  })

  it('that failed to open keep their id until they are closed', async () => {
    const world = new HranaWorld()
    const socket = await world.greeted()
    world.backend.opening = Promise.reject(new MeridianError('OVERLOADED', 'Busy.'))
    const cursor = { type: 'open_cursor', stream_id: 1, cursor_id: 1, batch: { steps: [] } }
    const answers = await socket.exchange(
      open(1),
      run(1, 'x'),
      cursor,
      { type: 'fetch_cursor', cursor_id: 1, max_count: 1 },
      { type: 'close_cursor', cursor_id: 1 },
      open(1),
      { type: 'close_stream', stream_id: 1 },
    )
    world.backend.opening = Promise.resolve()
    expect(codes(answers)).toEqual({
      0: 'OVERLOADED',
      1: 'STREAM_NOT_OPEN',
      2: 'STREAM_NOT_OPEN',
      3: 'CURSOR_NOT_OPEN',
      4: 'ok',
      5: 'STREAM_EXISTS',
      6: 'ok',
    })
    expect(codes(await socket.exchange(open(1)))).toEqual({ 0: 'ok' })
    expect(world.service.streams()).toBe(1)
  })

  it('are bounded for a socket', async () => {
    const world = new HranaWorld({ maxStreamsPerSocket: 2 })
    const socket = await world.greeted()
    const answers = await socket.exchange(open(1), open(2), open(3))
    expect(codes(answers)).toEqual({ 0: 'ok', 1: 'ok', 2: 'TOO_MANY_STREAMS' })
  })
})

describe('cursors', () => {
  const steps = [{ stmt: { sql: 'rows 3' } }, { stmt: { sql: 'fail' } }]
  const opened: Json = { type: 'open_cursor', stream_id: 1, cursor_id: 4, batch: { steps } }
  const closed: Json = { type: 'close_cursor', cursor_id: 4 }

  function fetch(max_count: number): Json {
    return { type: 'fetch_cursor', cursor_id: 4, max_count }
  }

  it('give as many entries as are asked for, until they are done', async () => {
    const socket = await new HranaWorld().greeted()
    const answers = await socket.exchange(open(1), opened, fetch(2), fetch(0), fetch(100), fetch(5))
    const fetched = answers.slice(2).map((answer) => answer['response'] as Json)
    expect(fetched.map(({ done }) => done)).toEqual([false, false, true, true])
    expect(fetched.map((one) => (one['entries'] as Json[]).map(({ type }) => type))).toEqual([
      ['step_begin', 'row'],
      [],
      ['row', 'row', 'step_end', 'step_error'],
      [],
    ])
  })

  it('keep other requests off their stream until they are closed', async () => {
    const socket = await new HranaWorld().greeted()
    const other = { ...opened, stream_id: 2 }
    const answers = await socket.exchange(
      ...[open(1), open(2), opened, run(1, 'x'), { ...opened, cursor_id: 5 }, other],
      ...[closed, run(1, 'x'), other],
    )
    expect(codes(answers)).toEqual({
      ...{ 0: 'ok', 1: 'ok', 2: 'ok', 3: 'CURSOR_OPEN', 4: 'CURSOR_OPEN', 5: 'CURSOR_EXISTS' },
      ...{ 6: 'ok', 7: 'ok', 8: 'ok' },
    })
  })

  it('end with their stream', async () => {
    const socket = await new HranaWorld().greeted()
    const end = { type: 'close_stream', stream_id: 1 }
    const answers = await socket.exchange(open(1), opened, end, fetch(1), open(1), opened)
    expect(codes(answers)).toEqual({
      ...{ 0: 'ok', 1: 'ok', 2: 'ok', 3: 'CURSOR_NOT_FOUND', 4: 'ok', 5: 'ok' },
    })
  })

  it('whose batch cannot run keep their id until they are closed', async () => {
    const socket = await new HranaWorld().greeted()
    const wrong = { ...opened, batch: { steps: [{ stmt: { sql_id: 1 } }] } }
    const answers = await socket.exchange(open(1), wrong, fetch(1), closed, run(1, 'x'))
    expect(codes(answers)).toEqual({
      ...{ 0: 'ok', 1: 'SQL_NOT_FOUND', 2: 'CURSOR_NOT_OPEN', 3: 'ok', 4: 'ok' },
    })
  })

  it('and the autocommit state are not in version 2', async () => {
    const socket = await new HranaWorld().greeted('hrana2')
    const state = { type: 'get_autocommit', stream_id: 1 }
    expect(codes(await socket.exchange(open(1), opened, state, run(1, 'x')))).toEqual({
      ...{ 0: 'ok', 1: 'VERSION_TOO_OLD', 2: 'VERSION_TOO_OLD', 3: 'ok' },
    })
  })
})
