/**
 * What a store on a libSQL server costs over `@libsql/client`'s own batch: latency of a write and of
 * a read by one caller, and transactions a second at several numbers of callers, where the store
 * shares commits. Both speak to the same server in the same run.
 *
 *   npx tsx benchmarks/micro/remote-store.ts [seconds per measurement, default 2]
 */
import { performance } from 'node:perf_hooks'
import { createClient, type Client } from '@libsql/client'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openRemoteStore } from '../../src/drivers/store/remote/remote-store.ts'
import { openStoreServer } from '../../src/node/store-server.ts'

const SECONDS = Number(process.argv[2] ?? 2)
const CALLERS: readonly number[] = [1, 8, 32]
const WARM_UP = 100
const VALUE = 'a value of some forty characters, as usual'

let nextKey = 0

const write = (): Statement[] => {
  const key = nextKey++
  return [
    { sql: 'INSERT INTO item VALUES (?, ?)', args: [key, VALUE] },
    { sql: 'UPDATE clock SET n = n + 1', args: [] },
    { sql: 'SELECT n FROM clock', args: [] },
  ]
}

const read = (): Statement[] => [
  { sql: 'SELECT k, v FROM item WHERE k = ?', args: [Math.floor(Math.random() * nextKey)] },
]

/** The two ways to the server. */
interface Way {
  readonly write: () => Promise<unknown>
  readonly read: () => Promise<unknown>
}

const storeWay = (store: Store): Way => ({
  write: () => store.write(write()),
  read: () => store.read(read()),
})

const clientWay = (client: Client): Way => {
  const batch = (statements: Statement[], mode: 'write' | 'read'): Promise<unknown> =>
    client.batch(
      statements.map(({ sql, args }) => ({ sql, args: [...args] })),
      mode,
    )
  return { write: () => batch(write(), 'write'), read: () => batch(read(), 'read') }
}

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
}

/** Runs callers in closed loops. */
async function measure(callers: number, each: () => Promise<unknown>): Promise<Measured> {
  const times: number[] = []
  const startMs = performance.now()
  const endMs = startMs + SECONDS * 1000
  const caller = async (): Promise<void> => {
    for (let at = performance.now(); at < endMs;) {
      await each()
      const now = performance.now()
      times.push(now - at)
      at = now
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  times.sort((a, b) => a - b)
  const percentile = (share: number): number => times[Math.floor(times.length * share)] ?? 0
  const seconds = (performance.now() - startMs) / 1000
  return { perSecond: times.length / seconds, p50Ms: percentile(0.5), p95Ms: percentile(0.95) }
}

function print(label: string, own: Measured, raw: Measured): void {
  const cells = [own, raw].map(
    ({ perSecond, p50Ms, p95Ms }) =>
      `${perSecond.toFixed(0).padStart(7)}/s ${p50Ms.toFixed(2).padStart(7)} ${p95Ms.toFixed(2).padStart(7)}`,
  )
  const ratio = (own.perSecond / raw.perSecond).toFixed(2)
  console.log(`${label.padEnd(22)} ${cells.join('   ')}   ${ratio.padStart(6)}`)
}

console.log(`${' '.repeat(22)} store       p50     p95 ms   @libsql/client p50  p95 ms   ratio`)
const server = await openStoreServer()
for (const protocol of ['http', 'ws']) {
  const url = server.url.replace(/^http/, protocol)
  const store = await openRemoteStore({ url, runtime: systemRuntime })
  await store.write(
    [
      'CREATE TABLE IF NOT EXISTS item (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT',
      'CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT',
      'INSERT OR IGNORE INTO clock VALUES (1, 0)',
    ].map((sql) => ({ sql, args: [] })),
  )
  const client = createClient({ url, concurrency: 128 })
  const own = storeWay(store)
  const raw = clientWay(client)
  for (const kind of ['write', 'read'] as const) {
    for (let i = 0; i < WARM_UP; i++) await Promise.all([own[kind](), raw[kind]()])
    for (const callers of CALLERS) {
      const label = `${protocol} ${kind}, ${callers} callers`
      print(label, await measure(callers, own[kind]), await measure(callers, raw[kind]))
    }
  }
  client.close()
  await store.close()
}
await server.close()
