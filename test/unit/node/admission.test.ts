import { describe, expect, it } from 'vitest'
import { FULL_PRINCIPAL, type Caller } from '../../../src/core/principal.ts'
import { Admission } from '../../../src/node/admission.ts'

function caller(subject: string, kind: Caller['kind'] = 'client'): Caller {
  return { kind, subject, principal: FULL_PRINCIPAL }
}

function admission(): Admission {
  return new Admission({ maxConcurrentRequests: 4, maxConcurrentPerPrincipal: 2 })
}

describe('requests in progress', () => {
  it('are refused beyond the limit of one caller, typed and to be repeated', () => {
    const gate = admission()
    gate.enter(caller('a'))
    gate.enter(caller('a'))
    expect(() => gate.enter(caller('a'))).toThrow(
      expect.objectContaining({ code: 'OVERLOADED', retry: 'safe', details: { limit: 2 } }),
    )
    gate.enter(caller('b'))
    expect(gate.inProgress()).toBe(3)
  })

  it('are refused beyond the limit of the node', () => {
    const gate = admission()
    for (const subject of ['a', 'b', 'c', 'd']) gate.enter(caller(subject))
    expect(() => gate.enter(caller('e'))).toThrow(
      expect.objectContaining({ code: 'OVERLOADED', details: { limit: 4 } }),
    )
    expect(gate.inProgress()).toBe(4)
  })

  it('of nodes and of callers that nobody has told apart count for the node alone', () => {
    const gate = admission()
    for (let i = 0; i < 3; i++) gate.enter(caller('us-east', 'node'))
    gate.enter(null)
    expect(() => gate.enter(null)).toThrow(expect.objectContaining({ details: { limit: 4 } }))
  })

  describe('are refused when their bodies would fill the memory', () => {
    const many = { maxConcurrentRequests: 1000, maxConcurrentPerPrincipal: 1000 }
    const overloaded = expect.objectContaining({ code: 'OVERLOADED', retry: 'safe' }) as unknown

    it('of one caller beyond its part', () => {
      const gate = new Admission({ ...many, maxBodyBytes: 100 })
      const leave = gate.enter(caller('a'), 100)
      for (let i = 0; i < 7; i++) gate.enter(caller('a'), 100)
      expect(() => gate.enter(caller('a'), 1)).toThrow(overloaded)
      gate.enter(caller('a'), 0)
      gate.enter(caller('b'), 100)
      leave()
      leave()
      for (let i = 0; i < 100; i++) gate.enter(caller('a'), 1)
      expect(() => gate.enter(caller('a'), 1)).toThrow(/full bodies/)
    })

    it('of all together', () => {
      const gate = new Admission({ ...many, maxBodyBytes: 100 })
      for (const subject of ['a', 'b', 'c', 'd']) {
        for (let i = 0; i < 8; i++) gate.enter(caller(subject), 100)
      }
      expect(() => gate.enter(caller('e'), 1)).toThrow(overloaded)
      expect(() => gate.enter(null, 1)).toThrow(overloaded)
      gate.enter(caller('e'), 0)
    })
  })

  it('make room when they end, once each', () => {
    const gate = admission()
    const leave = gate.enter(caller('a'))
    gate.enter(caller('a'))
    leave()
    leave()
    expect(gate.inProgress()).toBe(1)
    gate.enter(caller('a'))
    expect(() => gate.enter(caller('a'))).toThrow(/in progress already/)
  })
})
