/**
 * From a commit in one region to the row in another: what a change's codec costs, how long a push
 * takes at 40 ms one way, and how many rows a second a load reaches with two regions importing and
 * all three relaying to their change logs. Everything in this process, on files in a temporary
 * folder; the times of the load include the source's own commits. Run: npx tsx benchmarks/micro/stream.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import { createRelay, type Relay } from '../../cdc/relay/relay.ts'
import { createPinnedApplier } from '../../replication/pinned/applier.ts'
import { createExporter, type Exporter } from '../../replication/stream/exporter.ts'
import { createImporter, type Importer } from '../../replication/stream/importer.ts'
import { makeSource, type Change } from '../../src/core/change.ts'
import type { ChangeFeed } from '../../src/core/ports/changes.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Store } from '../../src/core/ports/store.ts'
import type { Network } from '../../src/core/ports/transport.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { pinnedVersion } from '../../src/core/version.ts'
import { openFileChangeLog } from '../../src/drivers/change-log/file-change-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { createInProcessNetwork } from '../../src/drivers/transport/in-process-network.ts'
import {
  decodeChange,
  decodeChanges,
  encodeChange,
  encodeChanges,
} from '../../src/protocol/change-codec.ts'
import { integer, real, text } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { beginContext, LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { insertRows } from '../../src/sql/write-rows.ts'

const ONE_WAY_MS = 40
const PUSHES = 300
const LOAD_ROWS = 100_000
const LOAD_BATCH = 1000
const REGIONS = ['us-east', 'eu-west', 'ap-south'] as const

const schema = compileSchema(
  defineSchema({
    tables: {
      cities: table(
        {
          id: integer().primaryKey(),
          name: text(),
          country: text(),
          population: integer(),
          latitude: real(),
          longitude: real(),
        },
        { consistency: 'pinned' },
      ),
    },
  }),
).compiled
const CITIES = schema.tables[0] as CompiledTable

interface Region {
  readonly store: Store
  readonly source: string
  readonly storeClock: StoreClock
  readonly feed: ChangeFeed
  readonly changeLog: ChangeLog
  readonly relay: Relay
  readonly exporter: Exporter
  readonly importers: ReadonlyMap<string, Importer>
}

async function main(): Promise<void> {
  measureCodec()
  const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'))
  const network = createInProcessNetwork({
    oneWayDelayMs: () => ONE_WAY_MS,
    timers: systemRuntime.timers,
  })
  const regions: Region[] = []
  for (const name of REGIONS) regions.push(await openRegion(folder, network, name))
  // The regions' timers alone keep no process running.
  const keepAlive = setInterval(() => undefined, 1000)
  try {
    await sleep(500)
    await measurePush(regions)
    await measureLoad(regions)
  } finally {
    clearInterval(keepAlive)
    for (const region of regions) await closeRegion(region)
    rmSync(folder, { recursive: true, force: true })
  }
}

function measureCodec(): void {
  const changes = Array.from({ length: LOAD_BATCH }, (_, i) => cityChange(i))
  const singles = changes.map(encodeChange)
  const batch = encodeChanges(changes)
  const one = (singles[0]?.length ?? 0).toString()
  console.log(`bytes a change: alone ${one}, in a batch ${Math.round(batch.length / LOAD_BATCH)}`)
  const row = (name: string, work: () => unknown): void => {
    console.log(`${name}\t${usPerChange(work).toFixed(2)} µs a change`)
  }
  row('encode alone', () => changes.map(encodeChange))
  row('decode alone', () => singles.map(decodeChange))
  row('encode batch', () => encodeChanges(changes))
  row('decode batch', () => decodeChanges(batch))
}

function usPerChange(work: () => unknown): number {
  let bestMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200; round++) {
    const startMs = performance.now()
    work()
    bestMs = Math.min(bestMs, performance.now() - startMs)
  }
  return (bestMs * 1000) / LOAD_BATCH
}

/** One change every 5 to 50 ms: from the commit's answer to the commit in the other regions. */
async function measurePush(regions: readonly Region[]): Promise<void> {
  const [source, ...targets] = regions as [Region, ...Region[]]
  const latencies: number[] = []
  for (let i = 0; i < PUSHES; i++) {
    const seq = await insert(source, LOAD_ROWS + i, 1)
    const startMs = performance.now()
    const arrivals = targets.map(async (target) => {
      await reached(target, source, seq)
      latencies.push(performance.now() - startMs)
    })
    await Promise.all(arrivals)
    await sleep(5 + Math.random() * 45)
  }
  console.log(`push at ${ONE_WAY_MS} ms one way, commit to commit\t${percentiles(latencies)}`)
}

