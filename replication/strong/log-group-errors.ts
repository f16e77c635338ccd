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
    case 'CANCELLED':
      return new MeridianError(
        failure.code,
        `The record of log group '${group}' that held the write stopped every region, and an operator had it skipped: the write had no effect.`,
        { fix: 'Find out what the stores refused before writing it again.', details: { group } },
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

/** The log has risen beyond this node. */
export function machineTooOld(group: string, active: number, supported: number): MeridianError {
  return new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `Log group '${group}' has risen to version ${active} of the state machine; this node has ${supported}.`,
    {
      fix: 'Start this region with the version of the others: the log does not go back to an older one.',
      details: { group, active, supported },
    },
  )
}

/** The log has come to a schema beyond this node's. */
export function schemaTooOld(group: string, active: number, supported: number): MeridianError {
  return new MeridianError(
    'SCHEMA_INCOMPATIBLE',
    `Log group '${group}' is at schema ${active}; this node has ${supported}.`,
    {
      fix: 'Start this region with the schema of the others: the log does not go back to an older one.',
      details: { group, active, supported },
    },
  )
}

/** Digests of this region and others at equal indexes are not equal. */
export function divergedFromOthers(
  group: string,
  index: number,
  parts: readonly string[],
  peers: readonly string[],
  isMajorityHere?: boolean,
): MeridianError {
  const what = `This region's copy of log group '${group}' differs from ${peers.join(', ')} at record ${index} in ${parts.join(', ')}`
  const [who, fix] =
    isMajorityHere === undefined
      ? ['which are the majority: it is wrong.', 'It is seeded again from one of them.']
      : isMajorityHere
        ? ['which are not the majority.', 'They are seeded again by themselves.']
        : [
            'and no majority of the regions says who is wrong.',
            'Find out which region is wrong, and seed it again: `meridian strong reseed REGION`.',
          ]
  return new MeridianError('LOG_FOREIGN', `${what}, ${who}`, {
    fix,
    details: { group, index, parts, peers, diverged: true },
  })
}

/** The rows are not what the log made of them. */
export function divergedFromRows(
  group: string,
  index: number,
  parts: readonly string[],
): MeridianError {
  return new MeridianError(
    'LOG_FOREIGN',
    `The rows of log group '${group}' are not what the log made of them at record ${index}: ${parts.join(', ')}.`,
    {
      fix: 'Check the disk of this region; its copy is seeded again from another region.',
      details: { group, index, parts, diverged: true },
    },
  )
}

/** There is no other region. */
export function nobodyToSeed(group: string): MeridianError {
  return new MeridianError(
    'INVALID_ARGUMENT',
    `There is no other region that log group '${group}' could be seeded from.`,
    { fix: 'Name a region of the configuration.' },
  )
}

/** An operator's word. */
export function reseedOrdered(group: string): MeridianError {
  return new MeridianError('LOG_FOREIGN', `An operator has log group '${group}' seeded again here.`)
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
