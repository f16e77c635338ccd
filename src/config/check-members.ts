/** Rules about the commit log: how many members of etcd there are, where they stand, or that none do. */
import type { Config } from './parse-config.ts'
import { majority, type DeploymentFacts } from './deployment-facts.ts'
import type { Finding, Findings } from './findings.ts'

const PATH = ['commitLog', 'etcd', 'members'] as const

/** Looks at the members of etcd. */
export function checkMembers(config: Config, facts: DeploymentFacts): Findings {
  const { etcd } = config.commitLog
  if (etcd === null) return { problems: [], warnings: checkLogFile(facts) }
  return {
    problems: checkTwice(etcd.members),
    warnings: [...checkCount(facts), ...checkPlaces(facts)],
  }
}

/** A member that is counted twice makes a majority of fewer machines than it seems. */
function checkTwice(members: Readonly<Record<string, readonly string[]>>): readonly Finding[] {
  const known = new Set<string>()
  const findings: Finding[] = []
  for (const [region, addresses] of Object.entries(members)) {
    addresses.forEach((address, i) => {
      if (known.has(address)) {
        findings.push({
          rule: 'etcd-member-twice',
          path: [...PATH, region, i],
          problem: `${address} is named twice`,
          fix: 'Name each member once, in the region where it stands.',
        })
      }
      known.add(address)
    })
  }
  return findings
}

function checkCount({ members, spareMembers }: DeploymentFacts): readonly Finding[] {
  if (members === 1) {
    const problem =
      'one member: strong writes stop while it is away, and the log is lost with its disk'
    return [finding('etcd-single-member', problem, 'Run three members, in three regions.')]
  }
  if (members % 2 === 1) return []
  const spare = spareMembers === 0 ? 'none' : String(spareMembers)
  const problem =
    `${members} members survive the loss of ${spare}, as ${members - 1} would, ` +
    'and more of them can fail'
  // Not refused: while a member is being replaced, the number is even for a while.
  return [finding('etcd-even-members', problem, `Run ${members + 1} members, or ${members - 1}.`)]
}

/** Whether one region's loss takes the majority with it. */
function checkPlaces({ regions, members }: DeploymentFacts): readonly Finding[] {
  if (members < 2 || regions.length < 2) return []
  const holder = regions.find((one) => members - one.members < majority(members))
  if (holder === undefined) return []
  const problem =
    `the loss of ${holder.region} leaves no majority of the members: ` +
    'strong writes and new tenants stop in every region'
  const fix =
    regions.length === 2
      ? 'Put a member into a third region; one of two always holds the majority.'
      : 'Spread the members, so that no region holds half of them.'
  return [finding('etcd-majority-in-one-region', problem, fix)]
}

function checkLogFile({ isEmbedded, regions, leader }: DeploymentFacts): readonly Finding[] {
  if (isEmbedded || regions.every(({ together }) => together.length === regions.length)) return []
  return [
    {
      rule: 'commit-log-in-a-file',
      path: ['commitLog'],
      problem:
        `the commit log is a file of ${leader}: strong writes and new tenants stop everywhere ` +
        'while that node is away, and the log is lost with its disk',
      fix: 'Name an etcd cluster in `commitLog.etcd`.',
    },
  ]
}

function finding(rule: string, problem: string, fix: string): Finding {
  return { rule, path: PATH, problem, fix }
}
