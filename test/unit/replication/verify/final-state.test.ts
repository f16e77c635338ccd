import { expect, it } from 'vitest'
import { checkFinalState } from '../../../../replication/verify/final-state.ts'
import { HistoryWriter } from '../../../support/random-histories.ts'

/** A history in which these regions told these states. */
function ended(...states: readonly (readonly [string | null, unknown])[]): HistoryWriter {
  const writer = new HistoryWriter().whole(0, 'write', 'x', 1)
  for (const [region, value] of states) writer.add(0, 'ok', 'state', region, value)
  return writer
}

it('regions that hold the same are good, in any order of keys; their last word counts', () => {
  const states = [
    ['eu', { x: 0 }],
    ['eu', { x: 1, y: [2] }],
    ['us', { y: [2], x: 1 }],
  ] as const
  expect(checkFinalState(ended(...states).events)).toEqual({
    ok: true,
    checked: 2,
    anomalies: [],
    undecided: [],
  })
})

it('a region that differs from the others is named, with the keys', () => {
  const { events } = ended(['eu', { x: 2, z: 1 }], ['us', { x: 1, y: 2 }], ['ap', { x: 1, y: 2 }])
  const { ok, anomalies } = checkFinalState(events)
  expect(ok).toBe(false)
  expect(anomalies).toEqual([
    {
      kind: 'diverged',
      message: 'Region eu ended with another state than us: 3 keys differ (x, z, y).',
      events: [events[3], events[2]],
    },
  ])
})

it('digests are compared whole', () => {
  expect(checkFinalState(ended(['eu', 'aa'], ['us', 'ab']).events).anomalies).toMatchObject([
    { message: 'Region us ended with another state than eu.' },
  ])
})

it('one region, or none, is not decided', () => {
  for (const states of [[], [['eu', 'aa']]] as const) {
    const { ok, undecided } = checkFinalState(ended(...states).events)
    expect(ok).toBe(true)
    expect(undecided).toEqual([
      `${states.length} regions told their final state: nothing to compare`,
    ])
  }
})

it('a state without a region is refused', () => {
  expect(() => checkFinalState(ended([null, 1]).events)).toThrow('names no region')
})
