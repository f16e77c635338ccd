/** What is broken on purpose, by the name under which `npm run soak -- --mutant NAME` runs it. */
import { WORKS, type Mix, type Work } from './client.ts'
import type { Plan } from './plan.ts'
import type { Mutants } from './simulation.ts'

/** A break of one rule of the protocol, in the engine or in a port that it trusts. */
export interface Mutant {
  readonly mutants: Mutants
  /** Directs the seeds towards the executions in which the rule matters. */
  readonly adapt: (plan: Plan) => Plan
}

/** A small log, and regions that are away for longer than it goes back. */
function leftBehind(plan: Plan): Plan {
  return {
    ...plan,
    maxRetainedRecords: 6,
    lateRegion: undefined,
    thinkMs: 200,
    disk: { ...plan.disk, lieMs: 0 },
    events: new Map([
      ['crash', 2_500],
      ['isolate', 3_000],
    ]),
  }
}

/** Many readers at one region, far from the log. */
function manyReaders(plan: Plan): Plan {
  return { ...plan, readers: 6, thinkMs: 200 }
}

/** Several transactions in a record. */
function sharedRecords(plan: Plan): Plan {
  return { ...plan, thinkMs: 200, clients: 8, limits: { ...plan.limits, maxRecordsInFlight: 1 } }
}

/** Answers that are lost, and a window that is soon over. */
function lateRetries(plan: Plan): Plan {
  return { ...plan, thinkMs: 200, limits: { ...plan.limits, outcomeWindowRecords: 8 } }
}

/** What clients do with ranges, many at a time. */
function ranges(plan: Plan): Plan {
  const mix = Object.fromEntries(WORKS.map((work) => [work, RANGE_WORKS.has(work) ? 1 : 0])) as Mix
  return { ...plan, mix, thinkMs: 200, clients: 8 }
}

/** The same, with several transactions in a record. */
function rangesInRecords(plan: Plan): Plan {
  return sharedRecords(ranges(plan))
}

/** Others write to the same stores, in the same commits. */
function neighbours(plan: Plan): Plan {
  return { ...plan, neighbours: 0.5, thinkMs: 200 }
}

/** Registers alone: half of their writers go by what they read of a column. */
function registers(plan: Plan): Plan {
  const mix = Object.fromEntries(WORKS.map((work) => [work, work === 'register' ? 1 : 0])) as Mix
  return { ...plan, mix, thinkMs: 200, clients: 8 }
}

/** Rows that expire, and clocks that do not agree. */
function expiring(plan: Plan): Plan {
  const mix = Object.fromEntries(WORKS.map((work) => [work, EXPIRING.has(work) ? 1 : 0])) as Mix
  return { ...plan, mix, thinkMs: 200, clients: 8, events: new Map([['clock-jump', 1_000]]) }
}

/** Clocks that are an hour off, of nodes that hear each other. */
function wrongClocks(plan: Plan): Plan {
  return {
    ...plan,
    ...{ maxSkewMs: 500, mostAheadMs: 1_500, events: new Map([['clock-hour', 5_000]]) },
    clocks: plan.clocks.map(({ errorMs }) => ({ rate: 1, errorMs })),
  }
}

/** Nodes of two releases. */
function mixedReleases(plan: Plan): Plan {
  return { ...plan, upgradesAtMs: [undefined, 15_000, undefined] }
}

const EXPIRING: ReadonlySet<Work> = new Set(['expiring', 'slots'])
const RANGE_WORKS: ReadonlySet<Work> = new Set(['range-list', 'queue', 'roster', 'slots'])

const asDrawn = (plan: Plan): Plan => plan

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  // Rule 9: trimming.
  'read-index-of-store': { mutants: { log: { readIndexOfStore: true } }, adapt: leftBehind },
  'skip-trimmed': { mutants: { log: { skipTrimmed: true } }, adapt: leftBehind },
  'keep-absent-rows': { mutants: { engine: { keepAbsentRows: true } }, adapt: leftBehind },
  'position-before-end': { mutants: { engine: { positionBeforeEnd: true } }, adapt: leftBehind },
  // Rule 10: shared read index.
  'join-sent-read-index': { mutants: { engine: { joinSentReadIndex: true } }, adapt: manyReaders },
  // Rule 11: row version.
  'version-without-place': {
    mutants: { engine: { versionWithoutPlace: true } },
    adapt: sharedRecords,
  },
  'column-guard-ignored': {
    mutants: { engine: { columnGuardIgnored: true } },
    adapt: registers,
  },
  // Rule 12: window of transaction ids.
  'ignore-basis': { mutants: { engine: { ignoreBasis: true } }, adapt: lateRetries },
  // Rule 13: determinism.
  'ignore-overlay': { mutants: { engine: { ignoreOverlay: true } }, adapt: asDrawn },
  'range-guard-ignored': { mutants: { engine: { rangeGuardIgnored: true } }, adapt: ranges },
  'range-guard-without-overlay': {
    mutants: { engine: { rangeGuardWithoutOverlay: true } },
    adapt: rangesInRecords,
  },
  'raise-without-asking': {
    mutants: { engine: { raiseWithoutAsking: true } },
    adapt: mixedReleases,
  },
  // Rule 14: replies follow the commit.
  'answer-before-commit': { mutants: { disk: { answerBeforeCommit: true } }, adapt: asDrawn },
  'share-fate': { mutants: { disk: { shareFate: true } }, adapt: neighbours },
  'keep-failed': { mutants: { disk: { keepFailed: true } }, adapt: neighbours },
  // Rule 15: the log's time.
  'clock-unchecked': { mutants: { engine: { clockUnchecked: true } }, adapt: wrongClocks },
  'log-time-of-record': { mutants: { engine: { logTimeOfRecord: true } }, adapt: expiring },
}
