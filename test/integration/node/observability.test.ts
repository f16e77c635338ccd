import { createServer } from 'node:http'
import { gunzipSync } from 'node:zlib'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { METRICS_PATH } from '../../../src/core/wire-http.ts'
import { createPinoLog } from '../../../src/drivers/log/pino-log.ts'
import { clusterKeys } from '../../support/node-auth.ts'
import { clientOf, layCluster, page, REGIONS, send } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

const TENANT = 'tenant-canary-8d2f'
const ROW = 'row-canary-51c7'
const SQL_CANARY = 'sql-canary-e04b'

/** Collects the lines of a real log. */
function textLog(): { readonly log: ReturnType<typeof createPinoLog>; text(): string } {
  let text = ''
  const destination = { write: (line: string) => void (text += line) }
  return { log: createPinoLog({ level: 'debug', destination }), text: () => text }
}

describe('what a node writes', () => {
  it('holds no value of a row, no token and no key, whatever goes wrong', async () => {
    const keys = clusterKeys()
    const written = textLog()
    const { log } = written
    const cluster = await layCluster({ schema, ...keys.layout })
    const nodes = await Promise.all(REGIONS.map((region) => cluster.start(region, { log })))
    await Promise.all(nodes.map((node) => node.ready()))
    const token = await keys.token(null, ['read', 'write', 'admin', 'metrics'])
    const db = await clientOf(cluster, schema, 'ap-south', { token })
    await db.tenants.create({ id: TENANT, home: 'us-east' })
    const acme = db.tenant(TENANT)
    await acme.orders.insert({ id: ROW, amount: 7 })
    await acme.visits.insert({ id: ROW, times: 1 })
    await db.plans.insert({ id: ROW, seats: 1 })
    const failures = [
      acme.orders.insert({ id: ROW, amount: 7 }),
      db.plans.insert({ id: ROW, seats: 1 }),
      acme.orders.update(`${ROW}-2`, { amount: 1 }),
      send(cluster.url('us-east'), 'us-east', { kind: 'hello' }, { token: `${token}x` }).then(
        ({ response }) => {
          if (!response.ok) throw new Error('refused')
        },
      ),
      acme.query((q) => q.selectFrom(SQL_CANARY as 'orders').selectAll()),
    ]
    for (const { status } of await Promise.allSettled(failures)) expect(status).toBe('rejected')
    const metrics = await page(cluster.url('us-east'), METRICS_PATH, token)
    const status = inspect(
      nodes.map((node) => node.status()),
      { depth: null },
    )
    for (const node of nodes) await node.close()

    for (const event of ['request failed', 'node stopped']) expect(written.text()).toContain(event)
    const canaries = [TENANT, ROW, SQL_CANARY, token, token.split('.')[2] ?? '', ...keys.secrets]
    for (const text of [written.text(), metrics.text, status]) {
      expect(canaries.filter((canary) => text.includes(canary))).toEqual([])
    }
  })

  it('counts requests by what they asked and what came of them', async () => {
    const cluster = await layCluster({ schema, sharedUrl: REGIONS })
    const { url } = await cluster.start('us-east')
    const db = await clientOf(cluster, schema, 'us-east')
    await db.tenants.create({ id: 'acme', home: 'us-east' })
    await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
    const twice = db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
    await expect(twice).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await send(url, 'mars', { kind: 'hello' })

    const { text } = await page(url, METRICS_PATH)
    const count = (labels: string): string | undefined =>
      text.match(
        new RegExp(`^meridian_request_duration_seconds_count\\{${labels}\\} (\\d+)$`, 'm'),
      )?.[1]
    expect(count('region="us-east",kind="commit",code="OK"')).toBe('1')
    expect(count('region="us-east",kind="commit",code="ALREADY_EXISTS"')).toBe('1')
    expect(text).toContain('meridian_refused_requests_total{code="REGION_UNKNOWN"} 1')
    expect(text).toMatch(/^meridian_connections [1-9]\d*$/m)
    expect(text).toMatch(/^meridian_store_writes_waiting\{region="us-east"\} \d+$/m)
    expect(text).toMatch(/^meridian_import_lag_changes\{region="us-east",from="eu-west"\} \d+$/m)
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
    expect(text).toMatch(/^process_resident_memory_bytes /m)
  })
})

describe('spans', () => {
  it('go to the configured collector, from the caller’s to the store’s, without a value', async () => {
    const spans: Span[] = []
    const collector = await startCollector((text) => {
      const { resourceSpans } = JSON.parse(text) as OtlpExport
      spans.push(...resourceSpans.flatMap((r) => r.scopeSpans.flatMap((scope) => scope.spans)))
    })
    const cluster = await layCluster({ schema, sharedUrl: REGIONS })
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector }
    const node = await cluster.start('us-east', { environment })
    const db = await clientOf(cluster, schema, 'us-east')
    await db.tenants.create({ id: TENANT, home: 'us-east' })
    await db.tenant(TENANT).orders.insert({ id: ROW, amount: 7 })
    const traceId = 'a'.repeat(32)
    const spanId = 'b'.repeat(16)
    const header = { trace: `00-${traceId}-${spanId}-01` }
    await send(node.url, 'us-east', { kind: 'tenant', tenant: TENANT, fresh: false }, { header })
    await send(
      node.url,
      'us-east',
      { kind: 'get', table: 1, tenant: TENANT, keys: [[ROW]], level: 'session' },
      { header },
    )
    await node.close()

    await until(() => {
      const own = spans.filter((span) => span.traceId === traceId)
      const get = own.find(({ name }) => name === 'node get')
      expect(get).toMatchObject({ parentSpanId: spanId })
      const below = own.filter((span) => span.parentSpanId === get?.spanId)
      expect(below.map(({ name }) => name)).toContain('store read')
    })
    expect(spans.some(({ name }) => name === 'store write')).toBe(true)
    expect(JSON.stringify(spans)).not.toMatch(/canary/)
  })
})

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
}

interface OtlpExport {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  }[]
}

/** An OTLP/HTTP collector: hands over each export as JSON. */
function startCollector(onExport: (text: string) => void): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const isZipped = request.headers['content-encoding'] === 'gzip'
        onExport((isZipped ? gunzipSync(bytes) : bytes).toString('utf8'))
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    })
    onTestFinished(() => void server.close())
    server.listen(0, '127.0.0.1', () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    })
  })
}
