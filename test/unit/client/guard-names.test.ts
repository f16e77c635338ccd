import { describe, expect, it } from 'vitest'
import { guardNames } from '../../../src/client/guard-names.ts'
import { MeridianError } from '../../../src/core/errors.ts'

const guarded = guardNames({ orders: 1, id: 'x' }, (name) => {
  return new MeridianError('UNKNOWN_TABLE', `No ${name}.`)
}) as Readonly<Record<string, unknown>>

describe('a guarded handle', () => {
  it('has its members, and throws what explains any other name', () => {
    expect(guarded['orders']).toBe(1)
    expect(() => guarded['order']).toThrow(expect.objectContaining({ message: 'No order.' }))
    expect(() => guarded['ORDERS']).not.toThrow()
  })

  it('passes for a plain value where the language asks', async () => {
    expect(await Promise.resolve(guarded)).toBe(guarded)
    expect(JSON.stringify(guarded)).toBe('{"orders":1,"id":"x"}')
    expect(guarded['constructor']).toBe(Object)
    expect(Object.keys(guarded)).toEqual(['orders', 'id'])
    expect('nothing' in guarded).toBe(false)
    expect(guarded).toEqual({ orders: 1, id: 'x' })
    expect(Symbol.iterator in guarded).toBe(false)
  })

  it('cannot be changed', () => {
    expect(() => Object.assign(guarded, { orders: 2 })).toThrow(TypeError)
    expect(() => Object.assign(guarded, { more: 2 })).toThrow(TypeError)
    expect(Reflect.deleteProperty(guarded, 'orders')).toBe(false)
  })
})
