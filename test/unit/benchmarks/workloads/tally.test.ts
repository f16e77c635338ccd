import { describe, expect, it } from 'vitest'
import { MeridianError } from '../../../../src/core/errors.ts'
import { Tally } from '../../../../benchmarks/workloads/tally.ts'

async function writes(tally: Tally, outcomes: readonly (MeridianError | 'ok')[]): Promise<void> {
  for (const outcome of outcomes) {
    const writing = outcome === 'ok' ? Promise.resolve() : Promise.reject(outcome)
    await tally.write('writes', writing).catch(() => undefined)
  }
}

function failure(tally: Tally): MeridianError | undefined {
  try {
    tally.finish()
  } catch (error) {
    return error as MeridianError
  }
  return undefined
}

describe('Tally', () => {
  it('accepts a total of what was acknowledged, and no other', async () => {
    for (const [total, isRight] of [
      [1, false],
      [2, true],
      [3, false],
    ] as const) {
      const tally = new Tally('step')
      await writes(tally, ['ok', 'ok', new MeridianError('CONFLICT', 'Not written.')])
      tally.expectTotal('rows', total, 'writes')
      expect(failure(tally)?.code).toBe(isRight ? undefined : 'INTERNAL')
    }
  })

  it('accepts writes in doubt as done or not', async () => {
    for (const [total, isRight] of [
      [0, false],
      [1, true],
      [2, true],
      [3, false],
    ] as const) {
      const tally = new Tally('step')
      await writes(tally, ['ok', new MeridianError('UNKNOWN_OUTCOME', 'Who knows.')])
      tally.expectTotal('rows', total, 'writes')
      expect(failure(tally) === undefined).toBe(isRight)
    }
  })

  it('names the step and the first wrong answers, and counts the others', () => {
    const tally = new Tally('ycsb-a strong')
    for (let i = 0; i < 8; i++) tally.wrong(`answer ${i}`)
    expect(failure(tally)?.message).toBe(
      'ycsb-a strong found wrong answers: answer 0; answer 1; answer 2; answer 3; answer 4; and 3 more.',
    )
  })

  it('waits for the calls under way, whatever they come to', async () => {
    const tally = new Tally('step')
    const ends: (() => void)[] = []
    const operation = tally.watch(async (index) => {
      await new Promise<void>((resolve) => ends.push(resolve))
      if (index === 1) throw new MeridianError('CONFLICT', 'Not written.')
      return undefined
    })
    const calls = [operation(0), operation(1)]
    calls[1]?.catch(() => undefined)
    let isIdle = false
    const idle = tally.idle().then(() => (isIdle = true))
    ends[0]?.()
    await calls[0]
    expect(isIdle).toBe(false)
    ends[1]?.()
    await idle
    expect(tally.calls).toBe(2)
  })
})
