import { expect, test } from 'vitest'
import { StatementFailed } from '../../../../../src/core/ports/store.ts'
import { systemRuntime } from '../../../../../src/drivers/runtime/system-runtime.ts'
import { bindStatement } from '../../../../../src/drivers/store/bind.ts'
import type { MemberOutcome } from '../../../../../src/drivers/store/group-commit.ts'
import type { RemoteFailure } from '../../../../../src/drivers/store/remote/batch.ts'
import { unavailable } from '../../../../../src/drivers/store/remote/remote-failure.ts'
import { StatementReader } from '../../../../../src/drivers/store/remote/remote-statement.ts'
import { RemoteWriter } from '../../../../../src/drivers/store/remote/remote-writer.ts'
import { takeLease } from '../../../../../src/drivers/store/remote/store-lease.ts'
import { EngineBatches } from '../../../../support/engine-batches.ts'

const url = 'http://store'
const TIMED_OUT: RemoteFailure = { code: 'TRANSACTION_TIMEOUT', message: 'timed out' }
const lostAnswer = (): never => {
  throw unavailable(url, 'was lost before it answered', 'unknown-outcome')
}

async function openWriter(
  options: { readonly maxRequestBytes?: number; readonly busyTimeoutMs?: number } = {},
): Promise<{
  server: EngineBatches
  commit: (...members: string[][]) => Promise<readonly MemberOutcome[]>
}> {
  const server = new EngineBatches()
  server.db.exec('CREATE TABLE item (k INTEGER PRIMARY KEY, v INTEGER CHECK (v > 0)) STRICT')
  const { timers } = systemRuntime
  const owner = 'me'
  const lease = await takeLease({
    connection: server,
    url,
    timers,
    owner,
    leaseMs: 60_000,
    applicationId: 0,
    format: 0,
  })
  server.sent.length = 0
  const writer = new RemoteWriter({
    connection: server,
    url,
    lease,
    reader: new StatementReader(),
    runtime: systemRuntime,
    busyTimeoutMs: 5_000,
    maxRequestBytes: 1_000_000,
    ...options,
  })
  const commit = (...members: string[][]): Promise<readonly MemberOutcome[]> =>
    writer.commit(members.map((member) => member.map((sql) => bindStatement({ sql, args: [] }))))
  return { server, commit }
}

const insert = (k: number, v = 1): string => `INSERT INTO item VALUES (${k}, ${v})`
const errorOf = (outcome: MemberOutcome | undefined): unknown =>
  outcome?.ok === false ? outcome.error : undefined

test('a group is one batch, whether its members fail or not', async () => {
  const { server, commit } = await openWriter()
  const outcomes = await commit(
    [insert(1)],
    [insert(2), insert(3, 0), insert(4)],
    [insert(5), 'SELECT sum(k) FROM item'],
  )
  expect(server.sent).toHaveLength(1)
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true])
  expect(errorOf(outcomes[1])).toMatchObject({ statementIndex: 1, kind: 'check' })
  expect(outcomes[2]).toMatchObject({ results: [{ rowsAffected: 1 }, { rows: [[6]] }] })
  expect(server.values('SELECT k FROM item')).toEqual([1n, 5n])
})

test('a member that ends the transaction makes each run alone, in order', async () => {
  const { server, commit } = await openWriter()
  const outcomes = await commit(
    [insert(1)],
    ['INSERT OR ROLLBACK INTO item VALUES (1, 1)'],
    [insert(2)],
  )
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true])
  expect(errorOf(outcomes[1])).toBeInstanceOf(StatementFailed)
  expect(server.values('SELECT k FROM item')).toEqual([1n, 2n])
})

test('nothing of a transaction that the server ends within is stored', async () => {
  for (let endedAt = 1; endedAt < 16; endedAt++) {
    const { server, commit } = await openWriter()
    let isEnded = false
    server.onStep = (_, place) => {
      if (place !== endedAt || isEnded) return undefined
      isEnded = true
      // As sqld does when another writer waits: one step is told, those behind it would autocommit.
      if (server.db.inTransaction) server.db.exec('ROLLBACK')
      return { ok: false, failure: TIMED_OUT }
    }
    const outcomes = await commit([insert(1), insert(2)], [insert(3), insert(4)])
    const stored = server.values('SELECT k FROM item')
    const acknowledged = outcomes.flatMap((outcome, i) =>
      outcome.ok ? [1n, 2n].map((k) => k + BigInt(2 * i)) : [],
    )
    expect(stored, `ended before step ${endedAt}`).toEqual(acknowledged)
  }
})

