import { expect, test } from 'vitest'
import { newTxId } from '../../../../src/core/ids.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { dedupeIdOf } from '../../../../replication/strong/dedupe-id.ts'

const KEY = '0198f3a1b2c30123456789abcdef0123'

test('a dedupe id is 32 hexadecimal digits, the same for the same tenant and key, of any form', () => {
  for (const key of [KEY, 'order-17', KEY.toUpperCase(), `${KEY}0`, '']) {
    expect(dedupeIdOf('acme', key)).toMatch(/^[0-9a-f]{32}$/)
    expect(dedupeIdOf('acme', key)).toBe(dedupeIdOf('acme', key))
  }
})

test('tenants do not share keys, and keys of one instant are told apart', () => {
  const other = `${KEY.slice(0, 12)}0123456789abcdef0124`
  const ids = [
    dedupeIdOf('', KEY),
    dedupeIdOf('acme', KEY),
    dedupeIdOf('', other),
    dedupeIdOf('', 'a'),
    dedupeIdOf('', 'b'),
  ]
  expect(new Set(ids).size).toBe(ids.length)
  // Not by the time alone: what follows it differs, too.
  expect(new Set(ids.map((id) => id.slice(12))).size).toBe(ids.length)
})

test('keys that clients make are stored in the order of their time', () => {
  const at = (nowMs: number): string => {
    const clock = { ...systemRuntime.clock, nowMs: () => nowMs }
    return dedupeIdOf('acme', newTxId(clock, systemRuntime.random))
  }
  const ids = [1, 2, 1000, 1_764_600_000_000, 1_764_600_000_001].map(at)
  expect(ids.toSorted()).toEqual(ids)
})
