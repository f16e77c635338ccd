/** Prints how strong tables stand. */
import type { WireError } from '../../core/errors.ts'
import { renderTable, type TableColumn } from '../table.ts'
import { TOKEN_FIX } from '../status/nodes-to-ask.ts'
import type { Terminal } from '../terminal.ts'
import type { LeaderCost } from './choose-leader.ts'
import type { GroupView, LeaseView, MemberView, StrongView } from './strong-view.ts'

export const left = (title: string): TableColumn => ({ title, align: 'left' })
export const right = (title: string): TableColumn => ({ title, align: 'right' })

const MEMBER_COLUMNS: readonly TableColumn[] = [
  left('region'),
  left('member'),
  left('role'),
  left('version'),
  right('term'),
  right('raft index'),
  right('behind'),
  right('database'),
  left('alarms'),
]

const GROUP_COLUMNS: readonly TableColumn[] = [
  left('region'),
  left('group'),
  right('applied'),
  right('log end'),
  right('behind'),
  right('behind ms'),
  right('retained'),
  right('machine'),
  right('schema'),
  left('state'),
]

const LEASE_COLUMNS: readonly TableColumn[] = [
  left('region'),
  left('lease'),
  right('applied'),
  right('stable'),
  right('marks'),
  left('holders by the log'),
]

export function printStrongView(view: StrongView, terminal: Terminal): void {
  terminal.line(terminal.style('bold', headline(view)))
  if (view.members.length > 0) {
    terminal.heading('Members of etcd')
    printTable(terminal, MEMBER_COLUMNS, view.members.map(memberRow))
  }
  terminal.heading('Log groups')
  const silent = view.silentRegions.map((region) => [region, 'no node that answers has it open'])
  printTable(terminal, GROUP_COLUMNS, [...view.groups.map(groupRow), ...silent])
  if (view.leases.length > 0) {
    terminal.heading('Leases of tables with local strong reads')
    printTable(terminal, LEASE_COLUMNS, view.leases.map(leaseRow))
  }
  if (view.latency.length > 0) printLatency(view, terminal)
  for (const { url, error } of view.nodes) {
    if (error === undefined) continue
    const fix = error.code === 'UNAUTHENTICATED' ? ` ${TOKEN_FIX}` : ''
    terminal.note(`${url}: ${textOf(error)}${fix}`)
  }
}

function headline({ log, leader }: StrongView): string {
  if (log === 'file')
    return `The commit log is a file of ${leader ?? ''}: no other region can lead it.`
  if (leader === null) return 'The commit log in etcd has no leader that answers.'
  return `The commit log in etcd is led from ${leader}.`
}

function memberRow(member: MemberView): readonly string[] {
  const { region, address, reachable, reason, alarms = [] } = member
  if (!reachable) return [region, address, `no answer: ${reason ?? 'unknown'}`]
  return [
    region,
    address,
    roleOf(member),
    member.version ?? '?',
    String(member.raftTerm ?? '?'),
    String(member.raftAppliedIndex ?? '?'),
    String(member.behindEntries ?? '?'),
    `${((member.databaseBytes ?? 0) / 1024 / 1024).toFixed(1)} MiB`,
    alarms.length === 0 ? '-' : alarms.join(', '),
  ]
}

function roleOf({ isLeader, isLearner, hasLeader }: MemberView): string {
  if (isLeader === true) return 'leads'
  if (hasLeader === false) return 'knows no leader'
  return isLearner === true ? 'learns' : 'follows'
}

function groupRow(group: GroupView): readonly string[] {
  return [
    group.region,
    group.group,
    String(group.applied),
    String(group.logEnd),
    String(group.lagRecords),
    msText(group.lagMs),
    group.retainedRecords === null ? '-' : String(group.retainedRecords),
    String(group.machineVersion ?? '?'),
    group.schemaVersion === null ? '-' : String(group.schemaVersion ?? '?'),
    stateOf(group),
  ]
}

