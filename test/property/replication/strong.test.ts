/**
 * Random transactions through the log, cut into batches at random: every region must hold the same
 * bytes (protocol rule 13), and what a model that runs one transaction after the other holds.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { controlRecord } from '../../../replication/strong/control.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { encodeRecord } from '../../../replication/strong/record.ts'
import {
  decodeTransaction,
  encodeTransaction,
} from '../../../replication/strong/transaction-codec.ts'
import { isColumnGuard, isRangeGuard } from '../../../src/core/operations.ts'
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

/** The least version of the state machine that evaluates a record as meant. */
function versionOf({ commands }: LoggedRecord): number {
  const reads = commands.flatMap((command) => command.reads)
  if (reads.some(isColumnGuard)) return 3
  return reads.some(isRangeGuard) ? 2 : 1
}

function entriesOf(records: readonly LoggedRecord[]): LogEntry[] {
  return records.map((record, i) => ({
    index: i + 1,
    id: `record${i + 1}`,
    payload: encodeRecord({
      machineVersion: versionOf(record),
      schemaVersion: schema.version,
      nowMs: record.nowMs,
      kind: record.kind,
      commands: record.commands.map(encodeTransaction),
    }),
  }))
}

/** The entries with records between them that raise the machine: to which version, at which place. */
function withRaises(
  entries: readonly LogEntry[],
  raises: readonly (readonly [at: number, version: number])[],
): LogEntry[] {
  const all = entries.map(({ id, payload }) => ({ id, payload }))
  raises.forEach(([at, version], i) => {
    const payload = encodeRecord(controlRecord({ type: 'machine-version', version }, 0))
    all.splice(at % (all.length + 1), 0, { id: `raise${i}`, payload })
  })
  return all.map((entry, i) => ({ ...entry, index: i + 1 }))
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

  it('makes the same where control records are among them', async () => {
    await fc.assert(
      fc.asyncProperty(
        logArbitrary,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 3, max: 5 })), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 }),
        async (records, raises, sizes) => {
          const entries = withRaises(entriesOf(records), raises)
          const faults = { machineVersion: 5 }
          const single = await applied(entries, [1], faults)
          const random = await applied(entries, sizes, faults)
          const whole = await applied(entries, [entries.length], faults)
          const state = await replicatedState(single.store)
          expect(await replicatedState(random.store)).toBe(state)
          expect(await replicatedState(whole.store)).toBe(state)
          const highest = Math.max(...raises.map(([, version]) => version))
          expect(whole.engine.status().machineVersion).toBe(highest)
        },
      ),
      { numRuns: 60 },
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
    const guards = { range: isRangeGuard, columns: isColumnGuard }
    const tried = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(logArbitrary, async (records) => {
        const model = await expectAsModel(records)
        const commands = records.flatMap((record) => record.commands)
        for (const [name, isOne] of Object.entries(guards)) {
          const reading = commands.filter(({ reads }) => reads.some(isOne)).map((c) => c.txId)
          for (const { txId, code } of model.decisions) {
            if (!reading.includes(txId)) continue
            tried.set(`${name} ${code}`, (tried.get(`${name} ${code}`) ?? 0) + 1)
          }
        }
      }),
      { numRuns: 200 },
    )
    // Otherwise no guard of the kind was tried, or none ever held.
    for (const what of ['range OK', 'range CONFLICT', 'columns OK', 'columns CONFLICT']) {
      expect(tried.get(what), what).toBeGreaterThan(5)
    }
  })

  it.each([
    ['ranges that are not compared let phantoms through', { rangeGuardIgnored: true }],
    ['columns that are not compared let lost updates through', { columnGuardIgnored: true }],
  ])('must fail: %s', async (_name, faults) => {
    const result = await fc.check(
      fc.asyncProperty(logArbitrary, async (records) => {
        await expectAsModel(records, faults)
      }),
      { numRuns: 200, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })
})
