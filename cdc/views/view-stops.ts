/** What stops a view for good, as an error that says what to do. */
import { asMeridianError, isErrorCode, MeridianError } from '../../src/core/errors.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { CompiledView } from '../../src/schema/compiled.ts'
import type { ViewFailure } from './commit-steps.ts'
import type { ViewState } from './view-state.ts'

/** Why a view cannot follow the log from where it is: it would stop all others. */
export async function logProblem(
  changeLog: ChangeLog,
  { position, program }: ViewState,
): Promise<MeridianError | undefined> {
  try {
    await changeLog.read(position, 1)
    return undefined
  } catch (error) {
    if (!isErrorCode(error, 'LOG_COMPACTED')) throw error
    const { name } = program.view
    return new MeridianError(
      'LOG_COMPACTED',
      `View \`${name}\` is at ${position}, and the change log begins later.`,
      {
        fix: 'A new or changed view is built from the whole change log: seed the region again with the view declared, or take its declaration back.',
        details: { view: name, position },
        cause: error,
      },
    )
  }
}

/** What stops a view is final until the node starts again: its position stays where it is. */
export function stopError(failure: ViewFailure): MeridianError {
  const { view } = failure.state.program
  const cause = asMeridianError(failure.cause)
  return new MeridianError(cause.code, `View \`${view.name}\` has stopped: ${failure.message}.`, {
    fix: 'Restart the node to try again; if it stops again, declare the view under another name.',
    retry: 'never',
    details: { view: view.name, position: failure.state.position },
    cause: failure.cause,
  })
}

/** Somebody else has taken the view out of the store, or begun it anew. */
export function replacedError(
  { name }: CompiledView,
  how: 'removed' | 'begun anew',
): MeridianError {
  const what = how === 'removed' ? 'removed from the store' : 'begun anew in the store'
  return new MeridianError('CLOSED', `View \`${name}\` was ${what}.`, {
    fix: 'Restart the node with the schema that the store has.',
  })
}
