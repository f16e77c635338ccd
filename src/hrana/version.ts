/** What Hrana 2 does not have. */
import { HranaError } from './errors.ts'
import { asksAutocommit } from './execute.ts'
import type { Batch, HranaVersion, SessionRequest } from './model.ts'

/** @throws HranaError `VERSION_TOO_OLD` for a request that the chosen version does not have */
export function checkVersion(request: SessionRequest, version: HranaVersion): void {
  if (version >= 3) return
  if (request.type === 'get_autocommit') throw tooOld('`get_autocommit`')
  if (request.type === 'batch') checkBatch(request.batch)
}

function checkBatch(batch: Batch): void {
  for (const { condition } of batch.steps) {
    if (condition !== undefined && asksAutocommit(condition)) throw tooOld('`is_autocommit`')
  }
}

/** @param what names what was asked for */
export function tooOld(what: string): HranaError {
  return new HranaError('VERSION_TOO_OLD', `${what} needs version 3 of Hrana.`)
}
