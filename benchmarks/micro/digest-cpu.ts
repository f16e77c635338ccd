/**
 * What digests of strong tables cost: the CPU of applying a log to a file store with them and without.
 * Runs alternate, and the median of each counts.
 *
 * Usage: npx tsx benchmarks/micro/digest-cpu.ts [records a run] [transactions a record] [runs]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DigestTracker } from '../../replication/strong/digests/digest-tracker.ts'
import { LogBatch } from '../../replication/strong/log-batch.ts'
import { encodeRecord } from '../../replication/strong/record.ts'
import { createStrongEngine } from '../../replication/strong/strong-engine.ts'
import { encodeTransaction } from '../../replication/strong/transaction-codec.ts'
import { sha256Hex } from '../../src/core/sha256.ts'
import type { CommitLog, LogEntry } from '../../src/core/ports/commit-log.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { bigint, integer, text } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'

const { compiled: schema } = compileSchema(
  defineSchema({
    tables: {
      accounts: table(
        { id: text().primaryKey(), owner: text(), balance: integer(), total: bigint() },
        { consistency: 'strong', scope: 'global' },
      ),
    },
  }),
)
const accounts = schema.tableByName.get('accounts') as CompiledTable
const KEYS = 2_000

const number = (place: number, otherwise: number): number =>
  Number(process.argv[place] ?? otherwise)
const records = number(2, 2_000)
const perRecord = number(3, 8)
const runs = number(4, 7)

/** A row under one of the keys: most replace one that is there. */
function imageOf(i: number): SqlValue[] {
  const values: Record<string, SqlValue> = {
    id: `account-${(i * 7919) % KEYS}`,
    owner: `The owner of account ${i}, with a name of usual length`,
    balance: i,
    total: BigInt(i) * 1_000_003n,
  }
  return accounts.physical.map(
    (c) => values[accounts.columnById.get(c.columnId)?.name ?? ''] ?? null,
  )
}

function entriesOf(): LogEntry[] {
  return Array.from({ length: records }, (_, r) => ({
    index: r + 1,
    id: `record${r + 1}`,
    payload: encodeRecord({
      machineVersion: 1,
      schemaVersion: schema.version,
      nowMs: 1_700_000_000_000 + r,
      kind: 'commands',
      commands: Array.from({ length: perRecord }, (_unused, c) => {
        const i = r * perRecord + c
        const hash = sha256Hex(`${i}`)
        return encodeTransaction({
          txId: `tx${i}`,
          dedupeId: hash.slice(0, 32),
          contentHash: hash.slice(32),
          basis: 0,
          tenant: '',
          reads: [],
          ops: [{ kind: 'upsert', table: accounts.id, rows: [imageOf(i)] }],
        })
      }),
    }),
  }))
}

/** A log that is there, and delivers what waits as one piece of this many records. */
function logOf(entries: readonly LogEntry[], piece: number): CommitLog {
  const refuse = (): Promise<never> => Promise.reject(new Error('Nothing is appended.'))
  return {
    append: refuse,
    readIndex: () => Promise.resolve(entries.length),
    trim: () => Promise.resolve(),
    close: () => Promise.resolve(),
    tail(_group, from, { onEntries }) {
      const deliver = async (): Promise<void> => {
        for (let at = from - 1; at < entries.length; at += piece) {
          await onEntries(entries.slice(at, at + piece))
        }
      }
      void deliver()
      return { stop: () => Promise.resolve() }
    },
  }
}

const original = {
  advance: Object.getOwnPropertyDescriptor(DigestTracker.prototype, 'advance'),
  effects: Object.getOwnPropertyDescriptor(LogBatch.prototype, 'effects'),
}
const nothing = { configurable: true, writable: true, value: () => [] }

async function measure(entries: readonly LogEntry[], isOn: boolean): Promise<number> {
  const { advance = nothing, effects = nothing } = isOn ? original : {}
  Object.defineProperty(DigestTracker.prototype, 'advance', advance)
  Object.defineProperty(LogBatch.prototype, 'effects', effects)
  const folder = await mkdtemp(join(tmpdir(), 'meridian-digest-'))
  const store = await openFileStore({
    path: join(folder, 'store.db'),
    timers: systemRuntime.timers,
    writer: 'inline',
  })
  const { lastHlc } = await prepareStore(store, schema, { random: systemRuntime.random })
  const before = process.cpuUsage()
  const engine = await createStrongEngine({
    schema,
    group: 'main',
    log: logOf(entries, 16),
    store,
    clock: new StoreClock(systemRuntime.clock, lastHlc),
    runtime: systemRuntime,
    admit: () => Promise.resolve(),
    onFailure: (error) => {
      throw error
    },
    limits: { maxRecordsPerBatch: 16 },
  })
  await engine.waitApplied(entries.length, { timeoutMs: 600_000 })
  const { user, system } = process.cpuUsage(before)
  await engine.close()
  await store.close()
  await rm(folder, { recursive: true })
  return (user + system) / 1000
}

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN

const entries = entriesOf()
// Neither shall pay for what is compiled first.
await measure(entries, true)
await measure(entries, false)
const on: number[] = []
const off: number[] = []
for (let run = 0; run < runs; run++) {
  off.push(await measure(entries, false))
  on.push(await measure(entries, true))
}
const transactions = records * perRecord
const withMs = median(on)
const withoutMs = median(off)
const perTransactionUs = (ms: number): string => `${((ms * 1000) / transactions).toFixed(2)} µs`
console.log(`${transactions} transactions of one row, ${perRecord} a record, 16 records a batch`)
console.log(`without digests: ${perTransactionUs(withoutMs)} of CPU a transaction`)
console.log(`with digests:    ${perTransactionUs(withMs)}`)
console.log(`added:           ${(100 * (withMs / withoutMs - 1)).toFixed(1)} %`)
