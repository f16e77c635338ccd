/**
 * Random logs with transactions that read SQL, cut into batches at random: every region must hold
 * the same bytes, and what a model that runs one transaction after the other holds. Takes about 10 s.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { encodeRecord } from '../../../replication/strong/record.ts'
import {
  decodeTransaction,
  encodeTransaction,
  type TransactionCommand,
} from '../../../replication/strong/transaction-codec.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import { MemoryCommitLog } from '../../support/memory-commit-log.ts'
import { logArbitrary, WINDOW, type LoggedRecord } from '../../support/strong-arbitrary.ts'
import { SerialModel } from '../../support/strong-model.ts'
import {
  account,
  accounts,
  openRegion,
  replicatedState,
  rowsOf,
  schema,
  session,
  sessions,
  upsert,
  type Region,
} from '../../support/strong-region.ts'
import { KNOWN_SQL, knownGuard, type KnownSql } from '../../support/strong-sql.ts'

const opened: Region[] = []
afterEach(async () => {
  for (const region of opened.splice(0)) await region.engine.close()
})

/** A transaction that reads SQL, at a place of the log, as it was some records before. */
interface Reading {
  readonly at: number
  readonly lag: number
  readonly known: KnownSql
  readonly n: number
  readonly id: string
  readonly balance: number
}

const reading: fc.Arbitrary<Reading> = fc.record({
  at: fc.nat({ max: 5 }),
  lag: fc.integer({ min: 0, max: 2 }),
  known: fc.constantFrom(...KNOWN_SQL),
  n: fc.integer({ min: -3, max: 3 }),
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  balance: fc.integer({ min: -3, max: 3 }),
})

function commandOf(drawn: Reading, number: number, model: SerialModel): TransactionCommand {
  const { known, n, id, balance, at } = drawn
  const tenant = known.table === sessions ? 'acme' : ''
  const row = known.table === sessions ? session(id, null, null) : account(id, { balance })
  return {
    txId: `reading${number}`,
    dedupeId: `reading${number}`,
    contentHash: 'same',
    basis: at,
    tenant,
    reads: [knownGuard(known, n, model.images(known.table, tenant))],
    ops: [upsert(known.table, row)],
  }
}

/** The records, each drawn reading first in its own, with what its SQL gave where it was seen. */
function withReadings(records: readonly LoggedRecord[], drawn: readonly Reading[]): LoggedRecord[] {
  const byPlace = new Map(drawn.map((one) => [one.at, one]))
  const model = new SerialModel(WINDOW)
  const first = new Map<number, TransactionCommand>()
  return records.map((record, applied) => {
    for (const [number, one] of drawn.entries()) {
      const isSeenHere = Math.max(0, one.at - one.lag) === applied
      if (isSeenHere && byPlace.get(one.at) === one)
        first.set(one.at, commandOf(one, number, model))
    }
    const leading = record.kind === 'commands' ? first.get(applied) : undefined
    const whole =
      leading === undefined ? record : { ...record, commands: [leading, ...record.commands] }
    model.apply(applied + 1, whole)
    return whole
  })
}

const logs = fc
  .tuple(logArbitrary, fc.array(reading, { minLength: 1, maxLength: 8 }))
  .map(([records, drawn]) => withReadings(records, drawn))

function entriesOf(records: readonly LoggedRecord[]): LogEntry[] {
  return records.map((record, i) => ({
    index: i + 1,
    id: `record${i + 1}`,
    payload: encodeRecord({
      machineVersion: 3,
      schemaVersion: schema.version,
      nowMs: record.nowMs,
      kind: record.kind,
      commands: record.commands.map(encodeTransaction),
    }),
  }))
}

/** A region that has applied the entries, delivered in pieces of these sizes, over and over. */
async function applied(
  entries: readonly LogEntry[],
  sizes: readonly number[],
  faults: StrongFaults = {},
): Promise<Region> {
  let piece = 0
  const log = new MemoryCommitLog(() => sizes[piece++ % sizes.length] as number)
  log.entries.set('main', [...entries])
  const limits = { outcomeWindowRecords: WINDOW, maxRecordsPerBatch: Math.max(...sizes) }
  const region = await openRegion(log, { limits, faults })
  opened.push(region)
  await region.engine.waitApplied(entries.length)
  return region
}

/** Runs a log in a region and in the model, and compares what they hold. */
async function expectAsModel(
  records: readonly LoggedRecord[],
  faults: StrongFaults = {},
): Promise<SerialModel> {
  const model = new SerialModel(WINDOW)
  records.forEach((record, i) => {
    const commands = record.commands.map((c) => decodeTransaction(encodeTransaction(c)))
    model.apply(i + 1, { ...record, commands })
  })
  const region = await applied(entriesOf(records), [4], faults)
  expect(await rowsOf(region.store, accounts)).toEqual(model.rows(accounts))
  expect(await rowsOf(region.store, sessions)).toEqual(model.rows(sessions))
  return model
}

describe('one log with SQL, however it is cut into batches', () => {
  it('makes the same rows, outcomes and outbox in every region', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(logs, cuts, async (records, sizes) => {
        const entries = entriesOf(records)
        const state = await replicatedState((await applied(entries, [1])).store)
        expect(await replicatedState((await applied(entries, sizes)).store)).toBe(state)
        expect(await replicatedState((await applied(entries, [entries.length])).store)).toBe(state)
      }),
      { numRuns: 60 },
    )
  })

  it('must fail: SQL that is compared ahead of the records before it in its batch', async () => {
    const faults = { sqlGuardInsideBatch: true }
    const result = await fc.check(
      fc.asyncProperty(logs, async (records) => {
        const entries = entriesOf(records)
        const single = await applied(entries, [1], faults)
        const whole = await applied(entries, [entries.length], faults)
        expect(await replicatedState(whole.store)).toBe(await replicatedState(single.store))
      }),
      { numRuns: 60, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })
})

describe('the state machine', () => {
  it('does what a model does that runs one transaction after the other', async () => {
    const codes = { OK: 0, CONFLICT: 0 }
    await fc.assert(
      fc.asyncProperty(logs, async (records) => {
        const model = await expectAsModel(records)
        for (const { txId, code } of model.decisions) {
          if (txId.startsWith('reading') && (code === 'OK' || code === 'CONFLICT')) codes[code] += 1
        }
      }),
      { numRuns: 120 },
    )
    // Otherwise no SQL was compared, or none ever held.
    expect(Math.min(codes.OK, codes.CONFLICT)).toBeGreaterThan(10)
  })

  it('must fail: SQL that is not compared lets phantoms through', async () => {
    const result = await fc.check(
      fc.asyncProperty(logs, async (records) => {
        await expectAsModel(records, { sqlGuardIgnored: true })
      }),
      { numRuns: 120, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })
})
