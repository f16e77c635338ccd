/**
 * The writer's core: several transactions in one commit, each in its own savepoint, so that they
 * share one fsync and still succeed or fail alone. Synchronous; runs where its connection lives.
 */
import { MeridianError } from '../../core/errors.ts'
import { StatementFailed, type StatementResult } from '../../core/ports/store.ts'
import type { BoundStatement } from './bind.ts'
import type { Connection } from './connection.ts'
import { failureKind, isEngineError, isSyncFailure, storeError } from './engine-errors.ts'

/** The statements of one transaction. */
export type GroupMember = readonly BoundStatement[]

/** What became of one transaction; final, since the outer commit is over. */
export type MemberOutcome =
  | { readonly ok: true; readonly results: readonly StatementResult[]; readonly wrote: boolean }
  | { readonly ok: false; readonly error: unknown }

/** Test-only, as `StrongFaults`: breaks rule 14 on purpose. */
interface GroupFaults {
  /** What a member did before it failed is committed with the others. */
  readonly keepFailed?: boolean
}

/** What is needed of a connection. */
export type GroupConnection = Pick<Connection, 'inTransaction' | 'control' | 'execute'>

const BEGIN = 'BEGIN IMMEDIATE'
const COMMIT = 'COMMIT'
const ROLLBACK = 'ROLLBACK'
const SAVEPOINT = 'SAVEPOINT member'
const ROLLBACK_TO = 'ROLLBACK TO member'
const RELEASE = 'RELEASE member'

/**
 * Commits the members in order. Where one of them ends the outer transaction or the commit fails,
 * each runs again in a commit of its own, so that none answers for another. `faults`: test-only.
 *
 * @throws the engine's BUSY error when the file is held by another connection; nothing was done
 */
export function commitGroup(
  connection: GroupConnection,
  members: readonly GroupMember[],
  path: string,
  faults: GroupFaults = {},
): MemberOutcome[] {
  if (members.length > 1) {
    const outcomes = commitTogether(connection, members, path, faults)
    if (outcomes !== undefined) return outcomes
  }
  return members.map((member, index) => {
    try {
      return commitAlone(connection, member, path)
    } catch (error) {
      // Once one is committed the group can no longer be handed back as a whole.
      if (index === 0) throw error
      return { ok: false, error: storeError(error, path) ?? error }
    }
  })
}

/** `undefined`: undone as a whole, to be run one by one. */
function commitTogether(
  connection: GroupConnection,
  members: readonly GroupMember[],
  path: string,
  faults: GroupFaults,
): MemberOutcome[] | undefined {
  connection.control(BEGIN)
  const outcomes: MemberOutcome[] = []
  try {
    for (const member of members) {
      connection.control(SAVEPOINT)
      const outcome = runMember(connection, member)
      if (!outcome.ok) {
        if (!connection.inTransaction) return undefined
        if (faults.keepFailed !== true) connection.control(ROLLBACK_TO)
      }
      connection.control(RELEASE)
      outcomes.push(outcome)
    }
    connection.control(COMMIT)
    return outcomes
  } catch (error) {
    rollBack(connection)
    if (!isSyncFailure(error)) return undefined
    return members.map(() => ({ ok: false, error: syncFailure(error, path) }))
  }
}

function commitAlone(
  connection: GroupConnection,
  member: GroupMember,
  path: string,
): MemberOutcome {
  connection.control(BEGIN)
  const outcome = runMember(connection, member)
  try {
    if (outcome.ok) connection.control(COMMIT)
    else rollBack(connection)
    return outcome
  } catch (error) {
    rollBack(connection)
    return { ok: false, error: commitFailure(error, member, path) }
  }
}

/** A constraint that is checked at the commit counts as the last statement's. */
function commitFailure(error: unknown, member: GroupMember, path: string): unknown {
  if (isSyncFailure(error)) return syncFailure(error, path)
  const typed = storeError(error, path)
  if (typed !== undefined || !isEngineError(error)) return typed ?? error
  return new StatementFailed(member.length - 1, failureKind(error), error.message)
}

function runMember(connection: GroupConnection, member: GroupMember): MemberOutcome {
  const results: StatementResult[] = []
  let wrote = false
  try {
    for (const [index, statement] of member.entries()) {
      const { rows, rowsAffected, wrote: statementWrote } = connection.execute(statement, index)
      wrote ||= statementWrote
      results.push({ rows, rowsAffected })
    }
    return { ok: true, results, wrote }
  } catch (error) {
    return { ok: false, error }
  }
}

function rollBack(connection: GroupConnection): void {
  if (connection.inTransaction) connection.control(ROLLBACK)
}

/** The log may hold the transaction without its having been forced to the disk. */
function syncFailure(error: unknown, path: string): MeridianError {
  return new MeridianError('STORE_UNAVAILABLE', `Store ${path} could not be forced to the disk.`, {
    fix: 'Check the disk, then open the store again and repeat with the same idempotency key.',
    retry: 'unknown-outcome',
    details: { path },
    cause: error,
  })
}
