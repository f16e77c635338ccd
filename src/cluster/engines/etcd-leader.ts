/** Which member of etcd leads, and making another one lead. */
import { MeridianError } from '../../core/errors.ts'
import type { EtcdEngine } from './etcd.ts'

/** What a member says of itself. */
interface MemberStatus {
  readonly id: string
  /** `0`: none. */
  readonly leaderId: string
}

const TIMEOUT_MS = 10_000

/** The name of the member that leads; `undefined` where there is none. @throws MeridianError `LOG_UNAVAILABLE` */
export async function leaderOf(
  members: ReadonlyMap<string, EtcdEngine>,
): Promise<string | undefined> {
  for (const [name, member] of members) {
    const { id, leaderId } = await statusOf(member)
    if (id === leaderId) return name
  }
  return undefined
}

/** Hands the leadership to a member. @throws MeridianError `LOG_UNAVAILABLE` */
export async function moveLeader(
  members: ReadonlyMap<string, EtcdEngine>,
  to: string,
): Promise<void> {
  const [target, leader] = [members.get(to), members.get((await leaderOf(members)) ?? '')]
  if (target === undefined || leader === undefined) {
    throw new MeridianError('LOG_UNAVAILABLE', `etcd cannot be led by ${to}.`, {
      fix: 'There must be a leader, and a member of that name.',
    })
  }
  if (target === leader) return
  const { id } = await statusOf(target)
  await post(leader, 'transfer-leadership', { targetID: id })
}

async function statusOf(member: EtcdEngine): Promise<MemberStatus> {
  const { header, leader = '0' } = (await post(member, 'status', {})) as {
    readonly header?: { readonly member_id?: string }
    readonly leader?: string
  }
  return { id: header?.member_id ?? '', leaderId: leader }
}

async function post(member: EtcdEngine, call: string, body: object): Promise<unknown> {
  const response = await fetch(`${member.url}/v3/maintenance/${call}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  const text = await response.text()
  if (response.ok) return JSON.parse(text)
  throw new MeridianError('LOG_UNAVAILABLE', `${member.name} refuses ${call}: ${text}`, {
    fix: `See ${member.logFile}.`,
  })
}
