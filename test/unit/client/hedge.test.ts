import { describe, expect, it } from 'vitest'
import { firstAnswer, requireHedge } from '../../../src/client/hedge.ts'
import { ManualRuntime } from '../../support/manual-runtime.ts'

/** Copies of a request that a test answers. */
function copies() {
  const sent: { resolve(answer: string): void; reject(reason: unknown): void }[] = []
  const signals: AbortSignal[] = []
  const send = (signal: AbortSignal): Promise<string> => {
    let resolve!: (value: string) => void
    let reject!: (reason: unknown) => void
    const promise = new Promise<string>((yes, no) => {
      resolve = yes
      reject = no
    })
    sent.push({ resolve, reject })
    signals.push(signal)
    return promise
  }
  return { sent, signals, send }
}

const AFTER_MS = 10

function start() {
  const runtime = new ManualRuntime()
  const made = copies()
  const outer = new AbortController()
  const answer = firstAnswer(made.send, AFTER_MS, runtime.timers, outer.signal)
  answer.catch(() => undefined)
  return { ...made, runtime, outer, answer }
}

describe('a hedged request', () => {
  it('is sent once when its answer comes in time', async () => {
    const { sent, runtime, answer } = start()
    await runtime.advance(AFTER_MS - 1)
    sent[0]?.resolve('one')
    expect(await answer).toBe('one')
    await runtime.advance(10 * AFTER_MS)
    expect(sent).toHaveLength(1)
  })

  it.each([
    [0, 1],
    [1, 0],
  ])('takes the answer of copy %i and aborts the other', async (winner, loser) => {
    const { sent, signals, runtime, answer } = start()
    await runtime.advance(AFTER_MS)
    sent[winner]?.resolve('answer')
    expect(await answer).toBe('answer')
    expect(signals[loser]?.aborted).toBe(true)
    expect(signals[winner]?.aborted).toBe(false)
    await runtime.advance(10 * AFTER_MS)
    expect(sent).toHaveLength(2)
  })

  it('fails at once when its only copy does: retries are for others', async () => {
    const { sent, runtime, answer } = start()
    sent[0]?.reject(new Error('no'))
    await expect(answer).rejects.toThrow('no')
    await runtime.advance(10 * AFTER_MS)
    expect(sent).toHaveLength(1)
  })

  it('waits for the copy that is left, and fails with the last', async () => {
    const first = start()
    await first.runtime.advance(AFTER_MS)
    first.sent[0]?.reject(new Error('first'))
    first.sent[1]?.resolve('second')
    expect(await first.answer).toBe('second')
    const second = start()
    await second.runtime.advance(AFTER_MS)
    second.sent[1]?.reject(new Error('second'))
    second.sent[0]?.reject(new Error('first'))
    await expect(second.answer).rejects.toThrow('first')
  })

  it('ends with its call, and all its copies with it', async () => {
    const { signals, runtime, outer, answer } = start()
    await runtime.advance(AFTER_MS)
    outer.abort(new Error('over'))
    await expect(answer).rejects.toThrow('over')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })
})

it.each([0, -1, Number.NaN, Infinity, '5'])('hedging after %s is refused', (afterMs) => {
  expect(() => requireHedge({ afterMs: afterMs as number })).toThrow('hedge.afterMs')
})
