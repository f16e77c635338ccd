/**
 * A group commit as one batch, and what became of it. Together each transaction of the group has a
 * savepoint of its own: on a failure its statements are undone and its neighbours go on. A lone
 * transaction needs none.
 *
 * Every step asks whether a transaction is still open: a server ends one that takes too long, or a
 * statement does (`OR ROLLBACK`), and what came after would be committed by itself.
 */
import type { StatementResult } from '../../../core/ports/store.ts'
import { tooManyRows } from '../statement-rules.ts'
import type { MemberOutcome } from '../group-commit.ts'
import type { BatchStep, Condition, RemoteFailure, StepOutcome } from './batch.ts'
import { hasWritten, toStatementResult, type RemoteStatement } from './remote-statement.ts'
import { statementError } from './remote-failure.ts'

/** The statements of one transaction, not none. */
export type RemoteMember = readonly RemoteStatement[]

/** A batch, and where in it things are. */
export interface BatchPlan {
  readonly steps: readonly BatchStep[]
  readonly begin: number
  /** The last step of the fence; the transaction runs only where it holds. */
  readonly fence: number
  readonly members: readonly MemberPlan[]
  readonly commit: number
}

interface MemberPlan {
  readonly statements: readonly PlannedStatement[]
  /** The step after which the member counts as done. */
  readonly done: number
}

interface PlannedStatement {
  readonly statement: RemoteStatement
  readonly step: number
  /** Fails where the statement gave more rows than wanted. */
  readonly guard: number | undefined
}

/** What became of a batch. */
export type PlanOutcome =
  | { readonly kind: 'committed'; readonly members: readonly MemberOutcome[] }
  /** It did not begin. */
  | { readonly kind: 'not-begun'; readonly failure: RemoteFailure }
  /** Another writer owns the store. */
  | { readonly kind: 'fenced'; readonly failure: RemoteFailure | undefined }
  /** Undone as a whole: the transaction was ended within, or the commit failed. */
  | { readonly kind: 'undone'; readonly failure: RemoteFailure | undefined }

/** Plans a commit. `fence`: statements all of which must succeed, or nothing is done. */
export function planCommit(
  members: readonly RemoteMember[],
  fence: readonly BatchStep[],
): BatchPlan {
  const plan = new PlanBuilder()
  const begin = plan.add('BEGIN IMMEDIATE')
  let held = begin
  for (const { sql, args } of fence) held = plan.addWithin(sql, args, { ok: held })
  const isTogether = members.length > 1
  const planned = members.map((member) =>
    isTogether ? plan.addMember(member, held) : plan.addLoneMember(member, held),
  )
  const last = isTogether ? held : (planned[0]?.done ?? held)
  const commit = plan.addWithin('COMMIT', [], { ok: last })
  plan.addWithin('ROLLBACK', [])
  return { steps: plan.steps, begin, fence: held, members: planned, commit }
}

/** Reads what the server answered. */
export function readCommit(
  plan: BatchPlan,
  outcomes: readonly StepOutcome[],
  url: string,
): PlanOutcome {
  const begin = outcomes[plan.begin]
  if (begin?.ok === false) return { kind: 'not-begun', failure: begin.failure }
  for (let step = plan.begin + 1; step <= plan.fence; step++) {
    if (outcomes[step]?.ok !== true) return { kind: 'fenced', failure: failureAt(outcomes, step) }
  }
  const members = plan.members.map((member) => readMember(member, outcomes, url))
  if (outcomes[plan.commit]?.ok === true) return { kind: 'committed', members }
  // A lone transaction whose statement failed is undone, and that is its outcome.
  const [lone] = members
  if (members.length === 1 && lone?.ok === false) return { kind: 'committed', members }
  return { kind: 'undone', failure: failureAt(outcomes, plan.commit) }
}

class PlanBuilder {
  readonly steps: BatchStep[] = []

  add(sql: string): number {
    return this.steps.push({ sql, args: [] }) - 1
  }

  /** A step that runs within the transaction only. */
  addWithin(sql: string, args: BatchStep['args'], ...conditions: readonly Condition[]): number {
    const when: Condition = { all: [...conditions, { not: 'autocommit' }] }
    return this.steps.push({ sql, args, when }) - 1
  }

  addMember(member: RemoteMember, after: number): MemberPlan {
    const savepoint = this.addWithin('SAVEPOINT member', [], { ok: after })
    const { statements, done } = this.addLoneMember(member, savepoint)
    this.addWithin('ROLLBACK TO member', [], { ok: savepoint }, { not: { ok: done } })
    this.addWithin('RELEASE member', [], { ok: savepoint })
    return { statements, done }
  }

  addLoneMember(member: RemoteMember, after: number): MemberPlan {
    let done = after
    const statements = member.map((statement) => {
      const step = this.addWithin(statement.sql, statement.args, { ok: done })
      done = step
      const guard = this.#addRowGuard(statement, step)
      if (guard !== undefined) done = guard
      return { statement, step, guard }
    })
    return { statements, done }
  }

  /** Too many rows undo the transaction, which must be known before its end. */
  #addRowGuard(
    { sql, args, maxRows, isReadOnly }: RemoteStatement,
    step: number,
  ): number | undefined {
    if (maxRows === undefined) return undefined
    if (!isReadOnly) return this.addWithin(failUnless(`changes() <= ${maxRows}`), [], { ok: step })
    const count = `(SELECT count(*) FROM (${sql}))`
    return this.addWithin(failUnless(`${count} <= ${maxRows}`), args, { ok: step })
  }
}

/** SQL that fails where the condition does not hold: `json` does not take the empty text. */
export function failUnless(condition: string): string {
  return `SELECT json(iif(${condition}, '0', ''))`
}

function readMember(
  { statements }: MemberPlan,
  outcomes: readonly StepOutcome[],
  url: string,
): MemberOutcome {
  const results: StatementResult[] = []
  let wrote = false
  try {
    for (const [index, { statement, step, guard }] of statements.entries()) {
      const outcome = outcomes[step]
      if (outcome === undefined) throw new Error('The server did not run a statement.')
      if (!outcome.ok) throw statementError(outcome.failure, index, url)
      const isRefused = guard !== undefined && outcomes[guard]?.ok !== true
      if (isRefused) throw tooManyRows(statement.maxRows ?? 0)
      results.push(toStatementResult(statement, outcome))
      wrote ||= hasWritten(statement, outcome)
    }
    return { ok: true, results, wrote }
  } catch (error) {
    return { ok: false, error }
  }
}

function failureAt(outcomes: readonly StepOutcome[], step: number): RemoteFailure | undefined {
  const outcome = outcomes[step]
  return outcome?.ok === false ? outcome.failure : undefined
}
