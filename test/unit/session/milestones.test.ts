import { expect, test } from 'vitest'
import type { StatementResult } from '../../../src/core/ports/store.ts'
import { Milestones } from '../../../src/session/milestones.ts'

const OWN = 'eu.1'

/** What `MILESTONE_STATEMENTS` give: of each source, its position and how far rows are visible. */
function snapshot(
  localSeq: number,
  imported: Readonly<Record<string, readonly [number, number]>> = {},
  logs: Readonly<Record<string, number>> = {},
): StatementResult[] {
  const rows = (list: (string | number)[][]): StatementResult => ({ rows: list, rowsAffected: 0 })
  return [
    rows([[localSeq]]),
    rows(Object.entries(imported).map(([source, both]) => [source, ...both])),
    rows(Object.entries(logs)),
  ]
}

const replica = { own: false, imported: 'applied', logs: false } as const
const eventual = { own: true, imported: 'visible', logs: false } as const
const strong = { own: false, imported: 'none', logs: true } as const
const home = { own: true, imported: 'none', logs: false } as const

test('positions of other sources are reached from the first snapshot on that had them', () => {
  const milestones = new Milestones(OWN)
  expect(milestones.localSeqOf({ [OWN]: 7 })).toBe(7)
  expect(milestones.localSeqOf({ 'us.1': 1 })).toBeUndefined()
  expect(milestones.record(snapshot(10, { 'us.1': [5, 4] }, { main: 2 }), 0)).toBe(10)
  milestones.record(snapshot(20, { 'us.1': [9, 9] }, { main: 3 }), 100)
  expect(milestones.localSeqOf({ 'us.1': 4 })).toBe(10)
  // Applied is not visible.
  expect(milestones.localSeqOf({ 'us.1': 5 })).toBe(20)
  expect(milestones.localSeqOf({ 'us.1': 4, 'log:main': 3 })).toBe(20)
  expect(milestones.localSeqOf({ 'us.1': 4, [OWN]: 15 })).toBe(15)
  expect(milestones.localSeqOf({ 'us.1': 10 })).toBeUndefined()
  expect(milestones.localSeqOf({ 'ap.1': 1 })).toBeUndefined()
})

test('a reader has seen no more than the first snapshot at or above its position says', () => {
  const milestones = new Milestones(OWN)
  expect(milestones.seenAt(3, home)).toEqual({ [OWN]: 3 })
  expect(milestones.seenAt(3, replica)).toBeUndefined()
  milestones.record(snapshot(10, { 'us.1': [5, 4] }, { main: 2 }), 0)
  milestones.recordOwn(12, 50)
  milestones.record(snapshot(20, { 'us.1': [9, 8] }, { main: 3 }), 100)
  expect(milestones.seenAt(10, replica)).toEqual({ 'us.1': 5 })
  expect(milestones.seenAt(11, replica)).toEqual({ 'us.1': 9 })
  expect(milestones.seenAt(11, eventual)).toEqual({ [OWN]: 11, 'us.1': 8 })
  expect(milestones.seenAt(11, strong)).toEqual({ 'log:main': 3 })
  expect(milestones.seenAt(21, strong)).toBeUndefined()
})

test('a copy is as fresh as the latest snapshot that it covers', () => {
  const milestones = new Milestones(OWN)
  expect(milestones.freshAsOfMs(100)).toBe(-Infinity)
  milestones.recordOwn(10, 1_000)
  milestones.recordOwn(20, 2_000)
  milestones.recordOwn(10, 1_500)
  // A read that was slow is noted after one that was asked for later.
  milestones.recordOwn(15, 1_700)
  expect(milestones.freshAsOfMs(9)).toBe(-Infinity)
  expect(milestones.freshAsOfMs(10)).toBe(1_500)
  expect(milestones.freshAsOfMs(19)).toBe(1_700)
  expect(milestones.freshAsOfMs(20)).toBe(2_000)
})

test('positions that grow without a change of the store are noted at the same localSeq', () => {
  const milestones = new Milestones(OWN)
  milestones.record(snapshot(10, { 'us.1': [5, 5] }), 0)
  milestones.record(snapshot(10, { 'us.1': [8, 8] }), 100)
  milestones.recordOwn(10, 200)
  expect(milestones.localSeqOf({ 'us.1': 8 })).toBe(10)
  expect(milestones.freshAsOfMs(10)).toBe(200)
})

test('a thousand snapshots in a moment leave those of a while ago', () => {
  const milestones = new Milestones(OWN)
  for (let i = 0; i < 10_000; i++) milestones.recordOwn(i, i / 100)
  expect(milestones.freshAsOfMs(2_000)).toBeGreaterThan(0)
  expect(milestones.freshAsOfMs(9_999)).toBeGreaterThan(99)
})
