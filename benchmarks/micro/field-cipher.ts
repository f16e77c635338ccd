/**
 * What a cell costs to encrypt and to decrypt, in µs, with `node:crypto` and with WebCrypto: the
 * whole way, from row images to row images. The quickest of several rounds counts: what disturbs a
 * round is not the cipher. Run: npx tsx benchmarks/micro/field-cipher.ts
 */
import type { AeadSuite } from '../../src/core/ports/aead-suite.ts'
import { FieldCipher } from '../../src/crypto/field-cipher.ts'
import type { KeyDirectory, WrappedKey } from '../../src/crypto/key-directory.ts'
import { TenantKeys } from '../../src/crypto/tenant-keys.ts'
import { webAeadSuite } from '../../src/crypto/web-suite.ts'
import { createDevelopmentKeyring } from '../../src/drivers/keys/keyring-file.ts'
import { nodeAeadSuite } from '../../src/drivers/keys/node-suite.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { text } from '../../src/schema/columns.ts'
import type { CompiledColumn, CompiledTable } from '../../src/schema/compiled.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import { defineSchema, table } from '../../src/schema/define.ts'

const SUITES: readonly (readonly [string, AeadSuite])[] = [
  ['node:crypto', nodeAeadSuite],
  ['WebCrypto', webAeadSuite],
]
const VALUE_BYTES = [64, 256] as const
const BATCH_CELLS = [1, 1000] as const
const ROUNDS = 50
const ROUND_MS = 10
const REGION = 'local'
const TENANT = 'acme'

const { clock, random } = systemRuntime

async function main(): Promise<void> {
  const secrets = compiledTable()
  console.log(['cipher', 'bytes', 'cells a call', 'encrypt', 'decrypt', 'blind index'].join('\t'))
  for (const [name, suite] of SUITES) {
    const fields = await fieldCipher(suite)
    for (const valueBytes of VALUE_BYTES) {
      for (const cells of BATCH_CELLS) {
        const figures = await measure(fields, secrets, valueBytes, cells)
        console.log([name, valueBytes, cells, ...figures.map((us) => us.toFixed(1))].join('\t'))
      }
    }
  }
}

async function measure(
  fields: FieldCipher,
  secrets: CompiledTable,
  valueBytes: number,
  cells: number,
): Promise<number[]> {
  const value = 'x'.repeat(valueBytes)
  const images = Array.from({ length: cells }, (_, i) => [`row-${i}`, value, null, null])
  const stored = await fields.encryptImages(TENANT, secrets, images)
  const lookup = secrets.columnByName.get('found') as CompiledColumn
  return [
    await usPerCell(cells, async () => fields.encryptImages(TENANT, secrets, images)),
    await usPerCell(cells, async () => fields.decryptImages(TENANT, secrets, stored)),
    await usPerCell(1, async () => fields.blindIndex(TENANT, secrets, lookup, value)),
  ]
}

async function usPerCell(cells: number, call: () => Promise<unknown>): Promise<number> {
  let bestUs = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const { elapsedMs, calls } = await repeatFor(ROUND_MS, call)
    bestUs = Math.min(bestUs, (1000 * elapsedMs) / (calls * cells))
  }
  return bestUs
}

async function repeatFor(
  durationMs: number,
  call: () => Promise<unknown>,
): Promise<{ readonly elapsedMs: number; readonly calls: number }> {
  const startMs = clock.monotonicMs()
  let calls = 0
  let elapsedMs = 0
  while (elapsedMs < durationMs) {
    await call()
    calls += 1
    elapsedMs = clock.monotonicMs() - startMs
  }
  return { elapsedMs, calls }
}

async function fieldCipher(suite: AeadSuite): Promise<FieldCipher> {
  const wrapper = await createDevelopmentKeyring({ regions: [REGION] })
  let recorded: readonly WrappedKey[] = []
  const directory: KeyDirectory = {
    get: async () => recorded,
    create: async (_, keys) => (recorded = keys),
  }
  const decryptRegions = async (): Promise<readonly string[]> => [REGION]
  const keys = new TenantKeys({
    region: REGION,
    directory,
    wrapper,
    suite,
    clock,
    random,
    decryptRegions,
  })
  return new FieldCipher({ keys, suite, random })
}

function compiledTable(): CompiledTable {
  const columns = {
    id: text().primaryKey(),
    sealed: text().encrypted(),
    found: text().encrypted({ lookup: 'exact' }).optional(),
  }
  const schema = defineSchema({ tables: { secrets: table(columns, { consistency: 'pinned' }) } })
  return compileSchema(schema).compiled.tableByName.get('secrets') as CompiledTable
}

await main()
