/** Runs random work and faults over three regions, lets them heal, and checks the stream's rules. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { StreamFaults } from '../../replication/stream/faults.ts'
import type { SqlRow } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import {
  createInProcessNetwork,
  type InProcessNetwork,
} from '../../src/drivers/transport/in-process-network.ts'
import { commitWrites, NOTES, ORDERS, PLANS, type TestWrite } from './stream-schema.ts'
import { StreamRegion, type Crash } from './stream-region.ts'

const REGIONS = ['us', 'eu', 'ap'] as const
type Region = (typeof REGIONS)[number]

/** Where each tenant may be; the first is its home. Names are long, to be found in a file's bytes. */
const TENANTS = {
  'tenant-anywhere-us': ['us', 'eu', 'ap'],
  'tenant-anywhere-eu': ['eu', 'us', 'ap'],
  'tenant-not-in-ap': ['eu', 'us'],
  'tenant-only-in-us': ['us'],
} as const satisfies Record<string, readonly Region[]>
type Tenant = keyof typeof TENANTS
const TENANT_NAMES = Object.keys(TENANTS) as Tenant[]

/** One step of a scenario. */
export type Step =
  | { readonly kind: 'pinned'; readonly rows: readonly (readonly [Tenant, string, boolean])[] }
  | { readonly kind: 'eventual'; readonly tenant: Tenant; readonly at: number; readonly id: string }
  | { readonly kind: 'strong'; readonly at: Region; readonly id: string }
  | { readonly kind: 'cut' | 'heal'; readonly link: number }
  | { readonly kind: 'kill' | 'start'; readonly region: Region }
  | { readonly kind: 'crash'; readonly region: Region; readonly when: Crash }
  | { readonly kind: 'prune'; readonly region: Region }
  | { readonly kind: 'wait'; readonly ms: number }

const LINKS = [
  ['us', 'eu'],
  ['us', 'ap'],
  ['eu', 'ap'],
] as const

const id = fc.constantFrom('a', 'b', 'c')
const tenant = fc.constantFrom(...TENANT_NAMES)
const region = fc.constantFrom(...REGIONS)

/** Random steps: mostly work, some faults. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('pinned' as const),
        rows: fc.array(fc.tuple(tenant, id, fc.boolean()), { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('eventual' as const), tenant, at: fc.nat(2), id }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('strong' as const), at: region, id }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom('cut', 'heal'), link: fc.nat(2) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('kill', 'start'), region }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        region,
        when: fc.constantFrom('before', 'after'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('prune' as const), region }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(8) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constant(40) }),
    },
  ),
  { minLength: 10, maxLength: 40 },
)

/** How a scenario is run, besides its script. */
export interface ScenarioOptions {
  readonly faults?: StreamFaults
  /** Default 10,000. */
  readonly settleMs?: number
  /** How long importers have advances in memory alone. Default 200. */
  readonly keepWithinMs?: number
}

