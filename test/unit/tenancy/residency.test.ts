import { describe, expect, it } from 'vitest'
import { Residency } from '../../../src/tenancy/residency.ts'

const residency = new Residency(['us', 'eu', 'ap'], {
  default: ['us', 'eu', 'ap'],
  'eu-only': ['eu'],
  overseas: ['ap', 'us'],
})

describe('Residency', () => {
  it('allows a class its regions and no other', () => {
    expect(residency.allows('eu-only', 'eu')).toBe(true)
    expect(residency.allows('eu-only', 'us')).toBe(false)
    expect(residency.allowedRegions('overseas')).toEqual(['us', 'ap'])
  })

  it('denies an unknown class and an unknown region', () => {
    expect(residency.allows('secret', 'eu')).toBe(false)
    expect(residency.allowedRegions('secret')).toEqual([])
    expect(residency.allowsEverywhere('secret')).toBe(false)
    expect(residency.allows('default', 'mars')).toBe(false)
  })

  it('tells which classes may be everywhere', () => {
    expect(residency.allowsEverywhere('default')).toBe(true)
    expect(residency.allowsEverywhere('overseas')).toBe(false)
  })

  it('tells which regions may hold all that another may', () => {
    expect(residency.allowsAllOf('us', 'us')).toBe(true)
    expect(residency.allowsAllOf('us', 'ap')).toBe(true)
    expect(residency.allowsAllOf('us', 'eu')).toBe(false)
    expect(residency.allowsAllOf('eu', 'us')).toBe(false)
    expect(residency.allowsAllOf('us', 'mars')).toBe(false)
  })

  it('tells 31 regions apart', () => {
    const regions = Array.from({ length: 31 }, (_, i) => `r${i}`)
    const many = new Residency(regions, { default: regions, last: ['r30'] })
    expect(many.allowsEverywhere('default')).toBe(true)
    expect(many.allowedRegions('last')).toEqual(['r30'])
  })

  it.each([
    ['an unknown class', 'secret', 'eu', 'RESIDENCY_DENIED'],
    ['an unknown region', 'default', 'mars', 'REGION_UNKNOWN'],
    ['a home outside the class', 'eu-only', 'us', 'RESIDENCY_DENIED'],
  ])('refuses a home: %s', (_name, tenantClass, home, code) => {
    expect(() => residency.requireHome(tenantClass, home)).toThrow(
      expect.objectContaining({ code }),
    )
  })

  it('accepts a home inside the class', () => {
    expect(() => residency.requireHome('eu-only', 'eu')).not.toThrow()
  })
})