function leaseRow(lease: LeaseView): readonly string[] {
  const { region, remainingMs, applied, stableIndex, markedTransactions, holders } = lease
  const held = holders.filter((holder) => holder.isHeld)
  return [
    region,
    remainingMs > 0 ? `${remainingMs} ms left` : 'none: reads go to the log',
    String(applied),
    String(stableIndex),
    String(markedTransactions),
    held.length === 0 ? '-' : held.map(({ databaseId }) => databaseId).join(', '),
  ]
}

function stateOf({ stopped, reseeding, logError, leftBehind, digests }: GroupView): string {
  if (reseeding !== null) {
    const { from, parts, failures } = reseeding
    const why = Object.entries(failures).map(([region, reason]) => `${region}: ${reason}`)
    const failed = why.length === 0 ? '' : ` (${why.join('; ')})`
    const because = reseeding.why === undefined ? '' : `: ${reseeding.why}`
    return `seeded again from ${from ?? 'nobody yet'}, ${parts} parts${failed}${because}`
  }
  if (stopped !== null) return `stopped: ${textOf(stopped)}`
  if (logError !== null) return `the log gives no answer: ${textOf(logError)}`
  const differs = digests?.differs ?? null
  if (differs !== null) {
    const { index, peers, parts, isMajorityHere } = differs
    const who = isMajorityHere ? 'they are wrong' : 'nobody knows who is wrong'
    return `follows; differs from ${peers.join(', ')} at ${index} in ${parts.join(', ')}: ${who}`
  }
  return leftBehind.length === 0 ? 'follows' : `follows; left behind: ${leftBehind.join(', ')}`
}

function printLatency(view: StrongView, terminal: Terminal): void {
  const { latency, leader, bestLeader, writesPerSecond } = view
  terminal.heading(
    'Expected latency by leader, ms: a strong write; a read by read index takes the same way',
  )
  const columns = [
    left('from'),
    right('writes/s'),
    right('read now'),
    ...latency.map((cost) => right(cost.leader === leader ? `${cost.leader} *` : cost.leader)),
  ]
  const [first] = latency
  const origins = Object.keys(first?.latencyMs ?? {})
  const rows = origins.map((origin) => [
    origin,
    (writesPerSecond[origin] ?? 0).toFixed(1),
    msText(readNowMs(view, origin)),
    ...latency.map((cost) => msText(cost.latencyMs[origin] ?? null)),
  ])
  const total = Object.values(writesPerSecond).reduce((sum, rate) => sum + rate, 0)
  const mean = [
    'mean of writes',
    total.toFixed(1),
    '',
    ...latency.map((cost) => msText(cost.meanMs)),
  ]
  printTable(terminal, columns, [...rows, mean])
  terminal.line()
  terminal.line(
    '* leads. From distances that nodes measured to members; disks and work come on top.',
  )
  if (total === 0 && bestLeader !== null)
    terminal.line('No strong write was counted lately: every region weighs the same.')
  terminal.line(adviceOf(leader, bestLeader, latency))
}

/** What asking the log has just taken: of groups that asked at once, the one that did not wait behind another. */
function readNowMs({ groups }: StrongView, region: string): number | null {
  const known = groups.filter((one) => one.region === region && one.readIndexMs !== null)
  return known.length === 0 ? null : Math.min(...known.map(({ readIndexMs }) => readIndexMs ?? 0))
}

function adviceOf(
  leader: string | null,
  bestLeader: string | null,
  latency: readonly LeaderCost[],
): string {
  if (bestLeader === null) {
    return 'Which leader is best is not known: nodes or members that would tell the distances do not answer.'
  }
  if (bestLeader === leader) return `These writes want it where it is: ${leader}.`
  const meanOf = (region: string | null): string =>
    msText(latency.find((cost) => cost.leader === region)?.meanMs ?? null)
  return `These writes want it in ${bestLeader}: ${meanOf(bestLeader)} ms instead of ${meanOf(leader)}. See \`meridian strong place-leader\`.`
}

export function printTable(
  terminal: Terminal,
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): void {
  for (const line of renderTable(columns, rows)) terminal.line(line)
}

function textOf({ code, message }: WireError): string {
  return `${code}: ${message}`
}

/** Milliseconds; `-` where they are not known. */
export function msText(ms: number | null): string {
  if (ms === null) return '-'
  if (!Number.isFinite(ms)) return 'never'
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms))
}
