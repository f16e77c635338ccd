/**
 * What a commit costs in CPU over three regions of real engines, by kind of process: writes of one
 * region at a rate, less what the deployment spends idle. With a folder it also leaves a CPU profile
 * of each node and store there, which Chromium and editors open, and prints what they were busy with
 * by package (wall time of a thread that was not idle: a write that waits for the disk counts).
 *
 *   npx tsx benchmarks/micro/commit-cpu.ts [strong | pinned | eventual] [writes a second, default 5]
 *     [seconds, default 20] [folder for profiles]
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { CpuReader } from '../measure/process-cpu.ts'
import { openRealTarget } from '../target/open-real.ts'
import type { TargetProcess } from '../target/target.ts'
import { bestLeader, configFor, readTopology } from '../topologies/index.ts'
import { schema, tenantOf, type BenchDatabase } from '../workloads/schema.ts'

const [mode = 'strong', rateText = '5', secondsText = '20', profiles] = process.argv.slice(2)
const RATE = Number(rateText)
const SECONDS = Number(secondsText)
const ROWS = 50
const VALUE = 'x'.repeat(100)
/** Profiles are written once their processes were told to stop. */
const PROFILE_WRITE_MS = 3000
const TOP_PACKAGES = 12

if (profiles !== undefined) {
  mkdirSync(profiles, { recursive: true })
  process.env['MERIDIAN_BENCH_PROFILES'] = resolve(profiles)
  process.env['NODE_OPTIONS'] = `--import ${new URL('profiler-hook.mjs', import.meta.url).href}`
}
const topology = await readTopology('triangle')
const leader = bestLeader(topology)
const directory = mkdtempSync(join(tmpdir(), 'commit-cpu-'))
const target = await openRealTarget({
  ...{ schema, schemaModule: resolve(import.meta.dirname, '../workloads/schema.ts') },
  ...{ config: configFor(topology, leader), directory, onNotice: () => undefined },
})
try {
  await measure()
} finally {
  await target.close()
  rmSync(directory, { recursive: true, force: true })
}

async function measure(): Promise<void> {
  const [origin = ''] = topology.regions
  const db = await target.connect(origin)
  await db.tenants.create({ id: tenantOf(origin), home: origin })
  await load(db, origin, 2)
  await target.settle()
  await pause(3000)
  const idle = await spent(async () => {
    await pause(SECONDS * 1000)
    return 0
  })
  signalProfilers()
  const busy = await spent(() => load(db, origin, SECONDS))
  signalProfilers()
  await db.close()
  console.log(`${mode} writes of ${origin}, ${RATE} a second; CPU ms over all regions`)
  console.log('process'.padEnd(10), 'idle/s'.padStart(8), 'a write'.padStart(8))
  let total = 0
  for (const [kind, ms] of busy.byKind) {
    const idleMs = (idle.byKind.get(kind) ?? 0) / idle.seconds
    const eachMs = (ms - idleMs * busy.seconds) / busy.writes
    total += eachMs
    console.log(kind.padEnd(10), idleMs.toFixed(1).padStart(8), eachMs.toFixed(2).padStart(8))
  }
  console.log('together'.padEnd(10), ''.padStart(8), total.toFixed(2).padStart(8))
  if (profiles === undefined) return
  await pause(PROFILE_WRITE_MS)
  for (const kind of ['node', 'store']) printPackages(kind, profiles)
}

/** Writes for a while, not waiting for answers; resolves with how many once all have theirs. */
async function load(db: BenchDatabase, origin: string, seconds: number): Promise<number> {
  const tenant = db.tenant(tenantOf(origin))
  const write = (id: string): Promise<unknown> => {
    if (mode === 'strong') return db.strongRows.upsert({ id, value: VALUE })
    if (mode === 'pinned') return tenant.pinnedRows.upsert({ id, value: VALUE, amount: 1 })
    return tenant.eventualRows.upsert({ id, value: VALUE })
  }
  const writes: Promise<unknown>[] = []
  for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs;) {
    writes.push(write(`row-${writes.length % ROWS}`))
    await pause(1000 / RATE)
  }
  await Promise.all(writes)
  return writes.length
}

interface Spent {
  readonly writes: number
  readonly seconds: number
  readonly byKind: ReadonlyMap<string, number>
}

async function spent(run: () => Promise<number>): Promise<Spent> {
  const reader = new CpuReader()
  const kinds = new Map<string, TargetProcess[]>()
  for (const process of target.processes()) {
    const kind = process.name.split(' ')[0] ?? process.name
    kinds.set(kind, [...(kinds.get(kind) ?? []), process])
  }
  const read = (processes: readonly TargetProcess[]): number =>
    reader.cpuMs(processes.map(({ pid }) => pid))
  const before = new Map([...kinds].map(([kind, of]) => [kind, read(of)]))
  const startMs = performance.now()
  const writes = await run()
  const seconds = (performance.now() - startMs) / 1000
  const byKind = new Map([...kinds].map(([kind, of]) => [kind, read(of) - (before.get(kind) ?? 0)]))
  return { writes, seconds, byKind }
}

/** Begins the profiles of nodes and stores, or ends them. */
function signalProfilers(): void {
  if (profiles === undefined) return
  for (const { name, pid } of target.processes()) {
    if (/^(node|store) /.test(name)) process.kill(pid, 'SIGUSR2')
  }
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

function printPackages(kind: string, folder: string): void {
  const byPackage = new Map<string, number>()
  let busyUs = 0
  for (const file of readdirSync(folder).filter((name) => name.startsWith(`${kind}-`))) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile
    const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, packageOf(callFrame)]))
    profile.samples.forEach((id, at) => {
      const name = names.get(id)
      if (name === undefined) return
      const us = profile.timeDeltas[at] ?? 0
      busyUs += us
      byPackage.set(name, (byPackage.get(name) ?? 0) + us)
    })
  }
  console.log(`\n${kind}s, share of the time in which they were not idle`)
  const largest = [...byPackage].toSorted(([, a], [, b]) => b - a).slice(0, TOP_PACKAGES)
  for (const [name, us] of largest) {
    console.log(`${((100 * us) / busyUs).toFixed(1).padStart(6)} %  ${name}`)
  }
}

/** `undefined`: idle. */
function packageOf({
  functionName,
  url,
}: Profile['nodes'][number]['callFrame']): string | undefined {
  if (functionName === '(idle)') return undefined
  const [, inPackage] = url.split('node_modules/')
  if (inPackage !== undefined) {
    const [scope = '', name = ''] = inPackage.split('/')
    return scope.startsWith('@') ? `${scope}/${name}` : scope
  }
  if (url.startsWith('node:')) return 'Node.js'
  return url === '' ? `native: ${functionName}` : 'meridian'
}
