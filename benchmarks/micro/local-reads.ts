/**
 * Writes to a table with local strong reads, and those reads, from each of three regions in one
 * process whose messages take their distances; beside a strong table that is read by the log. One
 * operation at a time.
 *
 * Usage: node --import tsx benchmarks/micro/local-reads.ts [operations]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, defineSchema, integer, table, text } from '../../src/client/index.ts'
import { openEmbedded } from '../../src/node/embedded.ts'

const operations = Number(process.argv[2] ?? 40)
const columns = { id: text().primaryKey(), value: integer() }
const schema = defineSchema({
  tables: {
    local: table(columns, { consistency: 'strong', scope: 'global', reads: 'local' }),
    log: table(columns, { consistency: 'strong', scope: 'global' }),
  },
})
const directory = mkdtempSync(join(tmpdir(), 'meridian-local-reads-'))
const deployment = await openEmbedded({ schema, directory, onNotice: () => undefined })
try {
  console.log('region      table  operation   p50 ms   p95 ms   without a round trip')
  for (const region of deployment.config.regions) {
    const db = await connect({ schema, region, deployment })
    while ((await read(db.local)) > 0);
    for (const [name, of] of [
      ['local', db.local],
      ['log', db.log],
    ] as const) {
      await measure(region, name, 'write', (i) => write(of, i))
      await measure(region, name, 'read', () => read(of))
    }
    await db.close()
  }
} finally {
  await deployment.close()
  rmSync(directory, { recursive: true })
}

type Rows = Pick<Awaited<ReturnType<typeof connect<typeof schema>>>['local'], 'get' | 'upsert'>

/** Resolves with the round trips between regions. */
async function read(rows: Rows): Promise<number> {
  const { receipt } = await rows.get('r', { consistency: 'strong' }).withReceipt()
  return receipt.crossRegionRoundTrips
}

async function write(rows: Rows, value: number): Promise<number> {
  const { receipt } = await rows.upsert({ id: 'w', value }).withReceipt()
  return receipt.crossRegionRoundTrips
}

async function measure(
  region: string,
  name: string,
  operation: string,
  run: (i: number) => Promise<number>,
): Promise<void> {
  const tookMs: number[] = []
  let local = 0
  for (let i = 0; i < operations; i++) {
    const startMs = performance.now()
    const trips = await run(i)
    tookMs.push(performance.now() - startMs)
    if (trips === 0) local += 1
  }
  tookMs.sort((a, b) => a - b)
  const at = (share: number): string => (tookMs[Math.floor(share * operations)] ?? 0).toFixed(1)
  const cells = [region.padEnd(11), name.padEnd(6), operation.padEnd(9)]
  console.log(`${cells.join(' ')} ${at(0.5).padStart(8)} ${at(0.95).padStart(8)}   ${local}`)
}
