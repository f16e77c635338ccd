import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client, InValue, Value } from '@libsql/client'
import { Endpoint } from './endpoint.ts'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await Endpoint.open()
})
afterAll(async () => {
  await endpoint.close()
})

const MAX = 2n ** 63n - 1n
const MIN = -(2n ** 63n)

describe.each(['http', 'ws'] as const)('values over %s', (scheme) => {
  async function roundTrip(client: Client, value: InValue): Promise<[Value, Value]> {
    const { rows } = await client.execute({
      sql: 'SELECT :value AS value, typeof(:value) AS type',
      args: { value },
    })
    return [rows[0]?.['value'] as Value, rows[0]?.['type'] as Value]
  }

  test.each<[string, InValue, Value, string]>([
    ['null', null, null, 'null'],
    ['a number', 1.5, 1.5, 'real'],
    ['a whole number, which is a REAL', 5, 5, 'real'],
    ['zero', 0, 0, 'real'],
    ['the largest number', Number.MAX_VALUE, Number.MAX_VALUE, 'real'],
    ['the smallest number', Number.MIN_VALUE, Number.MIN_VALUE, 'real'],
    ['a bigint', 5n, 5, 'integer'],
    ['the largest safe integer', 2n ** 53n - 1n, 2 ** 53 - 1, 'integer'],
    ['text', 'text', 'text', 'text'],
    ['empty text', '', '', 'text'],
    ['Unicode', "ÄÖ 漢字 \u{1F600} 'quoted' \\ \n\t", "ÄÖ 漢字 \u{1F600} 'quoted' \\ \n\t", 'text'],
    ['true, which is an integer', true, 1, 'integer'],
    ['false', false, 0, 'integer'],
    ['a date, in milliseconds', new Date(1_700_000_000_000), 1_700_000_000_000, 'real'],
  ])('%s', async (_, given, expected, type) => {
    expect(await roundTrip(endpoint.client(scheme), given)).toEqual([expected, type])
  })

  test('64-bit integers are exact by intMode', async () => {
    const bigint = endpoint.client(scheme, { intMode: 'bigint' })
    const string = endpoint.client(scheme, { intMode: 'string' })
    for (const value of [MAX, MIN, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 0n]) {
      expect(await roundTrip(bigint, value)).toEqual([value, 'integer'])
      expect(await roundTrip(string, value)).toEqual([value.toString(), 'integer'])
    }
    await expect(roundTrip(endpoint.client(scheme), MAX)).rejects.toThrow(RangeError)
  })

  test('blobs are bytes, empty ones too', async () => {
    const client = endpoint.client(scheme)
    for (const bytes of [
      [],
      [0],
      [0, 255, 128, 1],
      Array.from({ length: 100_000 }, (_, i) => i & 255),
    ]) {
      const [value, type] = await roundTrip(client, new Uint8Array(bytes))
      expect(type).toBe('blob')
      expect([...new Uint8Array(value as ArrayBuffer)]).toEqual(bytes)
    }
    const [fromBuffer] = await roundTrip(client, new Uint8Array([1, 2]).buffer)
    expect([...new Uint8Array(fromBuffer as ArrayBuffer)]).toEqual([1, 2])
  })

  test('large texts and many columns come whole', async () => {
    const client = endpoint.client(scheme)
    const text = 'äb'.repeat(300_000)
    const [back] = await roundTrip(client, text)
    expect(back === text).toBe(true)
    const wide = await client.execute(`SELECT ${Array.from({ length: 500 }, (_, i) => i).join()}`)
    expect(wide.columns).toHaveLength(500)
    expect(wide.rows[0]?.[499]).toBe(499)
  })

  test('what cannot be sent exactly is refused', async () => {
    const client = endpoint.client(scheme)
    await expect(roundTrip(client, Number.NaN)).rejects.toThrow(RangeError)
    await expect(roundTrip(client, Number.POSITIVE_INFINITY)).rejects.toThrow(RangeError)
    await expect(roundTrip(client, MAX + 1n)).rejects.toThrow(RangeError)
    await expect(roundTrip(client, 'x'.repeat(5_000_001))).rejects.toMatchObject({
      code: 'SQLITE_TOOBIG',
    })
  })
})
