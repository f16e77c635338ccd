/** Every workload, for an instant, on a deployment without distances: what it says must add up. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/client/index.ts'
import { openEmbedded, type EmbeddedDeployment } from '../../../src/node/embedded.ts'
import type { BenchContext, BenchStep, StepResult } from '../../../benchmarks/step.ts'
import type { BenchTarget } from '../../../benchmarks/target/target.ts'
import { WORKLOADS } from '../../../benchmarks/workloads/index.ts'
import {
  schema,
  type BenchDatabase,
  type BenchSchema,
} from '../../../benchmarks/workloads/schema.ts'

const REGIONS = ['us-east', 'eu-west', 'ap-south']
const LEADER = 'eu-west'
/** Windows of 0.3 to 0.4 s. */
const TIME_SCALE = 0.01
const RATE = 60

let deployment: EmbeddedDeployment
let directory: string
const clients = new Map<string, BenchDatabase>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'meridian-workloads-'))
  deployment = await openEmbedded({
    schema,
    directory,
    delayScale: 0,
    regions: REGIONS,
    writer: 'inline',
    onNotice: () => undefined,
  })
  for (const region of REGIONS) {
    clients.set(region, await connect({ schema, region, deployment }))
  }
})

afterAll(async () => {
  for (const client of clients.values()) await client.close()
  await deployment.close()
  await rm(directory, { recursive: true, force: true })
})

function clientIn(region: string): BenchDatabase {
  return clients.get(region) as BenchDatabase
}

function target(): BenchTarget<BenchSchema> {
  const { topology } = deployment.config
  return {
    engines: 'embedded',
    description: 'three regions of this process',
    topology: { ...topology, oneWayMs: mapValues(topology.oneWayMs, () => 0) },
    leader: LEADER,
    directory,
    connect: (region) => connect({ schema, region, deployment }),
    settle: () => deployment.settle({ timeoutMs: 120_000 }),
    processes: () => [{ name: 'this process', region: LEADER, pid: process.pid }],
    crossRegionBytes: async () => new Map(),
    raw: () => undefined,
    link: async (_from, _to, address) => address,
    close: async () => undefined,
  }
}

function mapValues(
  values: Readonly<Record<string, number>>,
  map: (value: number) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]))
}

function context(overrides: Partial<BenchContext> = {}): BenchContext {
  return {
    target: target(),
    client: clientIn,
    timeScale: TIME_SCALE,
    repetitions: 1,
    seed: 1,
    signal: new AbortController().signal,
    note: () => undefined,
    ...overrides,
  }
}

function stepsOf(name: string): readonly BenchStep[] {
  const entry = WORKLOADS[name]
  if (entry === undefined) throw new Error(`no workload ${name}`)
  const { topology } = deployment.config
  return entry.steps({ engines: 'embedded', topology, leader: LEADER, rateOpsPerSecond: RATE })
}

/** In every mode; the core workloads differ in their mix of calls, so that each has one of its own. */
function someStepsOf(name: string): readonly BenchStep[] {
  const steps = stepsOf(name)
  const letter = /^ycsb-([b-e])$/.exec(name)?.[1]
  if (letter === undefined) return steps
  return steps.filter((_, i) => i === letter.charCodeAt(0) % steps.length)
}

function stepNamed(workload: string, name: string): BenchStep {
  const step = stepsOf(workload).find((step) => step.name === name)
  if (step === undefined) throw new Error(`no step ${name}`)
  return step
}

function expectAllSucceeded(result: StepResult, isContended = false): void {
  for (const cell of result.cells ?? []) {
    const failures = isContended ? { ...cell.errors, CONFLICT: 0 } : cell.errors
    const failed = Object.values(failures).reduce((sum, count) => sum + count, 0)
    expect(failed, `${cell.op} ${cell.mode} from ${cell.origin}`).toBe(0)
    expect(cell.attempted).toBe(cell.succeeded + cell.failed)
    expect(cell.n).toBe(cell.succeeded)
    const delivered = Object.values(cell.levels).reduce((sum, count) => sum + count, 0)
    expect(delivered).toBe(cell.level === null ? 0 : cell.succeeded)
  }
  expect(result.cells?.some(({ succeeded }) => succeeded > 0)).toBe(true)
}

