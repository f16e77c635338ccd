/**
 * Whether a deployment can work as it is configured, what its operator should know, and what it
 * survives. What concerns one line of the file is refused when it is read (`parse-config.ts`); this
 * is what the parts mean together.
 */
import { MeridianError } from '../core/errors.ts'
import { checkMembers } from './check-members.ts'
import { checkResidencyOf, type SchemaFacts } from './check-residency.ts'
import { checkSecrecy } from './check-secrecy.ts'
import { deploymentFacts } from './deployment-facts.ts'
import { deploymentSize, type SizeReport } from './deployment-size.ts'
import { mergeFindings, type Finding, type Findings } from './findings.ts'
import type { Config } from './parse-config.ts'
import { survivalTable, type SurvivalRow } from './survival.ts'

/** What a configuration amounts to. */
export interface DeploymentCheck extends SizeReport, Findings {
  readonly survival: readonly SurvivalRow[]
}

/** Judges a configuration; with what is known of the schema also the places of its strong tables. */
export function checkDeployment(config: Config, schema?: SchemaFacts): DeploymentCheck {
  const facts = deploymentFacts(config)
  const found = mergeFindings([
    checkMembers(config, facts),
    checkResidencyOf(config, schema),
    checkSecrecy(config),
    { problems: [], warnings: [...checkCopies(config), ...checkKeys(config)] },
  ])
  return { ...deploymentSize(facts), ...found, survival: survivalTable(facts) }
}

/**
 * Refuses what cannot work, at the start of a node as in `meridian config check`.
 *
 * @throws MeridianError `CONFIG_INVALID`
 */
export function requireWorkable(config: Config, schema?: SchemaFacts): void {
  const { problems } = checkDeployment(config, schema)
  const [first] = problems
  if (first === undefined) return
  const more =
    problems.length === 1 ? '' : ` \`meridian config check\` has ${problems.length - 1} more.`
  throw new MeridianError('CONFIG_INVALID', `${pathOf(first)}: ${first.problem}.`, {
    fix: `${first.fix}${more}`,
    details: { rule: first.rule, path: pathOf(first) },
  })
}

/** The path of a finding as a file has it: `nodes.eu-west[0].url`. */
export function pathOf({ path }: Finding): string {
  return path
    .map((step, i) =>
      typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`,
    )
    .join('')
}

/** The list of brokers may be a beginning only; that there are enough, the broker says. */
function checkCopies({ changeLogs }: Config): readonly Finding[] {
  return Object.entries(changeLogs).flatMap(([region, { brokers, replicationFactor }]) => {
    if (replicationFactor <= brokers.length) return []
    const finding: Finding = {
      rule: 'kafka-copies-above-brokers',
      path: ['changeLogs', region, 'replicationFactor'],
      problem: `${replicationFactor} copies need as many brokers, and ${brokers.length === 1 ? 'one is' : `${brokers.length} are`} named`,
      fix: 'Name the others, too: a node also finds its way by them while one is down.',
    }
    return [finding]
  })
}

function checkKeys({ keys, nodes }: Config): readonly Finding[] {
  if (keys?.kind !== 'development' || Object.keys(nodes).length === 0) return []
  return [
    {
      rule: 'development-keys',
      path: ['keys'],
      problem: 'development keys protect nothing',
      fix: 'Use a keyring file.',
    },
  ]
}
