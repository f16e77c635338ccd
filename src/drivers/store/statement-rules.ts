/**
 * What a store runs and what it refuses, told by a statement's text, whichever driver runs it: one
 * statement at a time, no transaction control, no settings, as many arguments as parameters.
 */
import { MeridianError } from '../../core/errors.ts'
import { readStatementText, type StatementText } from './statement-text.ts'

/** A statement that may run, and what is known of it. */
export interface CheckedText extends StatementText {
  /** Whether it changes the database whatever the number of rows: DDL. */
  readonly isDefinition: boolean
  /** Whether it surely writes nothing. */
  readonly isReadOnly: boolean
}

const CONTROL = new Set(['begin', 'commit', 'end', 'rollback', 'savepoint', 'release'])
const FILE_CONTROL = new Set(['attach', 'detach', 'vacuum'])
const DEFINITIONS = new Set(['create', 'alter', 'drop', 'reindex', 'analyze'])
const READ_ONLY = new Set(['select', 'values', 'explain', 'pragma'])
/** A setting is read by its name alone; these take what they tell about as an argument. */
const READING_PRAGMA =
  /^\s*pragma\s+(\w+|(table_x?info|index_(list|x?info)|foreign_key_(list|check)|(integrity|quick)_check)\s*\([^()]*\))\s*;?\s*$/i

/** @throws MeridianError `QUERY_REFUSED`, `INVALID_ARGUMENT` */
export function checkStatementText(sql: string): CheckedText {
  const text = readStatementText(sql)
  refuseControl(sql, text.keyword)
  if (text.keyword === '' || text.hasTail) {
    throw new MeridianError(
      'INVALID_ARGUMENT',
      'A statement must hold exactly one SQL statement.',
      {
        fix: 'Pass several statements as several entries.',
      },
    )
  }
  return {
    ...text,
    isDefinition: DEFINITIONS.has(text.keyword),
    isReadOnly: READ_ONLY.has(text.verb),
  }
}

/** @throws MeridianError `INVALID_ARGUMENT`; `parameters` undefined: not known */
export function checkArgumentCount(parameters: number | undefined, given: number): void {
  if (parameters === undefined || parameters === given) return
  throw new MeridianError(
    'INVALID_ARGUMENT',
    `The statement takes ${parameters} arguments and got ${given}.`,
  )
}

/** The refusal of a statement that would write in a read. */
export function writingRead(cause?: unknown): MeridianError {
  return new MeridianError('QUERY_REFUSED', 'A read must not change the database.', {
    fix: 'Write through the store instead.',
    cause,
  })
}

/** The refusal of a result with more rows than were asked for. */
export function tooManyRows(maxRows: number): MeridianError {
  return new MeridianError('RESULT_TOO_LARGE', `The result has more than ${maxRows} rows.`, {
    fix: 'Ask for fewer rows, page by page.',
    details: { maxRows },
  })
}

/** The error of a result with more bytes than its statement asked for. */
export function tooManyBytes(maxBytes: number): MeridianError {
  return new MeridianError('RESULT_TOO_LARGE', `The result has more than ${maxBytes} bytes.`, {
    fix: 'Ask for fewer rows or columns, page by page.',
    details: { maxBytes },
  })
}

/** A transaction is the store's to open and to close; a member that ended it would cut another. */
function refuseControl(sql: string, keyword: string): void {
  const refused =
    CONTROL.has(keyword) ||
    FILE_CONTROL.has(keyword) ||
    (keyword === 'pragma' && !READING_PRAGMA.test(sql))
  if (!refused) return
  throw new MeridianError('QUERY_REFUSED', `A store does not run ${keyword.toUpperCase()}.`, {
    fix: 'Pass the statements of one transaction in one call; settings belong to the driver.',
  })
}
