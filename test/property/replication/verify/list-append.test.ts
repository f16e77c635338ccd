/**
 * The list-append checker against an oracle that tries every order of the transactions: it finds an
 * anomaly exactly where there is none that is strictly serializable.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkListAppend } from '../../../../replication/verify/list-append.ts'
import type { HistoryEvent } from '../../../../replication/verify/history.ts'
import { pairOperations, type Operation } from '../../../../replication/verify/operations.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { randomAppends } from '../../../support/random-histories.ts'

type Lists = Readonly<Record<string, readonly number[]>>
type Step = readonly [string, string, unknown]

/** Tries every order of every choice of unknown transactions. */
function hasOrder(left: readonly Operation[], lists: Lists = {}): boolean {
  if (left.every(({ outcome }) => outcome === 'unknown')) return true
  return left.some((operation) => {
    if (left.some(({ endedAt }) => endedAt < operation.invokedAt)) return false
    const after = effect(operation, lists)
    return (
      after !== undefined &&
      hasOrder(
        left.filter((other) => other !== operation),
        after,
      )
    )
  })
}

function effect({ invoke, end, outcome }: Operation, lists: Lists): Lists | undefined {
  const steps = (outcome === 'ok' ? end?.value : invoke.value) as readonly Step[]
  let after = lists
  for (const [f, key, value] of steps) {
    const list = after[key] ?? []
    if (f === 'append') after = { ...after, [key]: [...list, value as number] }
    else if (outcome === 'ok' && JSON.stringify(list) !== JSON.stringify(value)) return undefined
  }
  return after
}

function smallHistory(seed: number): HistoryEvent[] {
  const random = seededRandom(seed)
  return randomAppends(random, {
    operations: 3 + random.below(5),
    clients: 2 + random.below(3),
    unknown: random.pick([0, 0.1, 0.2]),
    wrong: random.pick([0, 0.4]),
    keys: 1 + random.below(3),
    steps: 1 + random.below(4),
  })
}

describe('transactions over lists', () => {
  it('are judged as by trying every order', () => {
    const verdicts = { good: 0, bad: 0 }
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const events = smallHistory(seed)
        const { operations } = pairOperations(events, ['txn'])
        const expected = hasOrder(operations)
        const { ok, undecided } = checkListAppend(events)
        expect(undecided).toEqual([])
        expect(ok).toBe(expected)
        verdicts[expected ? 'good' : 'bad']++
      }),
      { numRuns: 4_000 },
    )
    expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(400)
  })
})
