/** `meridian strong place-leader`: hands the leadership of etcd to a region. */
import { MeridianError } from '../../core/errors.ts'
import { EXIT, type GivenOptions } from '../command.ts'
import { numberOption } from '../option-values.ts'
import type { Terminal } from '../terminal.ts'
import {
  askView,
  openOperator,
  readStrongDeployment,
  requireEtcd,
  type Deployment,
} from './ask-deployment.ts'
import { msText } from './print-view.ts'
import type { MemberView, StrongView } from './strong-view.ts'

/** What came of it. */
interface Placed {
  /** The region that led before; null: none that answers. */
  readonly from: string | null
  /** The one that leads now, or would. */
  readonly to: string
  /** Whether the leadership was handed over. */
  readonly moved: boolean
  /** What was asked for by name, or what the write mix wants. */
  readonly chosenBy: 'name' | 'write mix'
  /** The mean over the write mix with either leader; null: not known. */
  readonly meanMs: { readonly from: number | null; readonly to: number | null }
}

const TIMEOUT_MS = 15_000
const MOST_TIMEOUT_MS = 600_000

/**
 * @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID`, `REGION_UNKNOWN`, `REGION_UNREACHABLE`
 * where the best leader is not known, and what `moveEtcdLeader` says
 */
export async function runPlaceLeader(
  given: GivenOptions,
  terminal: Terminal,
  region: string | undefined,
): Promise<number> {
  const timeoutMs =
    numberOption(given, 'timeout', { least: 1, most: MOST_TIMEOUT_MS, whole: true }) ?? TIMEOUT_MS
  const deployment = await readStrongDeployment(given)
  const etcd = requireEtcd(deployment)
  if (region !== undefined) requireMemberRegion(deployment, etcd.members, region)
  const operator = await openOperator(deployment, etcd)
  try {
    const view = await askView(deployment, operator, given)
    // Without a majority nothing is known to be best, and nothing can be moved: it says so first.
    await operator.requireLeader()
    const to = region ?? requireBest(view)
    const plan = planOf(view, to, region === undefined ? 'write mix' : 'name')
    const member = memberToLead(view, to)
    if (given['dry-run'] === true) await operator.requireMovable(member.address)
    // Asked also where it leads already: that a majority agrees is what the answer says.
    else await operator.moveLeader({ to: member.address, timeoutMs })
    const placed = { ...plan, moved: given['dry-run'] !== true && view.leader !== to }
    if (given['json'] === true) terminal.line(JSON.stringify(placed, null, 2))
    else terminal.line(sentenceOf(placed))
    return EXIT.ok
  } finally {
    operator.close()
  }
}

function requireMemberRegion(
  { config, file }: Deployment,
  members: Readonly<Record<string, readonly string[]>>,
  region: string,
): void {
  if ((members[region] ?? []).length > 0) return
  const what = config.regions.includes(region)
    ? `Region ${region} has no member of etcd`
    : `There is no region ${region} in ${file}`
  throw new MeridianError('REGION_UNKNOWN', `${what}.`, {
    fix: `It can be led from: ${Object.keys(members).join(', ')}.`,
    details: { region, members: Object.keys(members) },
  })
}

/** @throws MeridianError `REGION_UNREACHABLE` */
function requireBest({ bestLeader, nodes }: StrongView): string {
  if (bestLeader !== null) return bestLeader
  const silent = nodes.flatMap(({ url, error }) =>
    error === undefined ? [] : [`${url}: ${error.code}`],
  )
  throw new MeridianError(
    'REGION_UNREACHABLE',
    `Which region writes want is not known: the distances were not measured${silent.length === 0 ? '' : ` (${silent.join('; ')})`}.`,
    { fix: 'Bring the nodes back, or name the region.', details: { silent } },
  )
}

/** Of a region's members the one that is least behind. */
function memberToLead({ members }: StrongView, region: string): MemberView {
  const ofRegion = members.filter((member) => member.region === region)
  const rank = (member: MemberView): number =>
    member.isLeader === true ? -1 : (member.behindEntries ?? Infinity)
  const able = ofRegion.filter(({ isLearner }) => isLearner !== true)
  const [best] = (able.length === 0 ? ofRegion : able).toSorted((a, b) => rank(a) - rank(b))
  // Regions without a member were refused, and those that are chosen have one.
  return best as MemberView
}

function planOf(
  { leader, latency }: StrongView,
  to: string,
  chosenBy: Placed['chosenBy'],
): Omit<Placed, 'moved'> {
  const meanOf = (region: string | null): number | null =>
    latency.find((cost) => cost.leader === region)?.meanMs ?? null
  return { from: leader, to, chosenBy, meanMs: { from: meanOf(leader), to: meanOf(to) } }
}

function sentenceOf({ from, to, moved, chosenBy, meanMs }: Placed): string {
  const why = chosenBy === 'write mix' ? ', which the strong writes of all regions want' : ''
  const cost =
    meanMs.to === null
      ? ''
      : ` Expected mean latency of a strong write: ${msText(meanMs.to)} ms${from === to || meanMs.from === null ? '' : ` instead of ${msText(meanMs.from)} ms`}.`
  if (from === to) return `The commit log is led from ${to} already${why}.${cost}`
  const was = from === null ? '' : ` Before it was ${from}.`
  if (moved) return `The commit log is led from ${to} now${why}.${was}${cost}`
  return `The commit log would be led from ${to}${why}; nothing was done. It is led from ${from ?? 'nowhere'}.${cost}`
}
