import { createHmac, hkdfSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { SqlValue } from '../../../src/core/values.ts'
import { columnOf, hex, regionOf, tableOf } from './support.ts'

const residents = tableOf('residents')
const patients = tableOf('patients')
const email = columnOf(residents, 'email')
const phone = columnOf(residents, 'phone')
const { fields } = regionOf()

type Value = Exclude<SqlValue, null>
const index = async (value: Value, tenant = 'acme', column = email): Promise<string> =>
  hex(await fields.blindIndex(tenant, residents, column, value))

describe('a blind index', () => {
  test('has 128 bits', async () => {
    expect(await fields.blindIndex('acme', residents, email, 'a@b')).toHaveLength(16)
  })

  test('is the same for the same value: lookups find what rows hold', async () => {
    const rows = [['r1', 1, 'a@b', null, null, null, null]]
    const [stored] = await fields.encryptImages('acme', residents, rows)
    expect(hex(stored?.[3] as Uint8Array)).toBe(await index('a@b'))
    expect(await index('a@b')).toBe(await index('a@b'))
  })

  test('differs for different values; normalisation is exact', async () => {
    const values = ['a@b', 'A@b', ' a@b', 'a@b ', 'a', '', 'e\u0301', '\u00e9']
    const all = await Promise.all(values.map(async (value) => index(value)))
    expect(new Set(all).size).toBe(values.length)
  })

  test('says nothing across tenants, columns and tables', async () => {
    const all = [
      await index('a@b'),
      await index('a@b', 'other'),
      await index('a@b', 'acme', phone),
      hex(await fields.blindIndex('acme', patients, columnOf(patients, 'email'), 'a@b')),
    ]
    expect(new Set(all).size).toBe(4)
  })

  test('is HMAC-SHA-256 of the typed value under a subkey of its own', async () => {
    // A second implementation of the format, from its description alone.
    const secret = Buffer.alloc(32, 7)
    const { fields: known } = regionOf({
      wrapper: {
        regions: async () => ['eu-west', 'us-east'],
        wrap: async () => new Uint8Array(1),
        unwrap: async () => new Uint8Array(secret),
      },
    })
    const part = (bytes: Buffer): Buffer => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return Buffer.concat([length, bytes])
    }
    const uint32 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(value)
      return bytes
    }
    const info = Buffer.concat(
      [
        Buffer.from('meridian.fle1'),
        Buffer.from('blind'),
        Buffer.from('acme'),
        uint32(residents.id),
        uint32(email.id),
      ].map(part),
    )
    const subkey = Buffer.from(hkdfSync('sha256', secret, '', info, 32))
    const expected = createHmac('sha256', subkey)
      .update('flb1\x01\x01a@b')
      .digest('hex')
      .slice(0, 32)
    expect(hex(await known.blindIndex('acme', residents, email, 'a@b'))).toBe(expected)
  })
})