describe('workloads', () => {
  it.each(Object.keys(WORKLOADS))('%s gives cells in which every call succeeded', async (name) => {
    for (const step of someStepsOf(name)) {
      const result = await step.run(context())
      if (result.cells === undefined) {
        // Many tenants are left out of an instant, and that is said.
        expect(result.notes?.filter((note) => !note.startsWith('CPU'))).toEqual([
          expect.stringMatching('left out'),
        ])
        continue
      }
      expectAllSucceeded(result, step.name.startsWith('hot-key transaction'))
      expect(result.histograms).toHaveLength(result.cells.length)
      const names = result.histograms?.map((histogram) => histogram.name)
      expect(new Set(names).size).toBe(result.cells.length)
    }
  })

  it('gives each kind of call from each region its share of the rate', async () => {
    const result = await stepNamed('ycsb-b', 'ycsb-b pinned').run(context({ timeScale: 0.005 }))
    const rates = result.cells?.map((cell) => [cell.op, cell.origin, cell.rateOpsPerSecond])
    expect(rates).toEqual(
      REGIONS.flatMap((origin) => [
        ['ycsb-b read', origin, RATE * 0.95],
        ['ycsb-b update', origin, RATE * 0.05],
      ]),
    )
  })

  it('repeats windows and keeps the p95 of each', async () => {
    const result = await stepNamed('ycsb-c', 'ycsb-c strong').run(context({ repetitions: 3 }))
    for (const cell of result.cells ?? []) expect(cell.repetitionP95Ms).toHaveLength(3)
  })

  it('is over at once when it is interrupted', async () => {
    const interrupt = new AbortController()
    interrupt.abort()
    const running = stepNamed('ycsb-a', 'ycsb-a strong').run(context({ signal: interrupt.signal }))
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})

/** Kinds of write that can be lost. */
type Lost = 'update' | 'insert' | 'transaction'

interface Planted {
  readonly workload: string
  readonly step: string
  readonly lost: Lost
  readonly in: string
  /** What the step says. */
  readonly says: RegExp
}

const PLANTED: readonly Planted[] = [
  ...(['strong', 'pinned', 'eventual'] as const).map((mode) => ({
    workload: 'hot-key',
    step: `hot-key increment ${mode}`,
    lost: 'update' as const,
    in: 'us-east',
    says: /increments that us-east reads: \d+, though \d+ writes were acknowledged/,
  })),
  ...(['strong', 'pinned'] as const).map((mode) => ({
    workload: 'hot-key',
    step: `hot-key transaction ${mode}`,
    lost: 'transaction' as const,
    in: 'us-east',
    says: /increments that us-east reads: \d+, though \d+ writes were acknowledged/,
  })),
  {
    workload: 'ycsb-a',
    step: 'ycsb-a strong',
    lost: 'update',
    in: 'us-east',
    says: /has lost an acknowledged update/,
  },
  {
    workload: 'ycsb-d',
    step: 'ycsb-d pinned',
    lost: 'insert',
    in: 'us-east',
    says: /was not found by who must see it|holds inserted records: \d+, though/,
  },
  {
    workload: 'ycsb-f',
    step: 'ycsb-f strong',
    lost: 'transaction',
    in: 'us-east',
    says: /read-modify-writes in the records: \d+, though/,
  },
  {
    workload: 'movr',
    step: 'movr',
    lost: 'transaction',
    in: 'us-east',
    says: /rides: \d+, though|ride-\d+ was not found at home/,
  },
  {
    workload: 'read-mostly',
    step: 'read-mostly strong',
    lost: 'update',
    in: 'us-east',
    says: /increments of \S+ that us-east reads: \d+, though|a strong read in us-east gave/,
  },
  {
    workload: 'view-load',
    step: 'view-load pinned',
    lost: 'insert',
    in: LEADER,
    says: /did not find the customer|orders that us-east holds: \d+, though/,
  },
  {
    workload: 'many-tenants',
    step: 'many-tenants-10 pinned',
    lost: 'insert',
    in: 'us-east',
    says: /rows of the tenant bench-many-us-east-\d+: \d+, though/,
  },
]

describe('a write that is acknowledged and not made', () => {
  it.each(PLANTED)('fails $step ($lost)', async ({ workload, step, lost, in: region, says }) => {
    const lossy = lossyClient(clientIn(region), lost)
    const run = stepNamed(workload, step).run(
      context({
        // Long enough for the rarest write.
        timeScale: workload === 'read-mostly' ? 0.08 : 2 * TIME_SCALE,
        client: (other) => (other === region ? lossy.db : clientIn(other)),
      }),
    )
    await expect(run).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringMatching(says),
    })
    expect(lossy.lost()).toBe(1)
  })
})

/** A client of which one write of a kind, the first, is acknowledged and not made. */
function lossyClient(
  db: BenchDatabase,
  kind: Lost,
): { readonly db: BenchDatabase; lost(): number } {
  let lost = 0
  const isLost = (name: string | symbol): boolean => name === kind && lost++ === 0
  /** Members of `inner`, with others in their place where `replace` has some. */
  const wrapped = (
    inner: object,
    replace: (name: string | symbol, member: object) => unknown,
  ): object =>
    new Proxy(
      {},
      {
        get(_empty, name) {
          const member = Reflect.get(inner, name, inner) as unknown
          const isPlain = member === null || !['object', 'function'].includes(typeof member)
          if (isPlain) return member
          const own = replace(name, member as object)
          if (own !== undefined) return own
          return typeof member === 'function' ? (member.bind(inner) as unknown) : member
        },
      },
    )
  const lossyTable = (table: { get(key: string): unknown }): object =>
    wrapped(table, (name) => {
      if (!['update', 'insert'].includes(name as string)) return undefined
      return (...args: unknown[]) => {
        const member = Reflect.get(table, name, table) as (...args: unknown[]) => unknown
        if (!isLost(name)) return member.apply(table, args)
        const [keyOrRow] = args
        return table.get(typeof keyOrRow === 'string' ? keyOrRow : (keyOrRow as { id: string }).id)
      }
    })
  const lossyScope = (scope: Pick<BenchDatabase, 'transaction'>): object =>
    wrapped(scope, (name, member) => {
      if (name === 'tenant') {
        return (id: string) => lossyScope((scope as BenchDatabase).tenant(id) as never)
      }
      if (name === 'transaction') {
        return (mode: 'strong', fn: () => unknown) =>
          scope.transaction(mode, isLost(name) ? () => true : fn)
      }
      const isTable = Object.keys(schema.tables).includes(name as string)
      return isTable ? lossyTable(member as { get(key: string): unknown }) : undefined
    })
  return { db: lossyScope(db) as BenchDatabase, lost: () => Math.min(lost, 1) }
}
