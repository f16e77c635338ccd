import { beforeEach, describe, expect, test } from 'vitest'
import { MAX_QUEUED_WRITES } from '../../../src/core/limits.ts'
import type { CellOp, WriteOp } from '../../../src/core/operations.ts'
import { EventualRegion, image, request, WallClock } from '../../support/eventual-region.ts'
import { carts, COLUMN, eventualSchema } from '../../support/eventual-schema.ts'

let us: EventualRegion

beforeEach(async () => {
  us = await EventualRegion.open('us')
})

const set = (column: keyof typeof COLUMN, value: string | number | null) => ({
  column: COLUMN[column],
  op: { kind: 'set', value } as const,
})
const apply = (column: keyof typeof COLUMN, op: CellOp) => ({ column: COLUMN[column], op })

describe('edits of texts', () => {
  const edit = (count: number): WriteOp => ({
    kind: 'update',
    table: carts.id,
    key: ['c1'],
    cells: [
      apply('notes', {
        kind: 'text',
        edits: Array.from({ length: count }, () => ({ kind: 'append', text: 'x' }) as const),
      }),
    ],
    conditions: [],
  })
  const count = (): WriteOp => ({
    kind: 'update',
    table: carts.id,
    key: ['c1'],
    cells: [apply('quantity', { kind: 'increment', by: 1, floor: null })],
    conditions: [],
  })

  test.each([
    ['in one operation', [edit(2_002)]],
    ['in operations that each repeat those before them', Array.from({ length: 64 }, () => edit(1))],
  ])('are refused when they would keep everybody waiting: %s', async (_in, ops) => {
    await us.insert(carts, 'c1', 'first')
    await expect(us.commit(ops)).rejects.toMatchObject({ code: 'TRANSACTION_TOO_LARGE' })
  })

  test('may be many, among any number of other operations', async () => {
    await us.insert(carts, 'c1', 'first')
    await us.commit([edit(2_001)])
    await us.commit([...Array.from({ length: 300 }, count), edit(1), edit(1)])
    expect((await us.rows(carts)).get('c1')).toEqual(
      image('c1', 'first', { quantity: 300, notes: 'x'.repeat(2_003) }),
    )
  })
})

describe('an insert', () => {
  test('stores the row, its merge state and one outbox row in one transaction', async () => {
    const result = await us.insert(carts, 'c1', 'first', {
      quantity: 2,
      tags: '["x"]',
      notes: 'abc',
    })
    expect(result.position).toEqual({ source: us.source, seq: 1 })
    expect(await us.rows(carts)).toEqual(
      new Map([['c1', image('c1', 'first', { quantity: 2, tags: '["x"]', notes: 'abc' })]]),
    )
    const [change] = await us.changes()
    expect(change).toMatchObject({
      op: 'insert',
      before: null,
      after: image('c1', 'first', { quantity: 2, tags: '["x"]', notes: 'abc' }),
      cause: 'user',
      version: result.hlc,
      origin: { source: us.source, seq: 1 },
    })
    expect(change?.delta?.length).toBeGreaterThan(0)
  })

  test('over a live row is refused and leaves nothing', async () => {
    await us.insert(carts, 'c1', 'first')
    await expect(us.insert(carts, 'c1', 'second')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await us.rows(carts)).toEqual(new Map([['c1', image('c1', 'first')]]))
    expect(await us.changes()).toHaveLength(1)
  })

  test('over a deleted row shows only its own values', async () => {
    await us.insert(carts, 'c1', 'first', { quantity: 5, tags: '["x"]', notes: 'old', amount: 1 })
    await us.delete(carts, 'c1')
    expect(await us.rows(carts)).toEqual(new Map())
    await us.insert(carts, 'c1', 'second', { quantity: 1, notes: 'new' })
    expect(await us.rows(carts)).toEqual(
      new Map([['c1', image('c1', 'second', { quantity: 1, notes: 'new' })]]),
    )
    expect((await us.changes()).map((change) => change.op)).toEqual(['insert', 'delete', 'insert'])
  })

  test('over an expired row ends that row first, with cause ttl', async () => {
    await us.insert(carts, 'c1', 'first', { quantity: 5, expiresAt: us.wallClock.ms + 10 })
    us.wallClock.ms += 10
    await us.insert(carts, 'c1', 'second')
    const changes = await us.changes()
    expect(changes.map(({ op, cause }) => [op, cause])).toEqual([
      ['insert', 'user'],
      ['delete', 'ttl'],
      ['insert', 'user'],
    ])
    expect(changes.map(({ index, size }) => [index, size])).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ])
    expect(await us.rows(carts)).toEqual(new Map([['c1', image('c1', 'second')]]))
  })

  test.each([
    ['null in a column that is not optional', 'title', null, 'CONSTRAINT_VIOLATED'],
    ['a value of another type', 'title', 7, 'INVALID_VALUE'],
    ['a set that is none', 'tags', '{"a":1}', 'INVALID_VALUE'],
    ['a set that is no JSON', 'tags', 'a', 'INVALID_VALUE'],
    ['a counter that is no number', 'quantity', 'many', 'CONSTRAINT_VIOLATED'],
  ] as const)('with %s is refused', async (_, column, value, code) => {
    const row = [...image('c1', 'x')]
    row[COLUMN[column]] = value
    const commit = us.commit([{ kind: 'insert', table: carts.id, rows: [row] }])
    await expect(commit).rejects.toMatchObject({ code })
    expect(await us.rows(carts)).toEqual(new Map())
  })
})

