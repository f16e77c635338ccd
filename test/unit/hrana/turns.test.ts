import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/hrana/turns.ts'
import { ManualRuntime } from '../../support/manual-runtime.ts'

describe('turns', () => {
  it('are given up after 10 ms of work, and not before', async () => {
    const runtime = new ManualRuntime()
    const turns = new Turns(runtime)
    let others = 0
    const work = async (ms: number): Promise<number> => {
      await runtime.advance(ms)
      runtime.timers.defer(() => others++)
      const before = others
      await turns.next()
      return others - before
    }
    expect(await work(9)).toBe(0)
    expect(await work(1)).toBe(1)
    expect(await work(9)).toBe(0)
  })
})
