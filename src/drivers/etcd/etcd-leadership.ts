/**
 * Handing the leadership of etcd to a member. Only the leader can hand it over, and it may change
 * while it is asked: so what the members say afterwards counts, not what the call came to.
 */
import { MeridianError } from '../../core/errors.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { EtcdCallError, kindOf } from './etcd-errors.ts'
import { etcdStatus, type EtcdMemberStatus } from './etcd-status.ts'

/** Whom to, and how long it may take. */
export interface MoveLeaderOptions {
  /** `host:port` of the member that is to lead. */
  readonly to: string
  readonly timeoutMs: number
}

const ATTEMPT_TIMEOUT_MS = 3_000
const PAUSE_MS = 100

/**
 * Resolves once a majority of the members says that `to` leads, with how they stand then. A member
 * that leads already is left alone.
 *
 * @throws MeridianError `LOG_UNAVAILABLE`: `to` does not answer or has no vote, there is no leader or
 * no majority, the leader does not answer here; `LOG_MISCONFIGURED`: etcd refuses this user;
 * `DEADLINE_EXCEEDED`: it did not move in time, `details.leader` says who leads then; `CLOSED`
 */
export async function moveEtcdLeader(
  connection: EtcdConnection,
  { to, timeoutMs }: MoveLeaderOptions,
): Promise<readonly EtcdMemberStatus[]> {
  const { clock } = connection.runtime
  const untilMs = clock.monotonicMs() + timeoutMs
  let failure: EtcdCallError | undefined
  for (let attempts = 0; ; attempts++) {
    const members = await etcdStatus(connection)
    connection.closed.throwIfAborted()
    if (isLedBy(members, to)) return members
    const leftMs = untilMs - clock.monotonicMs()
    if (leftMs <= 0) throw notMoved(connection, members, to, timeoutMs, failure)
    const movable = attempts === 0 ? requireMovable(connection, members, to) : ask(members)
    if (movable !== undefined && movable.leader.id !== movable.target.id) {
      const { answer } = await connection.askMember(movable.leader.address, {
        service: 'Maintenance',
        method: 'moveLeader',
        request: { targetID: movable.target.id },
        timeoutMs: Math.min(leftMs, ATTEMPT_TIMEOUT_MS),
      })
      failure = answer instanceof EtcdCallError ? answer : undefined
      if (failure !== undefined && isRefusal(failure)) throw connection.typed(failure)
    }
    await connection.pause(PAUSE_MS)
  }

  /** While it moves nobody may lead for a moment: that is waited for, once it was well. */
  function ask(
    members: readonly EtcdMemberStatus[],
  ): ReturnType<typeof requireMovable> | undefined {
    try {
      return requireMovable(connection, members, to)
    } catch {
      return undefined
    }
  }
}

/** That the leader is another one by now, or gave up waiting, is no refusal. */
function isRefusal(error: EtcdCallError): boolean {
  return kindOf(error) === 'refused' && !/not leader|leader transfer|timed out/.test(error.message)
}

/** Whether most of the members that vote take `address` for the leader. */
function isLedBy(members: readonly EtcdMemberStatus[], address: string): boolean {
  const target = members.find((member) => member.address === address)
  if (target?.id === undefined || target.isLeader !== true) return false
  const voters = members.filter(({ isLearner }) => isLearner !== true)
  const agreeing = voters.filter(({ leaderId }) => leaderId === target.id)
  return agreeing.length > voters.length / 2
}

/** A member that said how it stands. */
export type AnsweringMember = EtcdMemberStatus & { readonly id: string }

/**
 * The member that leads.
 *
 * @throws MeridianError `LOG_UNAVAILABLE`: no majority answers and has a leader that does;
 * `LOG_MISCONFIGURED`
 */
export function requireLeader(
  connection: EtcdConnection,
  members: readonly EtcdMemberStatus[],
): AnsweringMember {
  const answering = members.filter(isAnswering)
  const led = answering.filter(({ hasLeader }) => hasLeader === true)
  const voters = members.filter(({ isLearner }) => isLearner !== true)
  if (led.filter(({ isLearner }) => isLearner !== true).length * 2 <= voters.length) {
    const silent = members.filter((member) => !isAnswering(member))
    const reasons = silent.map(({ address, reason }) => `${address}: ${reason ?? 'no answer'}`)
    if (silent.some(({ code }) => code === 'LOG_MISCONFIGURED')) {
      throw new MeridianError('LOG_MISCONFIGURED', `etcd cannot be asked: ${reasons.join('; ')}.`, {
        fix: 'Check `members`, `user`, `password` and `tls` of `commitLog.etcd`.',
        details: { engine: 'etcd', addresses: connection.addresses },
      })
    }
    throw refusal(
      connection,
      `etcd has no majority that answers and has a leader (${reasons.join('; ')}).`,
      'Bring its members back first: without a majority nothing can be moved.',
    )
  }
  const leader = answering.find(({ isLeader }) => isLeader === true)
  if (leader !== undefined) return leader
  const known = BigInt(led[0]?.leaderId ?? 0).toString(16)
  throw refusal(
    connection,
    `The leader of etcd (${known}) is no configured member that answers.`,
    'It alone can hand over: name it in `commitLog.etcd.members`, and check the way to it.',
  )
}

/** The member that leads and the one that is to. @throws MeridianError as `requireLeader`, and `LOG_UNAVAILABLE` for `to` */
export function requireMovable(
  connection: EtcdConnection,
  members: readonly EtcdMemberStatus[],
  to: string,
): { readonly leader: AnsweringMember; readonly target: AnsweringMember } {
  const leader = requireLeader(connection, members)
  const target = members.filter(isAnswering).find(({ address }) => address === to)
  if (target === undefined) {
    const fix = 'Bring it back, or place another one.'
    throw refusal(connection, `The member ${to} does not answer.`, fix)
  }
  if (target.isLearner === true) {
    const fix = 'Promote it first: `etcdctl member promote`.'
    throw refusal(connection, `The member ${to} is a learner.`, fix)
  }
  return { leader, target }
}

function isAnswering(member: EtcdMemberStatus): member is AnsweringMember {
  return member.id !== undefined
}

function refusal({ addresses }: EtcdConnection, message: string, fix: string): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', message, {
    fix,
    details: { engine: 'etcd', addresses },
  })
}

function notMoved(
  { addresses }: EtcdConnection,
  members: readonly EtcdMemberStatus[],
  to: string,
  timeoutMs: number,
  failure: EtcdCallError | undefined,
): MeridianError {
  const leader = members.find(({ isLeader }) => isLeader === true)?.address ?? null
  const now = leader === null ? 'nobody leads' : `${leader} leads`
  const why = failure === undefined ? '' : ` (${failure.message})`
  return new MeridianError(
    'DEADLINE_EXCEEDED',
    `etcd was not led by ${to} within ${timeoutMs} ms${why}: ${now} now.`,
    {
      fix: 'Look at the health of that member and how far it is behind: `meridian strong status`.',
      details: { engine: 'etcd', addresses, leader },
      cause: failure,
    },
  )
}
