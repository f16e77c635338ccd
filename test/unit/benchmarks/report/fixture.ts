/**
 * A made-up run, for tests of reports alone: no figure in it was measured. It has what real ones
 * have: calls across regions and within one, a miss, too few calls, a late generator, peers, growth.
 */
import { budgetBounds, type BudgetName } from '../../../../benchmarks/cells/budgets.ts'
import type { Cell, CellKey, GrowthPoint, PeerCell } from '../../../../benchmarks/measure/cell.ts'
import {
  createHistogram,
  encodeHistogram,
  quantileMs,
  recordMs,
} from '../../../../benchmarks/measure/histogram.ts'
import type { LoopResult } from '../../../../benchmarks/measure/loop.ts'
import { commitLogMs, roundTripMs } from '../../../../benchmarks/measure/network-time.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { toCell, toPeerCell } from '../../../../benchmarks/measure/to-cell.ts'
import { makeResult, type MeasuredRun } from '../../../../benchmarks/report/result.ts'
import type { NamedHistogram } from '../../../../benchmarks/step.ts'
import { defaultConfig } from '../../../../src/config/parse-config.ts'
import { oneWayMs } from '../../../../src/config/topology.ts'

const { topology } = defaultConfig()
const { regions } = topology
const LEADER = 'eu-west'
const US_PER_MS = 1000

interface Shape {
  readonly n: number
  /** Below it no call is. */
  readonly floorMs: number
  /** About what the median is above it. */
  readonly spreadMs: number
  /** Of few calls, much more. */
  readonly tailMs?: number
  readonly rate?: number
  readonly isLate?: boolean
}

/** The made-up run. */
export function makeFixture(): MeasuredRun {
  const random = seededRandom(7)
  const histograms: NamedHistogram[] = []
  const loop = (
    name: string,
    { n, floorMs, spreadMs, tailMs = 0, rate = 50, isLate = false }: Shape,
  ): LoopResult => {
    const histogram = createHistogram()
    for (let i = 0; i < n; i++) {
      const noise = -Math.log(1 - random.fraction()) * spreadMs
      const rare = random.fraction() < 0.012 ? random.fraction() * tailMs : 0
      recordMs(histogram, floorMs + spreadMs * 0.5 + noise * 0.5 + rare)
    }
    const encoded = encodeHistogram(histogram)
    histograms.push({ name, encoded })
    const known = (q: number): number | null => (isLate ? null : quantileMs(histogram, q))
    const p95Ms = known(0.95)
    return {
      ...{
        loop: 'open',
        rateOpsPerSecond: rate,
        concurrency: Math.ceil((rate * floorMs) / 1000) + 1,
      },
      ...{ attempted: n, succeeded: n, failed: 0, retried: 0, errors: {}, levels: {}, n },
      ...{ p50Ms: known(0.5), p95Ms, p99Ms: known(0.99), p999Ms: known(0.999) },
      generator: { lateP95Ms: isLate ? 31 : 0.2, lateP50Ms: isLate ? 31 : 0.2, isLate },
      ...{ stalenessP95Ms: null, durationMs: (n / rate) * US_PER_MS, encoded },
      repetitionP95Ms: [p95Ms, p95Ms, p95Ms].map((ms, i) =>
        ms === null ? null : ms * (1 + i / 50),
      ),
    }
  }
  const peers = makePeers(loop)
  const cells = makeCells(loop)
  const result = makeResult({
    ...{ profile: 'standard', engines: 'real', topologyName: 'triangle', topology, leader: LEADER },
    command:
      'meridian bench --profile standard --topology triangle --engines real --seed 7 --json result.json',
    deployment: 'three regions, each with Kafka, Redis, a store and a node; etcd across them',
    ...{ seed: 7, timeScale: 1, repetitions: 3, elapsedMs: 581_000, isComplete: true },
    startedAt: '2026-01-02T03:04:05.678Z',
    environment: {
      ...{ meridian: '0.1.0', commit: 'fixture', isModified: false, node: 'v20.19.0' },
      ...{ os: 'Fixture Linux 1', kernel: 'Linux 6.0', architecture: 'x64' },
      ...{
        cpuModel: 'No real processor',
        cores: 8,
        cpuQuotaCores: null,
        memoryBytes: 16 * 2 ** 30,
      },
      fileSystem: { type: 'ext4', source: '/dev/fixture', mountPoint: '/' },
      fsync: { n: 1000, p50Ms: 0.42, p99Ms: 2.1 },
      loadAverage: [0.3, 0.2, 0.1],
      engines: { etcd: '3.4.23', kafka: '4.3.1', redis: '7.0.15', libsql: 'SQLite 3.45.1' },
      notes: [],
    },
    cpuStealShare: 0.004,
    wan: {
      ...{ delayMs: 10, n: 1000, addedMs: { p50: 0.21, p99: 0.64 } },
      ...{
        addedWithoutDelayMs: { p50: 0.12, p99: 0.5 },
        directMs: { p50: 0.04, p99: 0.11 },
        isPreferred: true,
      },
    },
    ...{ cells, peers, growth: makeGrowth() },
    notes: [
      'cassandra: not measured; it needs 2 GB of memory a node and there are 1.4 GB.',
      'Where a pinned call goes to another region, the raw engine beside it is its p95 at home plus one round trip.',
    ],
  })
  return { result, histograms }
}