/** Runs a scenario from nothing. Rejects with what is wrong. */
export async function runScenario(
  script: readonly Step[],
  { faults = {}, settleMs = 10_000, keepWithinMs = 200 }: ScenarioOptions = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-'))
  const network = createInProcessNetwork({
    oneWayDelayMs: () => 1,
    timers: systemRuntime.timers,
  })
  const mayReplicate = async (name: string, to: string): Promise<boolean> => {
    await Promise.resolve()
    return isAllowed(name as Tenant, to as Region)
  }
  const regions = new Map<Region, StreamRegion>()
  try {
    for (const name of REGIONS) {
      const shared = { regions: REGIONS, folder, network, mayReplicate, faults, keepWithinMs }
      regions.set(name, await StreamRegion.open({ region: name, ...shared }))
    }
    await Promise.all([...regions.values()].map((one) => one.start()))
    for (const step of script) await runStep(step, regions, network)
    network.healAll()
    await settle(regions, settleMs)
    await checkRegions(regions)
  } finally {
    await Promise.all([...regions.values()].map((one) => one.close()))
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runStep(
  step: Step,
  regions: ReadonlyMap<Region, StreamRegion>,
  network: InProcessNetwork,
): Promise<void> {
  switch (step.kind) {
    case 'pinned': {
      const home = TENANTS[step.rows[0]?.[0] as Tenant][0]
      const rows = step.rows.filter(([name]) => TENANTS[name][0] === home)
      return attempt(regions.get(home), (one) => commitWrites(one, rows.map(orderWrite)))
    }
    case 'eventual': {
      const allowed = TENANTS[step.tenant]
      const at = regions.get(allowed[step.at % allowed.length] as Region)
      return attempt(at, (one) => commitNote(one, step.tenant, step.id))
    }
    case 'strong': {
      const plan = { table: PLANS, tenant: '', id: step.id, body: bodyOf('strong') }
      return attempt(regions.get(step.at), (one) => commitWrites(one, [plan]))
    }
    case 'cut':
      network.partition(...LINKS[step.link as 0])
      return
    case 'heal':
      network.heal(...LINKS[step.link as 0])
      return
    case 'kill':
      regions.get(step.region)?.kill()
      return
    case 'start':
      return startDead(regions.get(step.region))
    case 'crash':
      regions.get(step.region)?.crashAtNextWrite(step.when)
      return
    case 'prune':
      return attempt(regions.get(step.region), (one) => one.prune())
    case 'wait':
      await sleep(step.ms)
  }
}

let bodies = 0

function bodyOf(owner: string): string {
  return `body-${++bodies}-of-${owner}`
}

function orderWrite([name, key, isDelete]: readonly [Tenant, string, boolean]): TestWrite {
  return { table: ORDERS, tenant: name, id: key, body: isDelete ? null : bodyOf(name) }
}

async function commitNote(one: StreamRegion, name: Tenant, key: string): Promise<void> {
  const body = bodyOf(name)
  await one.eventual.commit({
    txId: body,
    tenant: name,
    reads: [],
    ops: [{ kind: 'upsert', table: NOTES.id, rows: [[key, body]] }],
    idempotencyKey: body,
    contentHash: body,
    issuedAtMs: Date.now(),
    basis: 0,
  })
}

async function attempt(
  target: StreamRegion | undefined,
  work: (target: StreamRegion) => Promise<unknown>,
): Promise<void> {
  if (target?.isAlive !== true) return
  try {
    await work(target)
  } catch (error) {
    // The process died on the way: whether the write is there is what the store says afterwards.
    if (target.isAlive) throw error
  }
}

async function startDead(target: StreamRegion | undefined): Promise<void> {
  if (target !== undefined && !target.isAlive) await target.start()
}

/** Waits until every region has everything of every other. */
async function settle(regions: ReadonlyMap<Region, StreamRegion>, settleMs: number): Promise<void> {
  const deadlineMs = performance.now() + settleMs
  for (;;) {
    // A crash that waits for a write may still strike.
    for (const one of regions.values()) await startDead(one)
    const behind = await findBehind(regions)
    if (behind === undefined) return
    if (performance.now() > deadlineMs) throw new Error(`Not converged: ${behind}`)
    await sleep(5)
  }
}

async function findBehind(regions: ReadonlyMap<Region, StreamRegion>): Promise<string | undefined> {
  for (const source of regions.values()) {
    for (const target of regions.values()) {
      if (source === target) continue
      if (!source.isAlive || !target.isAlive) return 'a region is dead'
      const status = target.importer(source.region).status()
      if (status.error?.retry === 'never') throw status.error
      const end = await source.feed.end()
      const isThere = status.source === source.source && status.position === end
      if (!isThere) return `${target.region} has ${status.position} of ${source.region}'s ${end}`
    }
  }
  return undefined
}

/** The rules that hold whatever happened. */
async function checkRegions(regions: ReadonlyMap<Region, StreamRegion>): Promise<void> {
  for (const source of regions.values()) {
    await checkDense(source)
    await checkNoEcho(source)
    for (const target of regions.values()) {
      if (source !== target) await checkOrigins(source, target)
    }
  }
  for (const name of TENANT_NAMES) {
    const [home, ...others] = TENANTS[name].map((one) => regions.get(one) as StreamRegion)
    for (const other of others) {
      await checkRows(home as StreamRegion, other, `* FROM ${ORDERS.physicalName}`, name)
      // Versions of eventual rows are each region's own.
      const notes = `tenant, c1, c2, hex(_crdt), _visible FROM ${NOTES.physicalName}`
      await checkRows(home as StreamRegion, other, notes, name)
    }
  }
  for (const one of regions.values()) checkBytes(one)
}

/** localSeq is dense and every transaction whole. */
async function checkDense(one: StreamRegion): Promise<void> {
  const end = await one.feed.end()
  const made = await rowsOf(one, 'SELECT count(*), max(seq) FROM all_changes')
  if (String(made) !== `${end},${end > 0 ? end : ''}`) {
    throw new Error(`${one.region} has ${String(made)} of ${end} changes`)
  }
  const [first] = await rowsOf(one, 'SELECT coalesce(min(seq) - 1, ?) FROM _outbox', end)
  let at = Number(first?.[0])
  let place = 0
  while (at < end) {
    for (const change of await one.feed.read(at, 7)) {
      at++
      if (change.localSeq !== at) throw new Error(`${one.region} lacks ${at}`)
      if (change.index !== place) throw new Error(`${one.region} cut a transaction at ${at}`)
      place = change.index + 1 === change.size ? 0 : place + 1
    }
  }
}

/** A store's own changes never come back to it. */
async function checkNoEcho(one: StreamRegion): Promise<void> {
  const sql = `SELECT seq FROM all_changes WHERE origin_source = '${one.source}'`
  const echoes = await rowsOf(one, sql)
  if (echoes.length > 0) throw new Error(`${one.region} has an echo at ${String(echoes)}`)
}

/** Every permitted change of the source is in the target's outbox once, nothing else is. */
async function checkOrigins(source: StreamRegion, target: StreamRegion): Promise<void> {
  const made = await rowsOf(
    source,
    `SELECT seq, tenant FROM all_changes WHERE origin_source IS NULL
      AND table_id <> ${PLANS.id} ORDER BY seq`,
  )
  const expected = made
    .filter(([, name]) => isAllowed(name as Tenant, target.region as Region))
    .map(([seq]) => Number(seq))
  const got = await rowsOf(
    target,
    `SELECT origin_seq FROM all_changes WHERE origin_source = '${source.source}' ORDER BY origin_seq`,
  )
  const found = got.map(([seq]) => Number(seq))
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${target.region} has ${found} of ${source.region}, not ${expected}`)
  }
}

async function checkRows(
  home: StreamRegion,
  other: StreamRegion,
  selection: string,
  name: Tenant,
): Promise<void> {
  const sql = `SELECT ${selection} WHERE tenant = '${name}' ORDER BY 1, 2`
  const [a, b] = [await rowsOf(home, sql), await rowsOf(other, sql)]
  if (JSON.stringify(a) !== JSON.stringify(b)) {
    throw new Error(`${name} differs: ${home.region} ${String(a)}, ${other.region} ${String(b)}`)
  }
}

/** No byte of a tenant is in the file of a region that may not hold it. */
function checkBytes(one: StreamRegion): void {
  const bytes = Buffer.concat([readFileSync(one.path), readFileSync(`${one.path}-wal`)])
  for (const name of TENANT_NAMES) {
    if (isAllowed(name, one.region as Region)) continue
    if (bytes.includes(name)) throw new Error(`${one.region} holds bytes of ${name}`)
  }
}

async function rowsOf(
  one: StreamRegion,
  sql: string,
  ...args: readonly number[]
): Promise<readonly SqlRow[]> {
  const [result] = await one.disk.read([{ sql, args }])
  return result?.rows ?? []
}

function isAllowed(name: Tenant, to: Region): boolean {
  return (TENANTS[name] as readonly Region[]).includes(to)
}
