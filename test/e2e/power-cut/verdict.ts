/** Compares what a disk holds after a power cut with what was acknowledged before it. */
import { notesOf, type Journal, type Mode, type Note } from './journal.ts'

/** What was read: the notes of a mode, and the number of writes that its sum says. */
export interface Found {
  readonly notes: readonly Note[]
  readonly sum: number
  /** Why they were not served as fresh as they must be. */
  readonly refusal?: string
}

/** What became of the writes of a mode. */
export interface Verdict {
  readonly mode: Mode
  /** Writes that must be there, and those of them that are, whole. */
  readonly acknowledged: number
  readonly found: number
  /** Acknowledged writes of which nothing is there. */
  readonly lost: readonly number[]
  /** Writes of which not all is there, or not as it was written; acknowledged or not. */
  readonly halfWritten: readonly number[]
  /** Ids of rows that nobody wrote. */
  readonly foreign: readonly number[]
  /** Writes whose outcome was not known, and those of them that took effect. */
  readonly unknown: number
  readonly tookEffect: number
  /** What else is wrong, in words: rows that were not served, a sum that is not theirs. */
  readonly problems: readonly string[]
  readonly isGood: boolean
}

type Presence = 'whole' | 'absent' | 'half'

/** Judges one mode. */
export function judge(mode: Mode, journal: Journal, found: Found): Verdict {
  const acknowledged = [...journal.acknowledged(mode)]
  const open = [...journal.open(mode)]
  const rows = new Map(found.notes.map((note) => [note.id, note]))
  const presence = new Map(
    [...acknowledged, ...open].map((write) => [
      write,
      presenceOf(notesOf(journal.seed, mode, write), rows),
    ]),
  )
  const are = (writes: readonly number[], wanted: Presence): number[] =>
    writes.filter((write) => presence.get(write) === wanted)
  const lost = are(acknowledged, 'absent')
  const halfWritten = are([...presence.keys()], 'half')
  const foreign = found.notes.filter(({ write }) => !presence.has(write)).map(({ id }) => id)
  const effects = are([...presence.keys()], 'whole').length
  const problems = [
    ...(found.refusal === undefined ? [] : [`not served: ${found.refusal}`]),
    ...(found.sum === effects ? [] : [`the sum says ${found.sum} of ${effects} writes`]),
    ...(rows.size === found.notes.length ? [] : ['a row is there twice']),
  ]
  const isGood = [lost, halfWritten, foreign, problems].every((list) => list.length === 0)
  return {
    mode,
    acknowledged: acknowledged.length,
    found: are(acknowledged, 'whole').length,
    lost,
    halfWritten,
    foreign,
    unknown: open.length,
    tookEffect: are(open, 'whole').length,
    problems,
    isGood,
  }
}

function presenceOf(expected: readonly Note[], rows: ReadonlyMap<number, Note>): Presence {
  const there = expected.map(({ id }) => rows.get(id))
  if (there.every((note) => note === undefined)) return 'absent'
  const isWhole = expected.every(
    ({ write, value }, i) => there[i]?.write === write && there[i].value === value,
  )
  return isWhole ? 'whole' : 'half'
}