type MakeLoop = (name: string, shape: Shape) => LoopResult

function makeCells(loop: MakeLoop): readonly Cell[] {
  const pairs = regions.flatMap((home) => regions.map((origin) => ({ origin, home })))
  return [
    ...regions.flatMap((origin) => strongCells(origin, loop)),
    ...pairs.flatMap(({ origin, home }) => pinnedCells(origin, home, loop)),
    ...regions.flatMap((origin) => eventualCells(origin, loop)),
    ...regions.map((origin) => {
      const key: CellKey = { op: 'publish', mode: 'pinned', origin, home: origin, level: null }
      const shape = { n: 900, floorMs: 4, spreadMs: 3, tailMs: 14, isLate: origin === 'ap-south' }
      return cellOf(key, loop(`publish ${origin}`, shape), 0, 'publish', 6.4)
    }),
  ]
}

function strongCells(origin: string, loop: MakeLoop): readonly Cell[] {
  const networkMs = commitLogMs(topology, LEADER, origin)
  const key = { mode: 'strong', origin, home: LEADER } as const
  const rawMs = networkMs * 1.03 + 4
  const at = (op: string, spreadMs: number, rate: number): Cell => {
    const shape = { n: 2400, floorMs: networkMs + 1.5, spreadMs, tailMs: 60, rate }
    return cellOf(
      { ...key, op, level: null },
      loop(`strong ${op} ${origin}`, shape),
      networkMs,
      'strong-write',
      rawMs,
    )
  }
  const read = { n: 2400, floorMs: networkMs + 1, spreadMs: 2, tailMs: 20 }
  const local = { n: 6000, floorMs: 0.35, spreadMs: 0.3, tailMs: 6, rate: 100 }
  return [
    at('write', 3, 50),
    at('write-at-500', origin === 'us-east' ? 14 : 5, 167),
    cellOf(
      { ...key, op: 'read', level: 'strong' },
      loop(`strong read ${origin}`, read),
      networkMs,
      'strong-read-index',
      rawMs,
    ),
    cellOf(
      { ...key, op: 'read', level: 'session' },
      loop(`strong read session ${origin}`, local),
      0,
      undefined,
      0.31,
    ),
  ]
}

function pinnedCells(origin: string, home: string, loop: MakeLoop): readonly Cell[] {
  const networkMs = roundTripMs(topology, origin, home)
  const key = { mode: 'pinned', origin, home } as const
  const write = {
    n: origin === 'ap-south' && home !== origin ? 140 : 900,
    floorMs: networkMs + 1.2,
    spreadMs: 2.4,
    tailMs: 25,
  }
  const read = { n: 5200, floorMs: 0.3, spreadMs: 0.3, tailMs: 4, rate: 100 }
  const row = networkMs === 0 ? 'pinned-write-at-home' : 'pinned-write-remote'
  return [
    cellOf(
      { ...key, op: 'write', level: null },
      loop(`pinned write ${origin} ${home}`, write),
      networkMs,
      row,
      networkMs + 4.1,
    ),
    cellOf(
      { ...key, op: 'read', level: 'session' },
      loop(`pinned read ${origin} ${home}`, read),
      0,
      undefined,
      0.33,
    ),
  ]
}

function eventualCells(origin: string, loop: MakeLoop): readonly Cell[] {
  const write = { n: 3000, floorMs: 0.5, spreadMs: 0.5, tailMs: 5 }
  const key = { mode: 'eventual', origin, level: null } as const
  const others = regions.filter((seenIn) => seenIn !== origin)
  return [
    cellOf(
      { ...key, op: 'write', home: null },
      loop(`eventual write ${origin}`, write),
      0,
      'eventual-write',
      0.9,
    ),
    ...others.map((home) => {
      const wayMs = oneWayMs(topology, origin, home)
      const shape = { n: 400, floorMs: wayMs + 2, spreadMs: 3, tailMs: 12, rate: 8 }
      return cellOf(
        { ...key, op: 'converge', home, level: 'stale' },
        loop(`converge ${origin} ${home}`, shape),
        wayMs,
        'eventual-convergence',
        null,
      )
    }),
  ]
}

