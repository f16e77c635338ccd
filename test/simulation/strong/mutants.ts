/** What is broken on purpose, by the name under which `npm run soak -- --mutant NAME` runs it. */
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
  // Rule 12: window of transaction ids.
  'ignore-basis': { mutants: { engine: { ignoreBasis: true } }, adapt: lateRetries },
  // Rule 13: determinism.
  'ignore-overlay': { mutants: { engine: { ignoreOverlay: true } }, adapt: asDrawn },
  // Rule 14: replies follow the commit.
  'answer-before-commit': { mutants: { disk: { answerBeforeCommit: true } }, adapt: asDrawn },
}
