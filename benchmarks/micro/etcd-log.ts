/**
 * What an append to the commit log in etcd costs, beside a put of the same bytes by the client
 * library in the same run. An append is a put, the put of its id, and two conditions in one
 * transaction. The ratio is of the medians of latency.
 *
 *   npx tsx benchmarks/micro/etcd-log.ts [seconds per measurement, default 3] [host:port of an etcd]
 */
import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { Etcd3 } from 'etcd3'
import { openEtcd } from '../../src/drivers/etcd/open-etcd.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'

const SECONDS = Number(process.argv[2] ?? 3)
const ENDPOINT = process.argv[3] ?? '127.0.0.1:2379'
const PAYLOAD = Buffer.alloc(1000, 7)
const ROUNDS = 3

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
}

async function measure(inFlight: number, work: (i: number) => Promise<unknown>): Promise<Measured> {
  const latenciesMs: number[] = []
  const startMs = performance.now()
  const endMs = startMs + (SECONDS * 1000) / ROUNDS
  let next = 0
  const run = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const sentMs = performance.now()
      await work(next++)
      latenciesMs.push(performance.now() - sentMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, run))
  const elapsedMs = performance.now() - startMs
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0
  return { perSecond: (sorted.length * 1000) / elapsedMs, p50Ms: at(0.5), p95Ms: at(0.95) }
}

/** The median of each figure over the rounds. */
function median(rounds: readonly Measured[]): Measured {
  const of = (figure: (one: Measured) => number): number =>
    rounds.map(figure).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? 0
  return {
    perSecond: of((one) => one.perSecond),
    p50Ms: of((one) => one.p50Ms),
    p95Ms: of((one) => one.p95Ms),
  }
}

const name = `bench-${randomBytes(4).toString('hex')}`
const raw = new Etcd3({ hosts: ENDPOINT })
const engine = await openEtcd({
  name,
  endpoints: [ENDPOINT],
  runtime: systemRuntime,
  log: { write: () => undefined },
})
const log = engine.commitLog()
let appended = 0
const put = async (): Promise<unknown> => raw.put(`${name}/raw`).value(PAYLOAD)
const append = (): Promise<number> => log.append('g', `${appended++}`, PAYLOAD)
const readIndex = (): Promise<number> => log.readIndex('g')
const get = (): Promise<unknown> => raw.get(`${name}/raw`).buffer()

console.log(`${'1,000 bytes'.padEnd(26)} per second   p50 ms   p95 ms    ratio`)
for (const inFlight of [1, 32]) {
  for (const [what, engineWork, ownWork] of [
    ['append', put, append],
    ['read index', get, readIndex],
  ] as const) {
    // In turns: what else the machine does meanwhile falls on both.
    const [engineRounds, ownRounds]: [Measured[], Measured[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      engineRounds.push(await measure(inFlight, engineWork))
      ownRounds.push(await measure(inFlight, ownWork))
    }
    const base = median(engineRounds)
    const lines: readonly [string, Measured][] = [
      [`${what} × ${inFlight}, engine`, base],
      [`${what} × ${inFlight}, driver`, median(ownRounds)],
    ]
    for (const [label, { perSecond, p50Ms, p95Ms }] of lines) {
      const figures = [p50Ms, p95Ms, p50Ms / base.p50Ms].map((one) => one.toFixed(2).padStart(8))
      const rate = Math.round(perSecond).toString().padStart(10)
      console.log(`${label.padEnd(26)} ${rate} ${figures.join(' ')}`)
    }
  }
}
await raw.delete().prefix(`${name}/`)
await raw.delete().key(`.meridian/deployments/${name}`)
await engine.close()
raw.close()