function cellOf(
  key: CellKey,
  found: LoopResult,
  networkMs: number,
  row: BudgetName | undefined,
  rawEngineP95Ms: number | null,
): Cell {
  const calls = found.attempted
  return toCell(key, found, {
    ...{ networkMs, limitMs: networkMs > 0 ? networkMs : null, rawEngineP95Ms },
    crossRegionBytes: calls * (key.level === null ? 1480 : networkMs > 0 ? 620 : 0),
    cpuMs: calls * (key.op === 'write' ? 1.7 : 0.42),
    budgets: row === undefined ? [] : budgetBounds(row, { networkMs, rawEngineP95Ms }),
  })
}

function makePeers(loop: MakeLoop): readonly PeerCell[] {
  const etcd = { name: 'etcd', version: '3.4.23' }
  const postgresql = { name: 'postgresql', version: '15.14' }
  const across = regions.flatMap((origin) => {
    const networkMs = commitLogMs(topology, LEADER, origin)
    const at = { origin, home: LEADER, networkMs }
    const raw = { n: 2400, floorMs: networkMs + 1, spreadMs: 2, tailMs: 30 }
    return [
      toPeerCell(
        etcd,
        { ...at, op: 'transaction', durability: 'fsync on a majority' },
        loop(`etcd transaction ${origin}`, raw),
      ),
      toPeerCell(
        etcd,
        { ...at, op: 'linearizable read', durability: 'fsync on a majority' },
        loop(`etcd read ${origin}`, raw),
      ),
      toPeerCell(
        postgresql,
        {
          ...at,
          op: 'upsert transaction',
          durability: 'fsync on a majority: the primary and any 1 of 2 standbys',
        },
        loop(`postgresql upsert ${origin}`, { ...raw, spreadMs: 6 }),
      ),
    ]
  })
  const local = { origin: LEADER, home: LEADER, networkMs: 0 }
  return [
    ...across,
    toPeerCell(
      { name: 'libsql', version: 'SQLite 3.45.1' },
      { ...local, op: 'point read', durability: 'fsync of one disk' },
      loop('libsql read', { n: 9000, floorMs: 0.2, spreadMs: 0.1, rate: 100 }),
    ),
    toPeerCell(
      { name: 'libsql', version: 'SQLite 3.45.1' },
      { ...local, op: 'pinned upsert', durability: 'fsync of one disk' },
      loop('libsql upsert', { n: 900, floorMs: 1, spreadMs: 1.6 }),
    ),
    toPeerCell(
      { name: 'redis', version: '7.0.15' },
      { ...local, home: null, op: 'get', durability: 'memory' },
      loop('redis get', { n: 9000, floorMs: 0.05, spreadMs: 0.05, rate: 100 }),
    ),
    toPeerCell(
      { name: 'kafka', version: '4.3.1' },
      {
        ...local,
        home: null,
        op: 'produce-consume',
        durability: 'memory of the broker (no fsync)',
      },
      loop('kafka line', { n: 900, floorMs: 3, spreadMs: 3, tailMs: 10 }),
    ),
  ]
}

function makeGrowth(): readonly GrowthPoint[] {
  const rows = [1e3, 1e4, 1e5, 1e6].flatMap((x, i) => [
    {
      series: 'pinned write, rows in the table: p50',
      x,
      xUnit: 'rows',
      y: 1.7 + i * 0.06,
      yUnit: 'ms',
    },
    {
      series: 'pinned write, rows in the table: p95',
      x,
      xUnit: 'rows',
      y: 2.9 + i * 0.1,
      yUnit: 'ms',
    },
    {
      series: 'strong write, rows in the table: p50',
      x,
      xUnit: 'rows',
      y: 84.2 + i * 0.1,
      yUnit: 'ms',
    },
  ])
  const memory = Array.from({ length: 40 }, (_, i) => ({
    ...{ series: 'memory of node eu-west', x: i / 4, xUnit: 'minutes', yUnit: 'MiB' },
    y: 148 + 20 * (1 - Math.exp(-i / 6)) + (i % 3),
  }))
  const regionsDenied = [0, 1, 2].map((x) => ({
    ...{ series: 'pinned write, regions that may not hold it: p50', x, xUnit: 'regions' },
    ...{ y: 1.8 - x * 0.01, yUnit: 'ms' },
  }))
  return [
    ...rows,
    ...memory,
    ...regionsDenied,
    { series: 'CRDT merge', x: 20_000, xUnit: 'rows', y: 131_000, yUnit: 'column changes/s' },
  ]
}
