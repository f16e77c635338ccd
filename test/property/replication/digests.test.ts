/**
 * Digests of random logs, cut into batches at random: equal in every region at equal index, and always
 * those of the rows (S32). So no load makes a false alarm.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { DigestScan } from '../../../replication/strong/digests/digest-scan.ts'
import { digestTable } from '../../../replication/strong/digests/digest-tables.ts'
import {
  CHECKPOINT_RECORDS,
  DigestTracker,
  type Digest,
} from '../../../replication/strong/digests/digest-tracker.ts'
import {
  readStoredSums,
  selectStoredSums,
} from '../../../replication/strong/digests/digest-store.ts'
import type { GroupSums } from '../../../replication/strong/digests/group-sums.ts'
import type { StrongFaults } from '../../../replication/strong/faults.ts'
import { readPosition, selectPosition } from '../../../replication/strong/log-batch.ts'
import { encodeRecord } from '../../../replication/strong/record.ts'
import { snapshotTable } from '../../../replication/strong/snapshot-tables.ts'
import { encodeTransaction } from '../../../replication/strong/transaction-codec.ts'
import type { LogEntry } from '../../../src/core/ports/commit-log.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { MemoryCommitLog } from '../../support/memory-commit-log.ts'
import { logArbitrary, WINDOW, type LoggedRecord } from '../../support/strong-arbitrary.ts'
import { openRegion, schema, type Region } from '../../support/strong-region.ts'

const opened: Region[] = []
afterEach(async () => {
  for (const region of opened.splice(0)) await region.engine.close()
})

const TABLES = schema.tables.map(snapshotTable)
const kind = (faults: StrongFaults) => ({
  group: 'main',
  fingerprint: schema.fingerprint,
  windowRecords: WINDOW,
  keepsPruned: faults.digestWithoutPruning === true,
})

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

const digestsOf = ({ engine }: Region): readonly Digest[] => engine.operated().peerState().digests

/** The digest of the rows, and the one that the store keeps. */
async function ofRows(
  { store }: Region,
  faults: StrongFaults = {},
): Promise<{ rows: Digest; stored: Digest | undefined }> {
  const [position, sums] = await store.read([selectPosition('main'), selectStoredSums('main')])
  const { schema: active, ...at } = readPosition(position)
  const head = { ...at, schemaVersion: active?.version ?? 0 }
  const options = { ...kind(faults), tables: TABLES.map(({ name }) => name) }
  const stored = readStoredSums(kind(faults), head.index, sums)
  const tracker = new DigestTracker(options, head, stored)
  const scan = new DigestScan(
    {
      group: 'main',
      store,
      runtime: systemRuntime,
      kind: kind(faults),
      tables: TABLES.map(digestTable),
      maxPageRows: 3,
      share: 1,
    },
    tracker,
  )
  const rows = await scan.run((found: GroupSums) => tracker.digestOf(found))
  return { rows, stored: tracker.current() }
}

const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 })

/** Logs of some hundred records: beyond checkpoints and points at which outcomes are pruned. */
const longLog = fc
  .array(logArbitrary, { minLength: 40, maxLength: 80 })
  .map((logs) => logs.flat())
  .filter((records) => records.length > CHECKPOINT_RECORDS + 10)

describe('digests of one log', () => {
  it('are equal however it is cut into batches, and those of the rows', async () => {
    await fc.assert(
      fc.asyncProperty(logArbitrary, sizesArbitrary, async (records, sizes) => {
        const entries = entriesOf(records)
        const single = await applied(entries, [1])
        const random = await applied(entries, sizes)
        expect(digestsOf(random)).toEqual(digestsOf(single))
        const { rows, stored } = await ofRows(random)
        expect(stored).toEqual(rows)
        expect(digestsOf(single).at(-1)).toEqual(rows)
      }),
      { numRuns: 60 },
    )
  })

  it('are taken at the same records, and follow what is pruned', async () => {
    await fc.assert(
      fc.asyncProperty(longLog, sizesArbitrary, async (records, sizes) => {
        const entries = entriesOf(records)
        const one = await applied(entries, [1])
        const random = await applied(entries, sizes)
        expect(digestsOf(one).length).toBeGreaterThan(1)
        expect(digestsOf(random)).toEqual(digestsOf(one))
        const { rows, stored } = await ofRows(random)
        expect(stored).toEqual(rows)
      }),
      { numRuns: 4 },
    )
  })

  it('must fail: the digest leaves out which outcomes were pruned (rule 12)', async () => {
    const faults = { digestWithoutPruning: true }
    const result = await fc.check(
      fc.asyncProperty(longLog, async (records) => {
        const region = await applied(entriesOf(records), [50], faults)
        const { rows, stored } = await ofRows(region, faults)
        expect(stored).toEqual(rows)
      }),
      { numRuns: 3, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })

  it('must fail: evaluation that does not see its own batch (rule 13)', async () => {
    const faults = { ignoreOverlay: true }
    const result = await fc.check(
      fc.asyncProperty(logArbitrary, async (records) => {
        const entries = entriesOf(records)
        const single = await applied(entries, [1], faults)
        const whole = await applied(entries, [entries.length], faults)
        expect(digestsOf(whole).at(-1)).toEqual(digestsOf(single).at(-1))
      }),
      { numRuns: 150, endOnFailure: true },
    )
    expect(result.failed).toBe(true)
  })
})
