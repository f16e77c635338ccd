import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lru } from '../../../src/core/lru.ts'
import { sha256Hex } from '../../../src/core/sha256.ts'
import { tenantKey } from '../../../src/tenancy/tenant-key.ts'

describe('sha256Hex', () => {
  it('is SHA-256, at every length around the block boundary', () => {
    for (let length = 0; length < 200; length++) {
      const text = 'é'.repeat(length % 7) + 'a'.repeat(length)
      expect(sha256Hex(text)).toBe(createHash('sha256').update(text).digest('hex'))
    }
  })

  it('is SHA-256 of any text', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0x10ffff })), (points) => {
        const text = String.fromCodePoint(...points)
        expect(sha256Hex(text)).toBe(createHash('sha256').update(text).digest('hex'))
      }),
    )
  })
})

describe('tenantKey', () => {
  it('never changes: rows of the directory are found by it', () => {
    expect(tenantKey('acme')).toBe(
      createHash('sha256').update('meridian.tenant.v1\0acme').digest('hex').slice(0, 32),
    )
    expect(tenantKey('acme')).toBe(tenantKey('acme'))
  })
})

describe('Lru', () => {
  it('drops what was used longest ago', () => {
    const lru = new Lru<number>(2)
    lru.set('a', 1)
    lru.set('b', 2)
    lru.get('a')
    lru.set('c', 3)
    expect([lru.get('a'), lru.get('b'), lru.get('c')]).toEqual([1, undefined, 3])
  })

  it('does not drop another entry when it replaces one', () => {
    const lru = new Lru<number>(2)
    lru.set('a', 1)
    lru.set('b', 2)
    lru.set('b', 3)
    expect([lru.get('a'), lru.get('b')]).toEqual([1, 3])
  })
})
