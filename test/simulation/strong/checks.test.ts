/** Checks of streams, ranges and refusals, each shown a history that is wrong. */
import { describe, expect, it } from 'vitest'
import { encodeRecord } from '../../../replication/strong/record.ts'
import { encodeTransaction } from '../../../replication/strong/transaction-codec.ts'
import { logSource, type Change } from '../../../src/core/change.ts'
import type { ReadCheck, WriteOp } from '../../../src/core/operations.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import { strongVersion } from '../../../src/core/version.ts'
import type { SqlRow } from '../../../src/core/values.ts'
import { account, accounts, insert, put, read, update } from '../../support/strong-region.ts'
import { World } from '../world/world.ts'
import { violationsOf, type FinalRegion } from './checks.ts'
import { Recorder, type SeenRange, type SentTransaction } from './history.ts'
import { KIND } from './range-work.ts'
import { GROUP } from './region.ts'

const WINDOW = 100
const ON = { ratio: KIND.roster }

function entry(index: number, ops: readonly WriteOp[], reads: readonly ReadCheck[] = []): LogEntry {
  const txId = `tx${index}`
  const commands = [
    { txId, dedupeId: txId, contentHash: txId, basis: index - 1, tenant: '', reads, ops },
  ].map(encodeTransaction)
  const [machineVersion, schemaVersion, nowMs] = [1, 1, index]
  const payload = encodeRecord({
    ...{ machineVersion, schemaVersion, nowMs, kind: 'commands', commands },
  })
  return { index, id: `record${index}`, payload }
}

/** One is put on call, a value is set, and a transaction that read what was before is refused. */
const LOG: readonly LogEntry[] = [
  entry(1, [insert(accounts, account('d0', ON))]),
  entry(2, [update(accounts, 'd0', { balance: put(7) })]),
  entry(
    3,
    [update(accounts, 'd0', { balance: put(8) })],
    [read(accounts, 'x', null), read(accounts, 'd0', strongVersion(1, 0))],
  ),
]
const FIRST = account('d0', ON)
const SECOND = account('d0', { ...ON, balance: 7 })

function change(localSeq: number, more: Partial<Change>): Change {
  return {
    ...{ localSeq, txId: `tx${localSeq}`, index: 0, size: 1, hlc: '', schemaVersion: 1 },
    origin: { source: logSource(GROUP), epoch: 0, seq: localSeq },
    ...{ cause: 'user', tableId: accounts.id, op: 'update', tenant: '', key: ['d0'] },
    ...{ before: null, after: null, version: strongVersion(localSeq, 0), delta: null },
    ...more,
  }
}

const CHANGES: readonly Change[] = [
  change(1, { op: 'insert', after: FIRST }),
  change(2, { before: FIRST, after: SECOND }),
]

const sent: SentTransaction = {
  ...{ txId: 'tx3', floor: 0, began: 1, ended: 2 },
  outcome: { kind: 'refused', code: 'CONFLICT', reads: [1] },
}

function check(
  region: Partial<FinalRegion> = {},
  transactions: readonly SentTransaction[] = [sent],
  fill: (recorder: Recorder) => void = () => undefined,
): string[] {
  const recorder = new Recorder(new World(1))
  recorder.transactions.push(...transactions)
  fill(recorder)
  const rows: SqlRow[] = [['', ...SECOND.map(asStored), strongVersion(2, 0)]]
  return violationsOf(LOG, WINDOW, recorder, [
    {
      ...{ name: 'eu', accounts: rows, sessions: [], group: '', outbox: '', complaints: [] },
      ...{ changes: CHANGES, emitted: CHANGES, ...region },
    },
  ])
}

function asStored(value: SqlRow[number]): SqlRow[number] {
  return Number.isInteger(value) ? BigInt(value as number) : value
}

describe('the checks of a run', () => {
  it('find nothing in a history that is right', () => {
    expect(check()).toEqual([])
  })

  it.each<[string, readonly Change[], RegExp]>([
    ['lacks a change', [CHANGES[0] as Change], /^changes: eu 1 .* leaves .*0n.*, not .*7n/],
    [
      'has one of a refused transaction',
      [...CHANGES, change(3, { before: SECOND, after: account('d0', { ...ON, balance: 8 }) })],
      /^changes: eu 3 .* leaves .*8n.*, not .*7n/,
    ],
    [
      'tells what was not there before',
      [CHANGES[0] as Change, change(2, { before: SECOND, after: SECOND })],
      /^changes: eu 2 .* replaces .*7n.*, but there was/,
    ],
    [
      'has another version',
      [CHANGES[0] as Change, { ...(CHANGES[1] as Change), version: strongVersion(2, 1) }],
      /^changes: eu 2 .* has version/,
    ],
    [
      'has the changes of records in another order',
      [
        change(1, {
          op: 'insert',
          after: SECOND,
          origin: { source: logSource(GROUP), epoch: 0, seq: 2 },
        }),
        change(2, {
          before: SECOND,
          after: FIRST,
          origin: { source: logSource(GROUP), epoch: 0, seq: 1 },
        }),
      ],
      /^changes: eu has 0 rows at 1, not 1/,
    ],
    ['is of rows that the log never had', [...CHANGES, change(9, {})], /is behind the log's end/],
  ])('see a stream that %s', (_what, changes, expected) => {
    expect(check({ changes, emitted: changes })).toContainEqual(expect.stringMatching(expected))
  })

  it('see what was told and is not there', () => {
    const emitted = [...CHANGES, change(3, { before: SECOND })]
    expect(check({ emitted })).toEqual([expect.stringMatching(/^emission: eu told of 3 /)])
  })

  it('see a refusal that names other reads than those that were stale', () => {
    const outcome = { kind: 'refused', code: 'CONFLICT', reads: [0] } as const
    expect(check({}, [{ ...sent, outcome }])).toEqual([expect.stringMatching(/^answer: tx3/)])
  })

  it('see a read at an index before a refusal that was told before it', () => {
    const seen = { level: 'strong', floor: 0, index: 2, ids: [], rows: [] } as const
    const before = check({}, [sent], ({ seen: all }) => all.push({ ...seen, began: 1 }))
    expect(before).toEqual([])
    const after = check({}, [sent], ({ seen: all }) => all.push({ ...seen, began: 3 }))
    expect(after).toEqual(['stale-read: at 2; tx3 had been refused at 3'])
  })

  it('see a transaction that is placed before a refusal that was told before it', () => {
    const outcome = { kind: 'committed', index: 2 } as const
    const late = { txId: 'tx2', floor: 0, began: 3, ended: 4, outcome } as const
    expect(check({}, [sent, late])).toEqual(['order: tx2 is at 2; tx3 had been refused at 3'])
  })

  it('see a range that is not what the log made of it', () => {
    const seen: SeenRange = {
      level: 'strong',
      ...{ began: 1, floor: 0, index: 2, table: accounts, tenant: '', nowMs: 2 },
      query: { where: [], orderBy: [], limit: 5, after: null },
      rows: [{ image: FIRST, version: strongVersion(1, 0) }],
    }
    const found = check({}, [sent], ({ ranges }) => ranges.push(seen))
    expect(found).toEqual([expect.stringMatching(/^wrong-read: a range of accounts at 2 is/)])
  })

  it('see a job that is lost, and one that was taken twice', () => {
    const found = check({}, [sent], ({ jobs }) => jobs.push({ id: 'q1' }, { id: 'd0', mark: 1n }))
    expect(found).toEqual(['range: job q1 is not in eu', 'range: job d0 is not in eu'])
  })
})
