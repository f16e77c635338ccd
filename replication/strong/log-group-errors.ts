/** Why a log group refuses or stops, in words. */
import { logSource } from '../../src/core/change.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { Command, Failure, StateMachine } from './state-machine.ts'

/** The error that tells a caller of a command's failure. */
export function failureOf<C extends Command>(
  group: string,
  machine: StateMachine<C>,
  failure: Failure,
): MeridianError {
  switch (failure.code) {
    case 'IDEMPOTENCY_REUSED':
      return new MeridianError(failure.code, 'The idempotency key was used for another write.', {
        fix: 'Use a new key for a new write.',
      })
    case 'IDEMPOTENCY_EXPIRED':
      return new MeridianError(
        failure.code,
        'The write was first sent too long ago to tell whether it took effect.',
        { fix: 'Read what is stored, then write again under a new idempotency key.' },
      )
    case 'POSITION_LOST':
      return new MeridianError(
        failure.code,
        `The caller has seen more of ${logSource(group)} than the log holds.`,
        { fix: 'The log was restored or replaced: begin a new session.' },
      )
    default:
      return machine.explain(failure)
  }
}

/** The log is not the one that was applied. */
export function replacedLog(group: string, index: number): MeridianError {
  return new MeridianError(
    'POSITION_LOST',
    `Record ${index} of log group '${group}' is not the one that this region applied.`,
    {
      fix: 'The log was restored or replaced: restore the log that the regions followed, or seed this region again from one that follows this log.',
      details: { group, index },
    },
  )
}

/** The copy is not whole, and there is nobody to make it whole from. */
export function halfSeeded(group: string): MeridianError {
  return new MeridianError(
    'LOG_COMPACTED',
    `This region's copy of log group '${group}' was being seeded again when its node stopped.`,
    { fix: 'Start the node with the other regions in its configuration.' },
  )
}

/** The log was asked for an index. */
export function tooLate(): MeridianError {
  return new MeridianError('DEADLINE_EXCEEDED', 'The commit log has not answered in time.', {
    fix: 'Repeat the read, or allow an older state.',
  })
}