test('a transaction that the server timed out is undone and may be sent again', async () => {
  const { server, commit } = await openWriter()
  server.onStep = ({ sql }) => {
    if (sql !== insert(2)) return undefined
    server.db.exec('ROLLBACK')
    return { ok: false, failure: TIMED_OUT }
  }
  for (const members of [
    [[insert(1), insert(2)]],
    [
      [insert(1), insert(2)],
      [insert(1), insert(2)],
    ],
  ]) {
    for (const outcome of await commit(...members)) {
      expect(errorOf(outcome)).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'safe' })
    }
  }
  expect(server.values('SELECT k FROM item')).toEqual([])
})

test('a lost answer is told as such, never repeated, and cannot come true later', async () => {
  const { server, commit } = await openWriter()
  let delayed: Parameters<EngineBatches['batch']>[0] = []
  server.onBatch = (steps) => {
    delayed = steps
    lostAnswer()
  }
  const [lost] = await commit([insert(1)])
  expect(errorOf(lost)).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'unknown-outcome' })
  expect(server.sent).toHaveLength(1)
  server.onBatch = () => undefined
  expect(await commit([insert(2)])).toMatchObject([{ ok: true }])
  // The network delivers the first one after all.
  await server.batch(delayed)
  expect(server.values('SELECT k FROM item')).toEqual([2n])
})

test('a lost answer of a commit that happened leaves the rows and the next commit works', async () => {
  const { server, commit } = await openWriter()
  server.onAnswer = lostAnswer
  const lost = await commit([insert(1)], [insert(2)])
  expect(lost.map(errorOf)).toMatchObject([
    { retry: 'unknown-outcome' },
    { retry: 'unknown-outcome' },
  ])
  server.onAnswer = () => undefined
  expect(await commit([insert(3)])).toMatchObject([{ ok: true }])
  expect(server.values('SELECT k FROM item')).toEqual([1n, 2n, 3n])
})

test('a node whose store another one took can write no more', async () => {
  const { server, commit } = await openWriter()
  server.db.exec("UPDATE _store SET owner = 'other', fence = fence + 1")
  for (const outcome of await commit([insert(1)], [insert(2)])) {
    expect(errorOf(outcome)).toMatchObject({ code: 'STORE_LOCKED' })
  }
  expect(server.values('SELECT k FROM item')).toEqual([])
})

test('a database that is busy is waited for, and given up in time', async () => {
  const { server, commit } = await openWriter({ busyTimeoutMs: 100 })
  const failure: RemoteFailure = { code: 'SQLITE_BUSY', message: 'database is locked' }
  let refusals = 2
  server.onStep = ({ sql }) => {
    const isRefused = sql === 'BEGIN IMMEDIATE' && refusals-- > 0
    return isRefused ? { ok: false, failure } : undefined
  }
  expect(await commit([insert(1)])).toMatchObject([{ ok: true }])
  refusals = Number.POSITIVE_INFINITY
  const [outcome] = await commit([insert(2)])
  expect(errorOf(outcome)).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'safe' })
})

test('a statement that the server cannot read fails its own transaction alone', async () => {
  const { server, commit } = await openWriter()
  server.unreadable = /^ODD/
  const outcomes = await commit([insert(1)], [insert(2), 'ODD'], [insert(3)])
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true])
  expect(errorOf(outcomes[1])).toMatchObject({ statementIndex: 1, kind: 'other' })
  expect(server.values('SELECT k FROM item')).toEqual([1n, 3n])
})

test('what exceeds a request is refused, what exceeds it together is sent in parts', async () => {
  const { server, commit } = await openWriter({ maxRequestBytes: 300 })
  const long = `INSERT INTO item SELECT 9, 1 -- ${'x'.repeat(400)}`
  const outcomes = await commit([insert(1), insert(2)], [long], [insert(3), insert(4)])
  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true])
  expect(errorOf(outcomes[1])).toMatchObject({ code: 'TRANSACTION_TOO_LARGE' })
  expect(server.sent.length).toBeGreaterThan(1)
  expect(server.values('SELECT k FROM item')).toEqual([1n, 2n, 3n, 4n])
})

test('a commit that the server could not force to the disk has an unknown outcome', async () => {
  const { server, commit } = await openWriter()
  server.onStep = ({ sql }) =>
    sql === 'COMMIT'
      ? { ok: false, failure: { code: 'SQLITE_IOERR', message: 'disk I/O error' } }
      : undefined
  for (const outcome of await commit([insert(1)], [insert(2)])) {
    expect(errorOf(outcome)).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'unknown-outcome' })
  }
})
