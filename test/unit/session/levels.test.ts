import { describe, expect, it } from 'vitest'
import { readWishes } from '../../../src/session/levels.ts'

describe('what a call asks for', () => {
  it('is a session when it names nothing', () => {
    expect(readWishes(undefined)).toEqual([{ level: 'session' }])
  })

  it('is one wish, or several in order', () => {
    expect(readWishes('strong')).toEqual([{ level: 'strong' }])
    expect(readWishes({ maxStalenessMs: 5 })).toEqual([{ level: { maxStalenessMs: 5 } }])
    const wishes = [{ level: 'strong', withinMs: 5 }, { level: 'stale' }] as const
    expect(readWishes(wishes)).toEqual(wishes)
  })

  it.each([
    [],
    ['strong'],
    'fresh',
    null,
    5,
    {},
    { maxStalenessMs: 0 },
    { maxStalenessMs: -1 },
    { maxStalenessMs: Number.NaN },
    { maxStalenessMs: Infinity },
    { maxStalenessMs: '5' },
    [{ level: 'stale', withinMs: 0 }],
    [{ level: 'stale' }, { level: 'fresh' }],
    [null],
  ])('is refused when it is %j', (consistency) => {
    expect(() => readWishes(consistency as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})
