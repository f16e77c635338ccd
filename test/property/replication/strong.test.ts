/**
 * Random transactions through the log, cut into batches at random: every region must hold the same
 * bytes (protocol rule 13), and what a model that runs one transaction after the other holds.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { encodeRecord } from '../../../replication/strong/record.ts'
import {
  decodeTransaction,
  encodeTransaction,
} from '../../../replication/strong/transaction-codec.ts'
import { isRangeGuard } from '../../../src/core/operations.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import { MemoryCommitLog } from '../../support/memory-commit-log.ts'
import {
  openRegion,
  replicatedState,
  rowsOf,
  schema,
  sessions,
  accounts,
  type Region,
} from '../../support/strong-region.ts'
import { logArbitrary, WINDOW, type LoggedRecord } from '../../support/strong-arbitrary.ts'
import { SerialModel } from '../../support/strong-model.ts'

const opened: Region[] = []
afterEach(async () => {
  for (const region of opened.splice(0)) await region.engine.close()
})

function entriesOf(records: readonly LoggedRecord[]): LogEntry[] {
  return records.map((record, i) => ({
    index: i + 1,
    id: `record${i + 1}`,
    payload: encodeRecord({
      machineVersion: record.commands.some((c) => c.reads.some(isRangeGuard)) ? 2 : 1,
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

describe('one log, however it is cut into batches', () => {
  it('makes the same rows, outcomes and outbox in every region', async () => {
    await fc.assert(
      fc.asyncProperty(
        logArbitrary,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
        async (records, sizes) => {
          const entries = entriesOf(records)
          const single = await applied(entries, [1])
          const random = await applied(entries, sizes)
          const whole = await applied(entries, [entries.length])
          const state = await replicatedState(single.store)
          expect(await replicatedState(random.store)).toBe(state)
          expect(await replicatedState(whole.store)).toBe(state)
        },
      ),
      { numRuns: 150 },
    )
  })

  it.each([
    ['evaluation that does not see its own batch', { ignoreOverlay: true }],
    ['ranges that are read as they were before the batch', { rangeGuardWithoutOverlay: true }],
  ])('must fail: %s', async (_name, faults) => {
    const result = await fc.check(
      fc.asyncProperty(logArbitrary, async (records) => {
        const entries = entriesOf(records)
        const single = await applied(entries, [1], faults)
        const whole = await applied(entries, [entries.length], faults)
        expect(await replicatedState(whole.store)).toBe(await replicatedState(single.store))
      }),
      { numRuns: 150, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })

  it('reads a batch at once: the number of reads does not grow with its records', async () => {
    const records = fc.sample(logArbitrary, { numRuns: 20, seed: 1 }).flat()
    const commands = records.filter((r) => r.kind === 'commands')
    const entries = entriesOf(commands)
    const region = await applied(entries, [entries.length])
    const store = region.store as unknown as { reads: number; writes: number }
    // Opening reads the position and the clock; the batch is prefetched, then what was missed.
    expect(store.reads).toBeLessThanOrEqual(2 + 4)
    expect(entries.length).toBeGreaterThan(50)
  })
})

/** Runs a log in a region and in the model, and compares all that they hold. */
async function expectAsModel(
  records: readonly LoggedRecord[],
  faults: StrongFaults = {},
): Promise<SerialModel> {
  const model = new SerialModel(WINDOW)
  // What the log carries is what both see.
  records.forEach((record, i) => {
    const commands = record.commands.map((c) => decodeTransaction(encodeTransaction(c)))
    model.apply(i + 1, { ...record, commands })
  })
  const region = await applied(entriesOf(records), [3], faults)
  expect(await rowsOf(region.store, accounts)).toEqual(model.rows(accounts))
  expect(await rowsOf(region.store, sessions)).toEqual(model.rows(sessions))
  const [result] = await region.store.read([
    { sql: 'SELECT tx, log_index FROM _strong_outcomes', args: [] },
  ])
  const stored = new Map(result?.rows.map(([id, index]) => [id, index]))
  for (const [id, index] of model.decidedWithin(records.length)) expect(stored.get(id)).toBe(index)
  expect(region.engine.logTimeMs()).toBe(model.logTimeMs)
  return model
}

describe('the state machine', () => {
  it('does what a model does that runs one transaction after the other', async () => {
    const codes = { OK: 0, CONFLICT: 0 }
    await fc.assert(
      fc.asyncProperty(logArbitrary, async (records) => {
        const model = await expectAsModel(records)
        const reading = records
          .flatMap(({ commands }) => commands)
          .filter(({ reads }) => reads.some(isRangeGuard))
          .map(({ txId }) => txId)
        for (const { txId, code } of model.decisions) {
          if (reading.includes(txId) && (code === 'OK' || code === 'CONFLICT')) codes[code] += 1
        }
      }),
      { numRuns: 200 },
    )
    // Otherwise no range was tried, or none ever held.
    expect(Math.min(codes.OK, codes.CONFLICT)).toBeGreaterThan(10)
  })

  it('must fail: ranges that are not compared let phantoms through', async () => {
    const faults = { rangeGuardIgnored: true }
    const result = await fc.check(
      fc.asyncProperty(logArbitrary, async (records) => {
        await expectAsModel(records, faults)
      }),
      { numRuns: 200, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })
})
