/** Random steps for `CacheModel`. */
import fc from 'fast-check'
import { MODEL_KEYS, type CacheStep } from './cache-model.ts'

const key = fc.nat(MODEL_KEYS.length - 1)
const lease = fc.nat(3)

/** Sequences of steps; `faults`: how many kinds of fault there are, and how often they are. */
export function cacheSteps(
  faults: number | { readonly kinds: number; readonly weight: number },
): fc.Arbitrary<CacheStep[]> {
  const { kinds, weight } = typeof faults === 'number' ? { kinds: faults, weight: 1 } : faults
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('change' as const), key, isDelete: fc.boolean() }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('apply' as const),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'stray' } as const) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('lease' as const), key, behind: fc.nat(2) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('load' as const), lease }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('fill' as const), lease }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        keys: fc.uniqueArray(key, { minLength: 1 }),
      }),
    },
    {
      weight,
      arbitrary: fc.record({ kind: fc.constant('fault' as const), which: fc.nat(kinds - 1) }),
    },
  )
  return fc.array(step, { minLength: 5, maxLength: 60, size: 'max' })
}