describe('an update', () => {
  beforeEach(() => us.insert(carts, 'c1', 'first', { quantity: 2, tags: '["x"]', notes: 'abc' }))

  test('answers with the row after it and leaves other cells alone', async () => {
    const { updated } = await us.update(
      carts,
      'c1',
      set('title', 'second'),
      apply('quantity', { kind: 'increment', by: 3, floor: null }),
      apply('tags', { kind: 'add', elements: ['y', 'x'] }),
      apply('notes', { kind: 'text', edits: [{ kind: 'insert', at: 1, text: '--' }] }),
    )
    const after = image('c1', 'second', { quantity: 5, tags: '["x","y"]', notes: 'a--bc' })
    expect(updated).toEqual([after])
    expect(await us.rows(carts)).toEqual(new Map([['c1', after]]))
  })

  test('of a missing, a deleted and an expired row is NOT_FOUND', async () => {
    await expect(us.update(carts, 'c2', set('title', 'x'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await us.update(carts, 'c1', set('expiresAt', us.wallClock.ms + 5))
    us.wallClock.ms += 5
    await expect(us.update(carts, 'c1', set('title', 'x'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    await us.insert(carts, 'c3', 'x')
    await us.delete(carts, 'c3')
    await expect(us.update(carts, 'c3', set('title', 'x'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  test.each([
    [
      'an increment with a floor',
      'quantity',
      { kind: 'increment', by: -1, floor: 0 },
      'INVALID_VALUE',
    ],
    [
      'an increment of a register',
      'amount',
      { kind: 'increment', by: 1, floor: null },
      'INVALID_VALUE',
    ],
    ['max of a register', 'amount', { kind: 'max', value: 1 }, 'INVALID_VALUE'],
    ['add on a counter', 'quantity', { kind: 'add', elements: ['x'] }, 'INVALID_VALUE'],
    ['a text edit of a set', 'tags', { kind: 'text', edits: [] }, 'INVALID_VALUE'],
    [
      'a text edit outside the text',
      'notes',
      { kind: 'text', edits: [{ kind: 'insert', at: 9, text: 'x' }] },
      'INVALID_VALUE',
    ],
    [
      'a sum beyond the range',
      'quantity',
      { kind: 'increment', by: Number.MAX_SAFE_INTEGER, floor: null },
      'CONSTRAINT_VIOLATED',
    ],
    ['a write to the key', 'id', { kind: 'set', value: 'c9' }, 'INVALID_ARGUMENT'],
  ] as const)('with %s is refused', async (_, column, op, code) => {
    const before = await us.rows(carts)
    await expect(us.update(carts, 'c1', apply(column, op))).rejects.toMatchObject({ code })
    expect(await us.rows(carts)).toEqual(before)
  })

  test('with a condition that does not hold is refused', async () => {
    const op: WriteOp = {
      kind: 'update',
      table: carts.id,
      key: ['c1'],
      cells: [set('title', 'x')],
      conditions: [{ column: COLUMN.quantity, op: '>', value: 2 }],
    }
    await expect(us.commit([op])).rejects.toMatchObject({ code: 'CONDITION_FAILED' })
  })

  test('that sets a set or a text keeps what stays', async () => {
    await us.update(carts, 'c1', set('tags', '["x","z"]'), set('notes', 'abXc'))
    const [, change] = await us.changes()
    expect(change?.after?.slice(COLUMN.tags, COLUMN.notes + 1)).toEqual(['["x","z"]', 'abXc'])
  })
})

describe('a transaction', () => {
  test('is all or nothing over several rows and tables', async () => {
    const plans = eventualSchema.tableByName.get('pages')?.id ?? 0
    const ops: WriteOp[] = [
      { kind: 'insert', table: carts.id, rows: [image('c1', 'x')] },
      { kind: 'insert', table: plans, rows: [image('p1', 'x')] },
      { kind: 'update', table: carts.id, key: ['none'], cells: [], conditions: [] },
    ]
    await expect(us.commit(ops)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await us.changes()).toEqual([])
    await us.commit(ops.slice(0, 2))
    expect((await us.changes()).map(({ index, size }) => [index, size])).toEqual([
      [0, 2],
      [1, 2],
    ])
  })

  test('makes one change of a row that it writes several times', async () => {
    await us.commit([
      { kind: 'insert', table: carts.id, rows: [image('c1', 'x')] },
      { kind: 'update', table: carts.id, key: ['c1'], cells: [set('title', 'y')], conditions: [] },
      { kind: 'upsert', table: carts.id, rows: [image('c1', 'z')] },
    ])
    expect((await us.changes()).map((change) => [change.op, change.after?.[1]])).toEqual([
      ['insert', 'z'],
    ])
  })

  test('that inserts and deletes a row leaves no trace of it', async () => {
    await us.commit([
      { kind: 'insert', table: carts.id, rows: [image('c1', 'x')] },
      { kind: 'delete', table: carts.id, key: ['c1'], conditions: [] },
    ])
    expect(await us.changes()).toEqual([])
    await us.insert(carts, 'c1', 'y')
  })

  test('conflicts when a row that it read has changed since', async () => {
    const { hlc } = await us.insert(carts, 'c1', 'x')
    const read = { table: carts.id, key: ['c1'], version: hlc }
    const absent = { table: carts.id, key: ['c2'], version: null }
    const op: WriteOp = { kind: 'insert', table: carts.id, rows: [image('c9', 'x')] }
    await us.update(carts, 'c1', set('title', 'y'))
    await expect(us.commit([op], { reads: [read] })).rejects.toMatchObject({ code: 'CONFLICT' })
    await us.commit([op], { reads: [absent] })
    await us.insert(carts, 'c2', 'x')
    await expect(us.commit([op], { reads: [absent] })).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('is refused when it has read a range: nothing compares it here', async () => {
    const range = { where: [], orderBy: [], limit: 1, after: null }
    const reads = [{ table: carts.id, range, digest: '' }]
    await expect(us.commit([], { reads })).rejects.toMatchObject({ code: 'MODE_MISMATCH' })
  })

  test('is refused for tables of another mode or scope, and unknown ones', async () => {
    const insert = (table: string): WriteOp => ({
      kind: 'insert',
      table: eventualSchema.tableByName.get(table)?.id ?? 99,
      rows: [['x']],
    })
    await expect(us.commit([insert('orders')])).rejects.toMatchObject({ code: 'MODE_MISMATCH' })
    await expect(us.commit([insert('plans')])).rejects.toMatchObject({ code: 'TENANT_REQUIRED' })
    await expect(us.commit([insert('none')])).rejects.toMatchObject({ code: 'UNKNOWN_TABLE' })
    await us.commit([insert('plans')], { tenant: '' })
  })
})

describe('idempotency', () => {
  const overrides = { idempotencyKey: 'k', contentHash: 'h' }
  const op: WriteOp = { kind: 'insert', table: carts.id, rows: [image('c1', 'x')] }

  test('a repetition is answered with the first outcome, also when it comes at once', async () => {
    const [first, second] = await Promise.all([
      us.commit([op], overrides),
      us.commit([op], overrides),
    ])
    expect(second).toEqual(first)
    expect(await us.commit([op], overrides)).toEqual(first)
    const restarted = await us.restart()
    expect(await restarted.commit([op], overrides)).toEqual(first)
    expect(await us.changes()).toHaveLength(1)
  })

  test('the same key with other content is refused', async () => {
    await us.commit([op], overrides)
    const other = us.commit([op], { ...overrides, contentHash: 'other' })
    await expect(other).rejects.toMatchObject({ code: 'IDEMPOTENCY_REUSED' })
  })

  test('a key older than the retention is refused', async () => {
    const old = us.commit([op], { issuedAtMs: us.wallClock.ms - 25 * 3_600_000 })
    await expect(old).rejects.toMatchObject({ code: 'IDEMPOTENCY_EXPIRED' })
  })
})

describe('many at once', () => {
  test('transactions on one row share rounds and all count', async () => {
    await us.insert(carts, 'c1', 'x')
    const reads = us.store.reads
    const add = apply('quantity', { kind: 'increment', by: 1, floor: null })
    await Promise.all(Array.from({ length: 100 }, () => us.update(carts, 'c1', add)))
    expect((await us.rows(carts)).get('c1')?.[COLUMN.quantity]).toBe(100)
    expect(us.store.reads - reads).toBeLessThan(10)
  })

  test('a refusal that rests on a write which then fails is computed again', async () => {
    us.store.beforeWrite = () => {
      us.store.beforeWrite = () => undefined
      throw new Error('disk full')
    }
    const [first, second] = await Promise.allSettled([
      us.insert(carts, 'c1', 'first'),
      us.insert(carts, 'c1', 'second'),
    ])
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled'])
    expect((await us.rows(carts)).get('c1')?.[COLUMN.title]).toBe('second')
  })

  test('two nodes on one store lose no increment', async () => {
    const other = await us.restart()
    await us.insert(carts, 'c1', 'x')
    const add = apply('quantity', { kind: 'increment', by: 1, floor: null })
    const nodes = [us, other, us, other, us, other]
    await Promise.all(nodes.map((node) => node.update(carts, 'c1', add)))
    other.wallClock.ms += 1000
    await Promise.all(nodes.map((node) => node.update(carts, 'c1', add)))
    expect((await us.rows(carts)).get('c1')?.[COLUMN.quantity]).toBe(12)
  })

  test('too many waiting ones are shed', async () => {
    const clock = new WallClock()
    const wait = Array.from({ length: MAX_QUEUED_WRITES + 1 }, () =>
      us.engine.commit(request(clock, [], { tenant: 'nobody', idempotencyKey: 'k' })),
    )
    await expect(wait.at(-1)).rejects.toMatchObject({ code: 'OVERLOADED', retry: 'safe' })
    await Promise.allSettled(wait)
  })
})
