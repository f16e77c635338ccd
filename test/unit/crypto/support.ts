/** What tests of field encryption share: a directory in memory, a clock, a schema. */
import { randomBytes } from 'node:crypto'
import { FieldCipher, type FieldCipherOptions } from '../../../src/crypto/field-cipher.ts'
import type { KeyDirectory, WrappedKey } from '../../../src/crypto/key-directory.ts'
import { TenantKeys, type TenantKeysOptions } from '../../../src/crypto/tenant-keys.ts'
import type { AeadSuite } from '../../../src/core/ports/aead-suite.ts'
import type { KeyContext, KeyWrapper } from '../../../src/core/ports/key-wrapper.ts'
import type { Clock, Random } from '../../../src/core/ports/runtime.ts'
import { createLocalKeyWrapper, regionKek } from '../../../src/drivers/keys/local-key-wrapper.ts'
import { nodeAeadSuite } from '../../../src/drivers/keys/node-suite.ts'
import { integer, text } from '../../../src/schema/columns.ts'
import type { CompiledColumn, CompiledTable } from '../../../src/schema/compiled.ts'
import { compileSchema } from '../../../src/schema/compile.ts'
import { defineSchema, table } from '../../../src/schema/define.ts'

export const random: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => 0.5,
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #ms = 1000

  advance(ms: number): void {
    this.#ms += ms
  }
  nowMs(): number {
    return this.#ms
  }
  monotonicMs(): number {
    return this.#ms
  }
  bootMs(): number {
    return this.#ms
  }
}

/** A directory in memory, which counts what it is asked. */
export class MemoryDirectory implements KeyDirectory {
  readonly keys = new Map<string, readonly WrappedKey[]>()
  readonly asked: { tenant: string; fresh: boolean }[] = []
  creations = 0
  /** Runs before each answer. */
  before: () => Promise<void> = async () => undefined

  async get(tenant: string, fresh: boolean): Promise<readonly WrappedKey[]> {
    this.asked.push({ tenant, fresh })
    const keys = this.keys.get(tenant) ?? []
    await this.before()
    return keys
  }

  async create(tenant: string, keys: readonly WrappedKey[]): Promise<readonly WrappedKey[]> {
    this.creations += 1
    await this.before()
    const winner = this.keys.get(tenant) ?? keys
    this.keys.set(tenant, winner)
    return winner
  }

  /** Adds a generation, as a rotation would. */
  async rotate(tenant: string, wrapper: KeyWrapper, regions: readonly string[]): Promise<void> {
    const keys = this.keys.get(tenant) ?? []
    const newest = keys.at(-1) as WrappedKey
    const id = { lineage: newest.lineage, generation: newest.generation + 1 }
    const secret = random.bytes(32)
    const copies = await Promise.all(
      regions.map(async (region) => {
        return { ...id, region, wrapped: await wrapper.wrap(secret, { tenant, region, ...id }) }
      }),
    )
    this.keys.set(tenant, [...keys, ...copies])
  }
}

/** A wrapper that remembers what it was asked and which bytes it gave out. */
export class RecordingWrapper implements KeyWrapper {
  readonly unwrapped: KeyContext[] = []
  readonly secrets: Uint8Array[] = []
  failure: Error | undefined
  readonly #wrapper: KeyWrapper

  constructor(wrapper: KeyWrapper) {
    this.#wrapper = wrapper
  }

  async regions(): Promise<readonly string[]> {
    return this.#wrapper.regions()
  }

  async wrap(key: Uint8Array, context: KeyContext): Promise<Uint8Array> {
    return this.#wrapper.wrap(key, context)
  }

  async unwrap(wrapped: Uint8Array, context: KeyContext): Promise<Uint8Array> {
    this.unwrapped.push(context)
    if (this.failure !== undefined) throw this.failure
    const secret = await this.#wrapper.unwrap(wrapped, context)
    this.secrets.push(secret)
    return secret
  }
}

export const REGIONS: readonly string[] = ['eu-west', 'us-east']

export function keyWrapper(regions: readonly string[] = REGIONS): RecordingWrapper {
  const keks = regions.map((region, i) => regionKek(region, `0000000${i}`, random.bytes(32)))
  return new RecordingWrapper(createLocalKeyWrapper(keks, false))
}

/** Everything that one region needs, over parts that may be shared or replaced. */
export function regionOf(
  parts: Partial<TenantKeysOptions> & Pick<FieldCipherOptions, 'mutant'> = {},
): { keys: TenantKeys; fields: FieldCipher } {
  const suite: AeadSuite = parts.suite ?? nodeAeadSuite
  const keys = new TenantKeys({
    region: 'eu-west',
    directory: new MemoryDirectory(),
    wrapper: keyWrapper(),
    clock: new ManualClock(),
    random,
    decryptRegions: async () => REGIONS,
    ...parts,
    suite,
  })
  const mutant = parts.mutant === undefined ? {} : { mutant: parts.mutant }
  return {
    keys,
    fields: new FieldCipher({ keys, suite, random: parts.random ?? random, ...mutant }),
  }
}

const { compiled } = compileSchema(
  defineSchema({
    tables: {
      residents: table(
        {
          id: text().primaryKey(),
          age: integer(),
          email: text().encrypted({ lookup: 'exact' }).optional(),
          phone: text().encrypted({ lookup: 'exact' }).optional(),
          income: integer().encrypted().optional(),
        },
        { consistency: 'pinned' },
      ),
      patients: table(
        {
          id: text().primaryKey(),
          age: integer(),
          email: text().encrypted({ lookup: 'exact' }).optional(),
        },
        { consistency: 'pinned' },
      ),
      plain: table({ id: text().primaryKey(), note: text() }, { consistency: 'pinned' }),
    },
  }),
)

export function tableOf(name: 'residents' | 'patients' | 'plain'): CompiledTable {
  return compiled.tableByName.get(name) as CompiledTable
}

export function columnOf(from: CompiledTable, name: string): CompiledColumn {
  return from.columnByName.get(name) as CompiledColumn
}
