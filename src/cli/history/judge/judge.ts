/** Judges a history with the checkers that are for its workload. */
import { checkBank } from '../../../../replication/verify/bank.ts'
import { checkFinalState } from '../../../../replication/verify/final-state.ts'
import type { HistoryEvent, Verdict } from '../../../../replication/verify/history.ts'
import { checkRegisters } from '../../../../replication/verify/linearizable.ts'
import { checkListAppend } from '../../../../replication/verify/list-append.ts'
import { checkSessions } from '../../../../replication/verify/sessions.ts'
import { MeridianError } from '../../../core/errors.ts'
import type { WorkloadName } from '../workloads/index.ts'

/** What one checker found. */
export interface Judgement {
  /** What it looks for, in words. */
  readonly checker: string
  /** What `checked` counts. */
  readonly unit: 'operations' | 'sightings' | 'regions'
  readonly verdict: Verdict
  /** Nothing was found, and nothing is left of which that is not known. */
  readonly isGood: boolean
}

interface Checker {
  readonly name: string
  readonly unit: Judgement['unit']
  readonly check: (events: readonly HistoryEvent[]) => Verdict
  /** What it cannot decide is no failure: another one proves more, or the history does not say it. */
  readonly mayStayOpen?: true
}

const FINAL_STATE: Checker = {
  name: 'one final state',
  unit: 'regions',
  check: checkFinalState,
  mayStayOpen: true,
}
const CHECKERS: Readonly<Record<WorkloadName, readonly Checker[]>> = {
  register: [
    { name: 'linearizable registers', unit: 'operations', check: checkRegisters },
    {
      name: 'sessions move forward',
      unit: 'sightings',
      check: checkSessions,
      mayStayOpen: true,
    },
  ],
  'list-append': [
    { name: 'strictly serializable transactions', unit: 'operations', check: checkListAppend },
  ],
  bank: [{ name: 'accounts in balance', unit: 'operations', check: checkBank }],
}

/** @throws MeridianError `INVALID_ARGUMENT` where it is no history of this workload */
export function judge(
  workload: WorkloadName,
  events: readonly HistoryEvent[],
): readonly Judgement[] {
  return [...CHECKERS[workload], FINAL_STATE].map(({ name, unit, check, mayStayOpen }) => {
    const verdict = check(events)
    const isDecided = mayStayOpen === true || verdict.undecided.length === 0
    return { checker: name, unit, verdict, isGood: verdict.ok && isDecided }
  })
}

/** Names that only one workload has. */
const NAMES: Readonly<Record<string, WorkloadName>> = {
  write: 'register',
  cas: 'register',
  txn: 'list-append',
  transfer: 'bank',
}

/** The workload that a history is of, as its operations tell. @throws MeridianError `INVALID_ARGUMENT` */
export function workloadOf(events: readonly HistoryEvent[]): WorkloadName {
  for (const { f, key } of events) {
    const workload = Object.hasOwn(NAMES, f) ? NAMES[f] : undefined
    if (workload !== undefined) return workload
    if (f === 'read' && key !== null) return 'register'
  }
  throw new MeridianError(
    'INVALID_ARGUMENT',
    'The history does not tell of which workload it is.',
    {
      fix: 'Name it with `--workload`.',
    },
  )
}
