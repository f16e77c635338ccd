/**
 * What a point read costs through a node on the loopback interface, at the tenant's home: the client
 * over HTTP against a bare HTTP server that runs the same statement with `@libsql/client` and
 * answers with JSON, called with the same `fetch`; in turns, each server a process of its own.
 * Budget: p95 at most 1.3 times, and at most 1 ms.
 *
 *   npx tsx benchmarks/micro/node-read.ts [reads of each, default 5,000]
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { createClient } from '@libsql/client'
import { connect, httpDeployment } from '../../src/client/http/index.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import { selectByKeys } from '../../src/sql/select.ts'
import { orderId, orderRows, percentile, printQuantiles, schema } from './point-reads-shared.ts'

const WARM_UP = 1_000
const BUDGET_RATIO = 1.3
const BUDGET_MS = 1
const REGION = 'us-east'

/** The node imports this file for its schema. */
export { schema }

/** The bare server: `POST /` with `{ id }` is answered with the row's values. */
async function serveBare(file: string): Promise<void> {
  const orders = compileSchema(schema).compiled.tableByName.get('orders')
  if (orders === undefined) throw new Error('no orders')
  const raw = createClient({ url: `file:${file}` })
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { id } = JSON.parse(Buffer.concat(chunks).toString()) as { id: string }
      const { sql, args } = selectByKeys(orders, 'acme', [[id]], Date.now())
      void raw.execute({ sql, args: [...args] }).then(({ rows }) => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(rows[0]))
      })
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    console.log(JSON.stringify({ event: 'listening', url: `http://127.0.0.1:${port}` }))
  })
}

async function start(args: readonly string[], children: ChildProcess[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { event?: string; url?: string }
    if (said.event === 'listening' && said.url !== undefined) return said.url
  }
  throw new Error(`${args.join(' ')} has ended`)
}

async function compare(reads: number, folder: string, children: ChildProcess[]): Promise<void> {
  const nodes = { [REGION]: { url: 'http://127.0.0.1:0' } }
  const config = {
    regions: [REGION],
    schema: import.meta.filename,
    nodes,
    data: { directory: folder },
  }
  const configFile = join(folder, 'meridian.json')
  await writeFile(configFile, JSON.stringify(config))
  const command = ['src/cli/main.ts', 'node', '--config', configFile, '--region', REGION]
  const url = await start([...command, '--json', '--until-stdin-ends'], children)
  const deployment = httpDeployment({ nodes: { [REGION]: url } })
  await using db = await connect({ schema, region: REGION, deployment })
  await db.tenants.create({ id: 'acme', home: REGION })
  const { orders } = db.tenant('acme')
  await orders.insertMany(orderRows)
  const store = join(folder, REGION, 'store.db')
  const bare = await start([import.meta.filename, '--bare', store], children)
  const clientMs: number[] = []
  const bareMs: number[] = []
  for (let i = 0; i < WARM_UP + reads; i++) {
    const id = orderId(i)
    const startMs = performance.now()
    const response = await fetch(bare, { method: 'POST', body: JSON.stringify({ id }) })
    const row = (await response.json()) as object
    const betweenMs = performance.now()
    const order = await orders.get(id)
    const endMs = performance.now()
    if (order?.id !== id || Object.keys(row).length === 0) throw new Error(`no ${id}`)
    if (i < WARM_UP) continue
    bareMs.push(betweenMs - startMs)
    clientMs.push(endMs - betweenMs)
  }
  printQuantiles({ 'through a node': clientMs, 'bare HTTP': bareMs })
  const p95Ms = percentile(clientMs, 0.95)
  const ratio = p95Ms / percentile(bareMs, 0.95)
  const verdict = ratio <= BUDGET_RATIO && p95Ms <= BUDGET_MS ? 'within' : 'over'
  console.log(
    `ratio at p95 ${ratio.toFixed(2)}, ${p95Ms.toFixed(2)} ms: ${verdict} the budget of ${BUDGET_RATIO} and ${BUDGET_MS} ms`,
  )
}

async function main(): Promise<void> {
  const [first, file] = process.argv.slice(2)
  if (first === '--bare') {
    await serveBare(file ?? '')
    return
  }
  const folder = await mkdtemp(join(tmpdir(), 'meridian-node-read-'))
  const children: ChildProcess[] = []
  try {
    await compare(Number(first ?? 5_000), folder, children)
  } finally {
    for (const child of children) child.kill('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
}

// A node that imports this file runs nothing.
if (process.argv[1] === import.meta.filename) await main()
