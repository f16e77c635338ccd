import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Session } from '../../../src/session/session.ts'

describe('a session', () => {
  it('begins with nothing', () => {
    expect(new Session().state()).toEqual({ positions: {}, nowMs: 0 })
  })

  it('keeps the furthest of every source, and the latest instant, in any order', () => {
    const state = fc.record({
      positions: fc.dictionary(fc.constantFrom('a.1', 'b.1', 'log:main'), fc.nat(50)),
      nowMs: fc.nat(50),
    })
    fc.assert(
      fc.property(fc.array(state), (states) => {
        const forth = new Session()
        const back = new Session()
        for (const one of states) forth.merge(one)
        for (const one of states.toReversed()) back.merge(one)
        const positions: Record<string, number> = {}
        for (const one of states) {
          for (const [source, seq] of Object.entries(one.positions)) {
            if (seq > (positions[source] ?? 0)) positions[source] = seq
          }
        }
        const nowMs = Math.max(0, ...states.map((one) => one.nowMs))
        expect(forth.state()).toEqual({ positions, nowMs })
        expect(back.state()).toEqual(forth.state())
      }),
    )
  })

  it('gives a state that later merges do not change', () => {
    const session = new Session({ positions: { 'a.1': 1 }, nowMs: 1 })
    const before = session.state()
    session.merge({ positions: { 'a.1': 2 }, nowMs: 2 })
    expect(before).toEqual({ positions: { 'a.1': 1 }, nowMs: 1 })
  })
})
