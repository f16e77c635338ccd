/** Broken rules that random runs catch within a few hundred seeds; the others have schedules. */
import type { Mutation } from './mutation.ts'
import type { SCHEDULES } from './schedules.ts'

type Rule = keyof Mutation

/** Seeds that a rule may take; the rarest that are left to chance are caught by one in a hundred. */
export const MUTANT_SEEDS = 500

/** Without hints. */
export const PHASE_1_RULES = [
  'skipStableWait',
  'serveOldVersion',
  'skipStableWaitOfReadIndex',
  'revealAbort',
  'replyPerRecord',
  'renewalAsAck',
  'leaseBeforeApply',
  'expiryFromApply',
  'forgottenIsOver',
  'renewedRow',
  'cachedLeaseCheck',
  'ackBeforeCommit',
  'emitAtApply',
  'ignoreDirtyRows',
  'joinWithoutLeases',
  'ignoreOwnOldDatabase',
  'ackWithoutDatabase',
  'releaseKeepsSent',
  'holderTrustsMonotonic',
] as const satisfies readonly Rule[]

/** With hints. */
export const PHASE_2_RULES = [
  'ignoreMarks',
  'skipRereadAfterWait',
  'skipStableWait',
  'emitAtApply',
  'readThroughMarks',
  'selfAckWithoutMark',
  'keepRowAtStart',
  'replyPerRecord',
  'marksAfterSnapshot',
  'revealAbort',
  'renewalAsAck',
  'dropMarksAtEqualStamp',
  'clearMarksBeforeCommit',
  'skipStableWaitOfReadIndex',
  'ignoreDirtyRows',
  'forgottenIsOver',
  'ackBeforeMark',
  'fenceNotBinding',
] as const satisfies readonly Rule[]

type Caught =
  | (typeof PHASE_1_RULES)[number]
  | (typeof PHASE_2_RULES)[number]
  | keyof typeof SCHEDULES

/** Does not compile while there is a rule whose breach nothing catches. */
export const EVERY_RULE_IS_CAUGHT: [Exclude<Rule, Caught>] extends [never] ? true : false = true