async function measureLoad(regions: readonly Region[]): Promise<void> {
  const [source, ...targets] = regions as [Region, ...Region[]]
  const startMs = performance.now()
  const startCpu = process.cpuUsage()
  let seq = 0
  for (let at = 0; at < LOAD_ROWS; at += LOAD_BATCH) seq = await insert(source, at, LOAD_BATCH)
  const committedMs = performance.now() - startMs
  await Promise.all(targets.map((target) => reached(target, source, seq)))
  const importedMs = performance.now() - startMs
  for (const { relay, feed } of regions) {
    while (relay.position() < (await feed.end())) await sleep(1)
  }
  const relayedMs = performance.now() - startMs
  const cpu = process.cpuUsage(startCpu)
  const rate = (ms: number): string => `${Math.round(LOAD_ROWS / (ms / 1000))} rows/s`
  console.log(`load of ${LOAD_ROWS} rows, committed\t${rate(committedMs)}`)
  console.log(`… and imported by ${targets.length} regions\t${rate(importedMs)}`)
  console.log(`… and in every change log\t${rate(relayedMs)}`)
  const cpuUs = (cpu.user + cpu.system) / LOAD_ROWS
  console.log(`CPU of all three regions\t${cpuUs.toFixed(1)} µs a row`)
}

async function insert(region: Region, first: number, count: number): Promise<number> {
  const { store, storeClock } = region
  const hlc = storeClock.next()
  const version = pinnedVersion(1, hlc)
  const results = await store.write([
    beginContext({
      txId: `tx-${first}`,
      hlc,
      epoch: 1,
      cause: 'user',
      schemaVersion: schema.version,
      capture: true,
      origin: null,
    }),
    insertRows(
      CITIES,
      Array.from({ length: count }, (_, i) => ({
        tenant: 'us',
        image: cityImage(first + i),
        version,
        epoch: 1,
      })),
    ),
    LAST_LOCAL_SEQ,
  ])
  return Number(results.at(-1)?.rows[0]?.[0])
}

function cityImage(id: number): (string | number)[] {
  return [id, `City number ${id}`, 'US', 1000 + id, 40.7128 + id / 1e6, -74.006 + id / 1e6]
}

function cityChange(id: number): Change {
  return {
    localSeq: id + 1,
    origin: { source: 'us-east.0a1b2c3d', epoch: 1, seq: id + 1 },
    txId: '0192aabbccdd00112233445566778899',
    index: id,
    size: LOAD_BATCH,
    hlc: '0192aabbccdd0001',
    schemaVersion: 1,
    cause: 'user',
    tableId: CITIES.id,
    op: 'insert',
    tenant: 'us',
    key: [id],
    before: null,
    after: cityImage(id),
    version: '00000001.0192aabbccdd0001',
    delta: null,
  }
}

/** Resolves when the target has applied everything of the source up to `seq`. */
function reached(target: Region, source: Region, seq: number): Promise<void> {
  const importer = target.importers.get(source.source.split('.')[0] as string) as Importer
  return new Promise((resolve) => {
    const look = (): void => {
      if (importer.status().position < seq) return
      remove()
      resolve()
    }
    const remove = target.store.onCommit(() => setImmediate(look))
    look()
  })
}

async function openRegion(folder: string, network: Network, region: string): Promise<Region> {
  const { timers, random, clock } = systemRuntime
  const store = await openFileStore({ path: join(folder, `${region}.db`), timers })
  const changeLog = await openFileChangeLog({ path: join(folder, `${region}.log.db`), timers })
  const prepared = await prepareStore(store, schema, { random })
  const source = makeSource(region, prepared.incarnation)
  const storeClock = new StoreClock(clock, prepared.lastHlc)
  const feed = createOutboxFeed({ store, schema, source })
  const relay = createRelay({ feed, changeLog, timers, random })
  const applier = createPinnedApplier({ store, schema })
  const others = REGIONS.filter((other) => other !== region)
  const exporter = createExporter({
    feed,
    schema,
    regions: others,
    mayReplicate: () => Promise.resolve(true),
  })
  network.listen(region, {
    onRequest: () => Promise.reject(new Error('No requests here.')),
    onChannel: (channel, _service, caller) => exporter.accept(channel, caller),
  })
  const importers = new Map<string, Importer>()
  for (const from of others) {
    const importer = createImporter({
      region,
      from,
      transport: network.transport(region),
      store,
      schema,
      storeClock,
      runtime: systemRuntime,
      appliers: { pinned: applier, eventual: applier },
    })
    importers.set(from, importer)
    await importer.start()
  }
  return { store, source, storeClock, feed, changeLog, relay, exporter, importers }
}

async function closeRegion(region: Region): Promise<void> {
  await Promise.all([...region.importers.values()].map((importer) => importer.stop()))
  region.exporter.stop()
  await region.relay.stop()
  await region.changeLog.close()
  await region.store.close()
}

function percentiles(valuesMs: readonly number[]): string {
  const sorted = valuesMs.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1)
  return `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms (n = ${sorted.length})`
}

await main()
