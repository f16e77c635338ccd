/** Frozen bytes: what was written once is read by every later version. */
import { readFileSync } from 'node:fs'
import { hkdfSync } from 'node:crypto'
import { cmac, gcm } from '@noble/ciphers/aes.js'
import { describe, expect, test } from 'vitest'
import type { KeyWrapper } from '../../../src/core/ports/key-wrapper.ts'
import { webAeadSuite } from '../../../src/crypto/web-suite.ts'
import { nodeAeadSuite } from '../../../src/drivers/keys/node-suite.ts'
import type { FieldCipher } from '../../../src/crypto/field-cipher.ts'
import { MemoryDirectory, hex, random, regionOf, tableOf, unhex } from './support.ts'

interface Golden {
  readonly dataKey: string
  readonly nonces: string
  readonly tenant: string
  readonly lineage: string
  readonly image: readonly (string | number | null)[]
  /** By column name. */
  readonly cells: Readonly<Record<'email' | 'phone' | 'income', string>>
  readonly blindIndexes: Readonly<Record<'email' | 'phone', string>>
}

const golden = JSON.parse(
  readFileSync(new URL('fixtures/cell-v1.json', import.meta.url), 'utf8'),
) as Golden
const residents = tableOf('residents')
const fixedKey: KeyWrapper = {
  regions: async () => ['eu-west', 'us-east'],
  wrap: async () => new Uint8Array(0),
  unwrap: async () => unhex(golden.dataKey),
}

function cipherOn(suite: typeof webAeadSuite): FieldCipher {
  const directory = new MemoryDirectory()
  const copy = { lineage: golden.lineage, generation: 1, wrapped: new Uint8Array(0) }
  directory.keys.set(golden.tenant, [{ ...copy, region: 'eu-west' }])
  const fixed = { ...random, bytes: () => unhex(golden.nonces) }
  return regionOf({ directory, wrapper: fixedKey, suite, random: fixed }).fields
}

const stored = [
  ...golden.image.slice(0, 2),
  unhex(golden.cells.email),
  unhex(golden.blindIndexes.email),
  unhex(golden.cells.phone),
  unhex(golden.blindIndexes.phone),
  unhex(golden.cells.income),
]

describe.each([
  ['node:crypto', nodeAeadSuite],
  ['WebCrypto', webAeadSuite],
])('format version 1, with %s', (_, suite) => {
  test('is read', async () => {
    const [read] = await cipherOn(suite).decryptImages(golden.tenant, residents, [stored])
    expect([read?.[2], read?.[4], read?.[6]]).toEqual([
      golden.image[2],
      golden.image[4],
      golden.image[6],
    ])
  })

  test('is written, byte for byte', async () => {
    const [row] = await cipherOn(suite).encryptImages(golden.tenant, residents, [golden.image])
    const plain = (value: unknown): unknown => (value instanceof Uint8Array ? hex(value) : value)
    expect(row?.map(plain)).toEqual(stored.map(plain))
  })
})

test('the frozen cell of an email is what the specification describes', () => {
  const cell = Buffer.from(golden.cells.email, 'hex')
  const key = Buffer.from('t["r1"]')
  const at = 17 + key.length
  expect(cell.subarray(0, 5).toString('hex')).toBe('f1e1dce101')
  expect(cell.readUInt32BE(5)).toBe(residents.id)
  expect(cell.readUInt32BE(9)).toBe(residents.columnByName.get('email')?.id)
  expect(cell.readUInt32BE(13)).toBe(key.length)
  expect(cell.subarray(17, at)).toEqual(key)
  const header = cell.subarray(at, at + 10)
  expect(header.toString('hex')).toBe(`0101${golden.lineage}00000001`)
  const nonce = new Uint8Array(cell.subarray(at + 10, at + 34))

  const part = (bytes: Uint8Array): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const info = ['meridian.fle1', 'data', golden.tenant].map((text) => part(Buffer.from(text)))
  const dataKey = Buffer.from(golden.dataKey, 'hex')
  const subkey = new Uint8Array(hkdfSync('sha256', dataKey, '', Buffer.concat(info), 32))
  const half = (counter: number): Uint8Array =>
    cmac(Uint8Array.of(0, counter, 0x58, 0, ...nonce.subarray(0, 12)), subkey)
  const coordinates = [
    Buffer.from(golden.tenant),
    cell.subarray(5, 9),
    cell.subarray(9, 13),
    key,
  ].map(part)
  const associatedData = Buffer.concat([Buffer.from('fle1'), header, ...coordinates])
  const plaintext = gcm(
    Uint8Array.of(...half(1), ...half(2)),
    nonce.subarray(12),
    new Uint8Array(associatedData),
  ).decrypt(new Uint8Array(cell.subarray(at + 34)))
  expect(Buffer.from(plaintext).toString()).toBe(`\x01${golden.image[2] as string}`)
})
